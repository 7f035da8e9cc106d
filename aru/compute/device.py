"""Where the arithmetic runs: device, precision and threads, chosen once and passed on."""

import contextlib
import multiprocessing
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import nn

from aru.compute.compiling import missing_compiler
from aru.compute.copying import copied
from aru.compute.kernels import instructions
from aru.compute.kernels.convolution import use_fast_convolutions
from aru.compute.kernels.memory import keep_freed_memory
from aru.core.config import RuntimeConfig
from aru.core.errors import InputError

Model = TypeVar("Model", bound=nn.Module)


@dataclass(frozen=True)
class Compute:
    """A device, the number format of matrix work on it, whose kernels convolve on a CPU, and whether models are compiled."""

    device: torch.device
    dtype: torch.dtype = torch.float32
    fast_kernels: bool = False
    compile: bool = False

    @property
    def precision(self) -> str:
        """Either ``"bf16"`` or ``"fp32"``."""
        return "bf16" if self.dtype == torch.bfloat16 else "fp32"

    def autocast(self) -> contextlib.AbstractContextManager[None]:
        """Run matrix work in the chosen precision; weights stay float32."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.dtype == torch.bfloat16)

    def place(self, model: Model) -> Model:
        """Move a model to the device, convolutions channels-last and, where that is chosen, by this project's kernels.

        A model with tensors of five dimensions, such as the weights of a Conv3d, keeps its memory layout: PyTorch refuses it.
        """
        placed = model.to(self.device)
        if all(tensor.dim() < 5 for tensor in (*placed.parameters(), *placed.buffers())):
            placed = placed.to(memory_format=torch.channels_last)
        return use_fast_convolutions(placed) if self.fast_kernels else placed

    def placed_copy(self, model: Model) -> Model:
        """A placed copy: the model that is given keeps its device, its memory layout, its modes and its kernels."""
        return self.place(copied(model))


def device_of(config: RuntimeConfig, *, local_rank: int | None = None) -> torch.device:
    """The device that the configuration asks for; one that is not here is an InputError.

    Where it names no GPU in particular and there are several, worker processes take them in turn. Of the processes that
    share a training, that of `local_rank` on this machine takes the GPU of that number.
    """
    device = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if config.device == "auto" else config.device)
    count = torch.cuda.device_count() if device.type == "cuda" and torch.cuda.is_available() else 0
    if device.type == "cuda" and count == 0:
        raise InputError(f"runtime.device is {config.device!r} but CUDA is not available here: use 'auto' or 'cpu'")
    if device.type == "cuda" and (device.index or 0) >= count:
        raise InputError(
            f"runtime.device is {config.device!r} but CUDA has {count} devices here, numbered from 0: use one of "
            "these, or 'auto'"
        )
    if device.type != "cuda" or ":" in config.device:
        return device
    if local_rank is not None and local_rank >= count:
        raise InputError(
            f"runtime.processes is {config.processes}, one a GPU, but CUDA has {count} devices here: set it to {count} "
            "for this machine alone, or runtime.device to 'cpu'"
        )
    if local_rank is not None:
        return torch.device("cuda", local_rank)
    number = worker_number(multiprocessing.current_process().name)
    return device if number is None or count == 1 else torch.device("cuda", number % count)


def worker_number(name: str) -> int | None:
    """Which of its parent's processes this is, from 0, by its name; None for one that is nobody's worker.

    multiprocessing names the n-th child of a process KIND-n, or KIND-...:n where that is a child itself.
    """
    found = re.fullmatch(r"\w*Process-(?:\d+:)*(\d+)", name)
    return int(found[1]) - 1 if found else None


def make_compute(config: RuntimeConfig, *, local_rank: int | None = None) -> Compute:
    """Turn the configuration into a device and precision, and set threads, memory and GPU of this process's PyTorch.

    CUDA is taken only where it is present; one thread a stage keeps sums in one order, hence bytes equal. On a GPU bytes may
    differ from run to run. local_rank: as `device_of` takes it.
    """
    torch.set_num_threads(config.threads)
    keep_freed_memory()
    device = device_of(config, local_rank=local_rank)
    if device.type == "cuda" and str(device) != "cuda":
        torch.cuda.set_device(device)
    fast = torch.cuda.is_bf16_supported() if device.type == "cuda" else _cpu_has_bf16()
    bf16 = fast if config.precision == "auto" else config.precision == "bf16"
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True  # a run has few shapes; of each the fastest algorithm of a trial
        # What stays float32 beside bfloat16 may round its factors to TF32's 10 bits, which are more; fp32 is meant as it says.
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = bf16
    missing = missing_compiler(device) if config.compile else None
    if missing:
        warnings.warn(f"runtime.compile is true, and {missing} is not here: models run without it", stacklevel=2)
    compiled = config.compile and not missing
    return Compute(device, torch.bfloat16 if bf16 else torch.float32, config.kernels == "fast" and not compiled, compiled)


@contextlib.contextmanager
def process_settings_kept(device: torch.device) -> Iterator[None]:
    """After the block the process has the threads, GPU, cuDNN search and TF32 settings that it had before `make_compute`."""
    threads = torch.get_num_threads()
    try:
        with _gpu_settings_kept() if device.type == "cuda" else contextlib.nullcontext():
            yield
    finally:
        torch.set_num_threads(threads)


@contextlib.contextmanager
def _gpu_settings_kept() -> Iterator[None]:
    cudnn, cublas = torch.backends.cudnn, torch.backends.cuda.matmul
    # The older flags, allow_tf32, cannot be read where both were used. PyTorch adds conv and rnn when it is imported.
    formats = (cublas, cudnn.conv, cudnn.rnn)  # type: ignore[attr-defined]
    gpu, search, before = torch.cuda.current_device(), cudnn.benchmark, [part.fp32_precision for part in formats]
    try:
        yield
    finally:
        torch.cuda.set_device(gpu)
        cudnn.benchmark = search
        cublas.allow_tf32, cudnn.allow_tf32 = before[0] == "tf32", before[1] == "tf32"
        for part, precision in zip(formats, before, strict=True):
            part.fp32_precision = precision


def _cpu_has_bf16() -> bool:
    """Whether bfloat16 is fast here; without these instructions it is emulated and slower than float32."""
    return any(instructions.has(name) for name in ("amx_tile", "avx512_bf16"))
