"""Images on a GPU: the whole array there where it fits, and otherwise each batch read ahead and copied beside the work."""

import weakref
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch

_SHARE = 2  # an array may have one part in so many of the free memory: the rest is for models and other processes
_PIECE = 64 << 20  # bytes uploaded at once: a memory map is not read into memory as a whole
_AHEAD = 2  # batches that are read before they are asked for

_resident: dict[tuple[int, str], torch.Tensor | None] = {}


def resident(images: np.ndarray, device: torch.device) -> torch.Tensor | None:
    """`images` (N, H, W, 3) uint8 on a GPU, uploaded once a process for as long as the array lives, which must not be changed.

    None on a CPU, and where the array is larger than half of the GPU's memory that was free when it was first asked for.
    """
    if device.type != "cuda":
        return None
    key = id(images), str(device)
    if key not in _resident:
        _resident[key] = _uploaded(images, device)
        weakref.finalize(images, _resident.pop, key, None)
    return _resident[key]


def _uploaded(images: np.ndarray, device: torch.device) -> torch.Tensor | None:
    free, _ = torch.cuda.mem_get_info(device)
    if images.nbytes > free // _SHARE:
        return None
    try:
        there = torch.empty(images.shape, dtype=torch.uint8, device=device)
    except torch.cuda.OutOfMemoryError:  # processes that share the card can all have seen the same memory free
        return None
    rows = max(1, _PIECE * len(images) // max(1, images.nbytes))
    for begin in range(0, len(images), rows):
        there[begin : begin + rows].copy_(torch.from_numpy(np.array(images[begin : begin + rows])))
    return there


def read_ahead(images: np.ndarray, parts: Sequence[np.ndarray], device: torch.device) -> Iterator[torch.Tensor]:
    """The images (B, H, W, 3) uint8 of each of these row numbers on a GPU, in turn.

    A thread reads the next batches into page-locked memory while the GPU works, and each is copied on a stream of its own.
    """
    stream = torch.cuda.Stream(device)
    with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as reader:
        waiting: deque[tuple[torch.Tensor, Future[np.ndarray]]] = deque()
        for begun in range(len(parts) + _AHEAD):
            if begun < len(parts):
                pinned = torch.empty((len(parts[begun]), *images.shape[1:]), dtype=torch.uint8, pin_memory=True)
                waiting.append((pinned, reader.submit(np.take, images, parts[begun], axis=0, out=pinned.numpy())))
            if begun >= _AHEAD:
                pinned, done = waiting.popleft()
                done.result()
                yield _copied_beside(pinned, stream, device)


def _copied_beside(pinned: torch.Tensor, stream: torch.cuda.Stream, device: torch.device) -> torch.Tensor:
    """A copy on `stream`; the current stream waits for it, the CPU does not."""
    current = torch.cuda.current_stream(device)
    with torch.cuda.stream(stream):
        there = pinned.to(device, non_blocking=True)
    current.wait_stream(stream)
    there.record_stream(current)  # its memory belongs to `stream` and is used here
    return there
