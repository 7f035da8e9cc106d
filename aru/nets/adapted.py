"""A caller's network as methods see one: inputs in [0, 1] go in, one tensor of logits comes out."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from aru.compute.copying import copied
from aru.core.errors import InputError
from aru.core.suggestions import did_you_mean

Bounds = tuple[float, float]


@dataclass(frozen=True)
class Preprocessing:
    """What a network expects of its inputs, in the words of foolbox: values within bounds, less the mean, over the std.

    mean, std: a number, or one a channel, along `axis` of the batch without its first dimension: -3 is that of channels.
    """

    mean: float | Sequence[float] = 0.0
    std: float | Sequence[float] = 1.0
    axis: int = -3


class Adapted(nn.Module):
    """Wraps a network without changing it: bounds and normalisation before it, `.logits` taken out of what it returns.

    Noise is then bounded in pixels, although the network sees normalised images. The parameters are the network's own objects;
    whoever trains a copy copies this module, not the network. With `raw` it returns what the network returns, for a loss of
    the caller's own. `heads`: the names of the network's output layers, where the caller names them. `drawn`: makes a new
    network of this kind, where the caller has such a function (`aru.nets.fresh`).
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(
        self,
        network: nn.Module,
        *,
        preprocessing: Preprocessing | None = None,
        bounds: Bounds = (0.0, 1.0),
        raw: bool = False,
        heads: tuple[str, ...] = (),
        drawn: Callable[[], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        if not bounds[0] < bounds[1]:
            raise InputError(f"bounds are {bounds}: the first must be less than the second")
        wanted = preprocessing or Preprocessing()
        self.network = network
        self.bounds = bounds
        self.raw, self.heads, self.drawn = raw, heads, drawn
        # Not persistent: they belong to the wrapper, and the weights that are saved are the network's.
        for name, value in (("mean", wanted.mean), ("std", wanted.std)):
            self.register_buffer(name, _along(value, wanted.axis, name), persistent=False)
        if bool((self.std <= 0).any()):
            raise InputError(f"preprocessing: std is {wanted.std}: it must be greater than 0")

    def around(self, network: nn.Module) -> "Adapted":
        """The same wrapper around another network of this kind."""
        twin = copy.copy(self)
        twin._modules = {"network": network}
        twin._buffers = {name: None if buffer is None else buffer.clone() for name, buffer in self._buffers.items()}
        return twin

    def forward(self, inputs: torch.Tensor | list[torch.Tensor], *others: Any) -> Any:
        """Logits of inputs in [0, 1], a tensor or a list of images, as detectors take them; whole numbers pass as they are."""
        prepared = [self._prepared(image) for image in inputs] if isinstance(inputs, list) else self._prepared(inputs)
        output = self.network(prepared, *others)
        return output if self.raw else logits_of(output)

    def _prepared(self, inputs: torch.Tensor) -> torch.Tensor:
        if not inputs.is_floating_point():
            return inputs
        low, high = self.bounds
        inputs = inputs if self.bounds == (0.0, 1.0) else low + inputs * (high - low)
        return (inputs - self.mean) / self.std


def adapt(
    network: nn.Module,
    *,
    preprocessing: Mapping[str, Any] | None = None,
    bounds: Bounds = (0.0, 1.0),
    raw: bool = False,
    heads: Sequence[str] = (),
) -> Adapted:
    """A wrapper around a copy of the network, in float32 and uncompiled, on its own device; the network stays as it is.

    A network from `torch.compile`, `DataParallel` or `DistributedDataParallel` is taken out of its wrapper first. Raises
    InputError for a key of `preprocessing` other than mean, std and axis, for a network without parameters, and for a name
    in `heads` that is no module of the network.
    """
    unknown = sorted(set(preprocessing or {}) - {"mean", "std", "axis"})
    if unknown:
        raise InputError(f"preprocessing has the key {unknown[0]!r}: the keys are mean, std and axis")
    plain = unwrapped(network)
    if next(plain.parameters(), None) is None:
        raise InputError(f"{type(plain).__name__} has no parameters: there is nothing to unlearn")
    modules = [name for name, _ in plain.named_modules() if name]
    if isinstance(heads, str):
        raise InputError(f"heads is {heads!r}: give a list of names, as [{heads!r}]")
    for name in heads:
        if name not in modules:
            raise InputError(f"heads: {type(plain).__name__} has no module {name!r}{did_you_mean(name, modules)}")
    twin = copied(plain).float()
    normalised = Preprocessing(**preprocessing) if preprocessing else None
    return Adapted(twin, preprocessing=normalised, bounds=bounds, raw=raw, heads=tuple(heads))


def unwrapped(network: nn.Module) -> nn.Module:
    """The network without what compiles or parallelises it."""
    while True:
        inner = getattr(network, "_orig_mod", None) or (
            network.module if isinstance(network, nn.DataParallel | nn.parallel.DistributedDataParallel) else None
        )
        if not isinstance(inner, nn.Module):
            return network
        network = inner


def kind_of(network: nn.Module) -> str:
    """The name of a network's class, for messages: the caller's own where it is wrapped."""
    return type(network.network if isinstance(network, Adapted) else unwrapped(network)).__name__


def logits_of(output: Any) -> torch.Tensor:
    """The tensor of logits in what a network returns: itself, `.logits`, the entry "logits" or "out", the first of a tuple."""
    if isinstance(output, torch.Tensor):
        return output
    found = getattr(output, "logits", None)
    if found is None and isinstance(output, Mapping):
        found = output.get("logits", output.get("out"))
    if found is None and isinstance(output, tuple | list) and output:
        found = output[0]
    if not isinstance(found, torch.Tensor):
        raise InputError(
            f"the network returns a {type(output).__name__}, in which no logits were found: return a tensor, an object with "
            ".logits, or a dictionary with 'logits'; for another task give loss= and predict="
        )
    return found


def _along(value: float | Sequence[float], axis: int, name: str) -> torch.Tensor:
    if axis >= 0:
        raise InputError(f"preprocessing: axis is {axis}: it counts from the end, -3 for channels of (C, H, W)")
    tensor = torch.as_tensor(value, dtype=torch.float32)
    if tensor.ndim > 1:
        raise InputError(f"preprocessing: {name} has shape {tuple(tensor.shape)}: a number, or one number a channel")
    return tensor if tensor.ndim == 0 else tensor.reshape(-1, *[1] * (-axis - 1))
