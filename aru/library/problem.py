"""A caller's network and data as methods and metrics take them, checked on one batch before work starts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from aru.compute.copying import copied
from aru.compute.modes import all_trained, evaluating
from aru.core.errors import InputError
from aru.core.names import SETS
from aru.data.datasets import Augmentation, Bounds, OwnSet, Source, own_sets
from aru.data.images import Sets
from aru.nets.adapted import Adapted, adapt, unwrapped

FEW = 2
"""Inputs of each set on which networks are tried before work starts."""


@dataclass(frozen=True)
class DataOptions:
    """How a caller's data are read, and what his networks expect of them.

    bounds: the least and greatest value of float images and of what the network takes before normalisation. outputs: logits of
    the network, counted where it is not given. workers: processes that decode a set too large for memory.
    """

    bounds: Bounds = (0.0, 1.0)
    preprocessing: Mapping[str, Any] | None = None
    augment: Augmentation | None = None
    outputs: int | None = None
    workers: int = 0


def adapted(network: nn.Module, options: DataOptions, *, raw: bool = False, heads: Sequence[str] = ()) -> Adapted:
    """A wrapped copy of a network, in evaluation mode, all of whose parameters can be trained; the network stays as it is."""
    if not isinstance(network, nn.Module):
        raise InputError(f"the model is a {type(network).__name__}: give a torch.nn.Module")
    twin = adapt(network, preprocessing=options.preprocessing, bounds=options.bounds, raw=raw, heads=heads)
    return all_trained(twin).eval()


def check_augmentation(options: DataOptions) -> None:
    """Refuse what is no augmentation."""
    if not (options.augment is None or options.augment == "mufac" or callable(options.augment)):
        raise InputError(f"augment is {options.augment!r}: give a function of one image, 'mufac', or leave it out")


def read_sets(model: Adapted, given: Mapping[str, Source | None], options: DataOptions) -> Sets:
    """The four sets, whose labels fit the logits that the model gives for the first images of each."""
    check_augmentation(options)
    sets = own_sets(
        **{name: given.get(name) for name in SETS},  # type: ignore[arg-type]  # forget and retain are always given
        bounds=options.bounds,
        workers=options.workers,
        augmentation=options.augment,
    )
    outputs = _outputs(model, sets)
    if options.outputs not in (None, outputs):
        raise InputError(f"outputs is {options.outputs}, the network gives {outputs} logits: leave outputs out")
    return Sets(**{name: replace(getattr(sets, name), outputs=outputs) for name in SETS})


def check_outputs(model: Adapted, sets: Sets) -> None:
    """Refuse a network that cannot answer to these sets, or with another number of logits."""
    outputs = _outputs(model, sets)
    if outputs != sets.retain.outputs:
        raise InputError(
            f"{type(model.network).__name__} gives {outputs} logits, the first network {sets.retain.outputs}: they must be of "
            "one kind"
        )


def filled_copy(network: nn.Module, source: nn.Module) -> nn.Module:
    """A copy of the caller's network, out of its wrappers and in evaluation mode, with the values of `source`.

    Its tensors have the device, number format, strides and `requires_grad` of the network's own. A buffer that grows with the
    batch or was made in a pass, and so has another shape in one of the two, stays the network's own.
    """
    twin = copied(unwrapped(network))
    parameters, buffers = dict(source.named_parameters()), dict(source.named_buffers())
    with torch.no_grad():
        for name, parameter in twin.named_parameters():
            parameter.copy_(parameters[name])
        for name, buffer in twin.named_buffers():
            if name in buffers and buffers[name].shape == buffer.shape:
                buffer.copy_(buffers[name])
    return twin.eval()


def _outputs(model: Adapted, sets: Sets) -> int:
    found = {name: _logits(model, getattr(sets, name), name).shape[1] for name in SETS if len(getattr(sets, name))}
    outputs = next(iter(found.values()))
    for name in found:
        _check_labels(getattr(sets, name).targets, outputs, name)
    return outputs


def _logits(model: Adapted, data: OwnSet, name: str) -> torch.Tensor:
    """The answers to the first images of a set. Shape: (B, C)."""
    device = next(model.parameters()).device
    inputs, _ = data.batch(torch.arange(min(FEW, len(data))), device)
    shape, kind = tuple(inputs.shape[1:]), type(model.network).__name__
    try:
        with evaluating(model), torch.no_grad():
            logits = model(inputs)
    except InputError:
        raise
    except (RuntimeError, ValueError, TypeError, IndexError, AssertionError) as error:
        raise InputError(
            f"{kind} cannot take inputs of shape {shape}, as the {name} set has them ({error}): convert or resize them in the "
            "dataset"
        ) from error
    if logits.ndim != 2 or len(logits) != len(inputs):
        raise InputError(
            f"{kind} gives a tensor of shape {tuple(logits.shape)} for {len(inputs)} inputs: (inputs, logits) is needed"
        )
    if not torch.isfinite(logits).all():
        raise InputError(f"{kind} gives logits that are not finite for the first inputs of the {name} set: check its weights")
    return logits


def _check_labels(targets: torch.Tensor, outputs: int, name: str) -> None:
    if targets.ndim == 2 and targets.shape[1] != outputs:
        raise InputError(
            f"the {name} set has {targets.shape[1]} labels an item, the network gives {outputs} logits: one for each is needed"
        )
    if targets.ndim == 1 and int(targets.max()) >= outputs:
        raise InputError(
            f"the {name} set has the label {int(targets.max())}, the network gives {outputs} logits: classes count from 0 to "
            f"{outputs - 1}"
        )
