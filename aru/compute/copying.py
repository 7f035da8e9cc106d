"""Copies of networks, also of those that keep what they have computed."""

import copy
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

Model = TypeVar("Model", bound=nn.Module)


def copied(model: Model) -> Model:
    """A deep copy. What the network keeps of a pass, as an activation in an attribute, is copied without its graph.

    PyTorch copies no tensor that has a graph: it refuses with a RuntimeError.
    """
    with _WithoutGraphs():
        return copy.deepcopy(model)


class _WithoutGraphs(TorchFunctionMode):
    """Copies of tensors with a graph are their values alone."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func is not torch.Tensor.__deepcopy__ or args[0].is_leaf:
            return func(*args, **(kwargs or {}))
        tensor, memo = args
        memo[id(tensor)] = tensor.detach().clone()
        return memo[id(tensor)]
