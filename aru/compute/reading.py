"""Models that are only read: each is copied to the device once for all that looks at it, instead of once for each look."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from torch import nn

from aru.compute.device import Compute

_Key = tuple[int, str, bool]
_scopes: ContextVar[tuple[dict[int, nn.Module], dict[_Key, nn.Module]] | None] = ContextVar("placed", default=None)


@contextmanager
def placed_once(models: Iterable[nn.Module]) -> Iterator[None]:
    """In the block `to_read` copies each of these models once; the caller vouches that none of them changes meanwhile.

    The copies go with the block. Other models, and those in other threads, are copied at each call.
    """
    token = _scopes.set(({id(model): model for model in models}, {}))
    try:
        yield
    finally:
        _scopes.reset(token)


def to_read(model: nn.Module, compute: Compute) -> nn.Module:
    """A placed copy of the model in evaluation mode. It may be hooked, for as long as the hooks are taken off again, and
    read; nothing else of it may be changed, since the next caller may be given the same one.
    """
    scope = _scopes.get()
    if scope is None or id(model) not in scope[0]:
        return compute.placed_copy(model).eval()
    key = id(model), str(compute.device), compute.fast_kernels
    if key not in scope[1]:
        scope[1][key] = compute.placed_copy(model).eval()
    return scope[1][key]
