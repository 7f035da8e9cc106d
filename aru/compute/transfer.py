"""Tensors between the CPU and a GPU without a wait: through page-locked memory, in the order of the work that is queued.

A copy from or into ordinary memory holds the CPU until all work that is queued on the GPU is done. Page-locked ("pinned")
memory comes from PyTorch's cache, which gives a block out again only after the copies that use it.
"""

from collections import deque
from collections.abc import Iterable, Iterator

import torch


def sent(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """`tensor.to(device)`; from the CPU to a GPU by a copy that is queued there, of the values that `tensor` has now."""
    if device.type != "cuda" or tensor.device.type != "cpu":
        return tensor.to(device)
    pinned = torch.empty_like(tensor, pin_memory=True)
    return pinned.copy_(tensor).to(device, non_blocking=True)


class Reading:
    """The values of tensors of one device on their way to the CPU, as they are at this point of the work that is queued.

    Of tensors on the CPU it is these tensors, and they have arrived.
    """

    def __init__(self, *tensors: torch.Tensor) -> None:
        self._values, self._event = tuple(tensor.detach() for tensor in tensors), None
        device = tensors[0].device
        if device.type == "cuda":
            self._values = tuple(_queued_copy(values) for values in self._values)
            self._event = torch.cuda.Event()
            self._event.record(torch.cuda.current_stream(device))

    def arrived(self) -> bool:
        """Whether `values` would not wait."""
        return self._event is None or self._event.query()

    def values(self) -> tuple[torch.Tensor, ...]:
        """The values on the CPU; waits for them, but for nothing that was queued after them."""
        if self._event is not None:
            self._event.synchronize()
        return self._values


def one_behind(results: Iterable[tuple[torch.Tensor, ...]]) -> Iterator[tuple[torch.Tensor, ...]]:
    """Each result on the CPU; from a GPU when the next one has been queued, so that it has work while this one is used."""
    waiting: deque[Reading] = deque()
    for tensors in results:
        waiting.append(Reading(*tensors))
        while waiting and (len(waiting) > 1 or waiting[0].arrived()):
            yield waiting.popleft().values()
    for reading in waiting:
        yield reading.values()


def _queued_copy(tensor: torch.Tensor) -> torch.Tensor:
    return torch.empty_like(tensor, device="cpu", pin_memory=True).copy_(tensor, non_blocking=True)
