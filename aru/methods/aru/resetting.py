"""ARU, step 3: the masked units take fresh values, and so do their biases and BatchNorm channels."""

from collections.abc import Callable

import torch
from torch import nn

from aru.compute.copying import copied
from aru.compute.modes import evaluating
from aru.core.config import ResetConfig
from aru.core.errors import InputError
from aru.core.seeds import draw_seed
from aru.methods.aru.masking import Mask
from aru.methods.aru.presets import AruConfig
from aru.nets.adapted import kind_of
from aru.nets.fresh import fresh
from aru.nets.units import heads, unit_layers, unit_weights

Inputs = tuple[torch.Tensor, ...]
_OF_BATCHNORM = ("weight", "bias", "running_mean", "running_var")
_BEFORE_BATCHNORM = (nn.modules.conv._ConvNd, nn.Linear)


def reset(model: nn.Module, mask: Mask, config: ResetConfig, *, seed: int, example: torch.Tensor) -> nn.Module:
    """A copy of `model`, on the CPU, whose masked units are drawn anew (docs/protocol.md, "ARU", 3).

    The stage `finetune`, the method `aru` and the library call this with the seed of the run. `example`: any input of the
    model, (1, ...).
    """
    new = fresh(model, seed=draw_seed(seed, "reset"), only=_changed_modules(model, config, example))
    return replace_units(model, new, mask, config, example=example)


def check_units(model: nn.Module, config: AruConfig) -> None:
    """Refuse a network none of whose layers has units, and one with such a layer that cannot be drawn anew."""
    modules = {layer.module for layer in unit_layers(model).values()}
    if not modules:
        raise InputError(f"{kind_of(model)} has no layer before its classifier that can be reset by units: use another method")
    fresh(model, seed=0, only=modules | (set(heads(model)) if config.reset.classifier else set()))


def replace_units(model: nn.Module, source: nn.Module, mask: Mask, config: ResetConfig, *, example: torch.Tensor) -> nn.Module:
    """A copy of `model` whose masked units have the values of `source`, or zero; nothing else differs by a bit.

    With ``config.strength`` s below 1 their weights go only so far, (1 - s) old + s new (shrink and perturb, Ash and
    Adams 2020, arXiv 1910.08475); biases and BatchNorm go all the way.

    `source` is a model of the same kind. A filter whose every weight is masked also gives up its bias
    and, with ``config.batchnorm``, the affine parameters and running statistics of the BatchNorm that follows it.
    `example`: any input of the model, (1, ...).
    """
    result = copied(model).cpu()
    layers, weights, origin = unit_layers(result), unit_weights(result), unit_weights(source)
    if set(mask) != set(weights):
        differing = sorted(set(mask) ^ set(weights))[0]
        raise InputError(f"the mask and the model differ at layer {differing!r}: run the stage 'mask' again for this model")
    following = batchnorm_of(result, example.cpu()) if config.batchnorm else {}
    modules, source_modules = dict(result.named_modules()), dict(source.named_modules())
    with torch.no_grad():
        for name, marked in mask.items():
            value = torch.zeros_like(origin[name]) if config.value == "zero" else origin[name]
            if config.strength < 1:
                value = torch.lerp(weights[name], value, config.strength)
            _overwrite(weights[name], value, expand(marked, weights[name]))
            whole = expand(marked, weights[name]).flatten(1).all(dim=1)
            layer = layers[name]
            _overwrite_vectors(
                modules[layer.module], source_modules[layer.module], layer.vectors, whole, zero=config.value == "zero"
            )
            for norm in following.get(name, ()):
                _overwrite_vectors(modules[norm], source_modules[norm], _OF_BATCHNORM, whole)
        for head in heads(result) if config.classifier else ():
            modules[head].load_state_dict(source_modules[head].state_dict())
    return result


def expand(marked: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """A mask over units (O,), (O, I) or (O, I, k, k), expanded to the weight's shape."""
    if tuple(marked.shape) != tuple(weight.shape[: marked.ndim]):
        raise InputError(
            f"a mask of shape {tuple(marked.shape)} does not fit a weight of shape {tuple(weight.shape)}: "
            "run the stage 'mask' again for this model"
        )
    return marked.view(*marked.shape, *[1] * (weight.ndim - marked.ndim)).expand(weight.shape)


def batchnorm_of(model: nn.Module, example: torch.Tensor) -> dict[str, tuple[str, ...]]:
    """For each convolution or Linear layer the BatchNorms that take its output, found by watching one input pass through.

    Only what takes the very tensor counts: a BatchNorm behind an activation, in place or not, or behind a functional call is
    not guessed, and keeps its values. A layer that runs twice may have two.
    """
    produced: dict[int, tuple[str, int]] = {}
    found: dict[str, list[str]] = {}
    kept: list[torch.Tensor] = []  # outputs stay alive, or another tensor could take over an id

    def after_convolution(name: str) -> Callable[[nn.Module, Inputs, torch.Tensor], None]:
        def hook(module: nn.Module, inputs: Inputs, output: torch.Tensor) -> None:
            kept.append(output)
            produced[id(output)] = name, output._version  # which every change in place raises

        return hook

    def before_batchnorm(name: str) -> Callable[[nn.Module, Inputs], None]:
        def hook(module: nn.Module, inputs: Inputs) -> None:
            taken = inputs[0] if inputs else None
            layer, version = produced.get(id(taken), ("", 0))
            if taken is not None and layer and taken._version == version and name not in found.setdefault(layer, []):
                found[layer].append(name)

        return hook

    handles = []
    for name, module in model.named_modules():
        if isinstance(module, _BEFORE_BATCHNORM):
            handles.append(module.register_forward_hook(after_convolution(name)))
        elif isinstance(module, nn.modules.batchnorm._BatchNorm):
            handles.append(module.register_forward_pre_hook(before_batchnorm(name)))
    with evaluating(model), torch.no_grad():
        model(torch.cat([example, example]))  # a BatchNorm without running statistics refuses one value a channel
    for handle in handles:
        handle.remove()
    return {name: tuple(norms) for name, norms in found.items() if norms}


def _overwrite(target: torch.Tensor, origin: torch.Tensor, where: torch.Tensor, *, zero: bool = False) -> None:
    values = torch.zeros_like(target) if zero else origin
    target.copy_(torch.where(where, values, target))


def _overwrite_vectors(
    module: nn.Module, source: nn.Module, vectors: tuple[str, ...], channels: torch.Tensor, *, zero: bool = False
) -> None:
    """Reset what a module has beside the weight for each of these units: a layer's biases, or all of a BatchNorm's."""
    for vector in vectors:
        target = getattr(module, vector, None)
        if target is not None:
            _overwrite(target, getattr(source, vector), channels, zero=zero)


def _changed_modules(model: nn.Module, config: ResetConfig, example: torch.Tensor) -> set[str]:
    """The names of the modules that a reset may give new values."""
    names = {layer.module for layer in unit_layers(model).values()}
    if config.batchnorm:
        twin = copied(model).cpu()
        names.update(*batchnorm_of(twin, example.cpu()).values())
    return names | set(heads(model)) if config.classifier else names
