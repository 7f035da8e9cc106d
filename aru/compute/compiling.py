"""A model's calls through torch.compile, where that is asked for and a compiler is there."""

import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import nn


def missing_compiler(device: torch.device) -> str | None:
    """What torch.compile would need and does not find here; None where nothing is missing."""
    if device.type == "cuda":
        from torch.utils._triton import has_triton

        return None if has_triton() else "Triton with a GPU that it supports"
    names = [os.environ.get("CXX", "g++"), "clang++"]
    return None if any(map(shutil.which, names)) else f"a C++ compiler ({' or '.join(names)})"


class FullBatches:
    """The calls of a model on batches of one size are compiled, once; others run as they are, so that they compile nothing."""

    def __init__(self, size: int, *, wanted: bool) -> None:
        self._size, self._wanted = size, wanted

    @contextmanager
    def of(self, model: nn.Module) -> Iterator[None]:
        """Compile the calls of `model` in a block; it is the same model before and after.

        What the compiler cannot do runs as it is, with PyTorch's own message in the log.
        """
        if not self._wanted:
            yield
            return
        model.compile(dynamic=False)
        try:
            with torch._dynamo.config.patch(suppress_errors=True):
                yield
        finally:
            model._compiled_call_impl = None

    def on(self, count: int) -> AbstractContextManager[object]:
        """For the calls on one batch of `count`."""
        if not self._wanted or count == self._size:
            return nullcontext()
        return torch.compiler.set_stance("force_eager")
