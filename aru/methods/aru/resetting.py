"""ARU, step 3: the masked units take fresh values, and so do their biases and BatchNorm channels."""

import copy
from collections.abc import Callable

import torch
from torch import nn

from aru.compute.modes import evaluating
from aru.core.config import ResetConfig
from aru.core.errors import InputError
from aru.core.seeds import draw_seed
from aru.methods.aru.masking import Mask
from aru.nets.fresh import fresh
from aru.nets.models import classifier, resettable

Inputs = tuple[torch.Tensor, ...]


def reset(model: nn.Module, mask: Mask, config: ResetConfig, *, seed: int, resolution: int) -> nn.Module:
    """A copy of `model`, on the CPU, whose masked units are drawn anew (docs/protocol.md, "ARU", 3).

    The stage `finetune`, the method `aru` and the library call this with the seed of the run. `resolution` (pixels) is the
    side of the images that the model takes.
    """
    return replace_units(model, fresh(model, seed=draw_seed(seed, "reset")), mask, config, resolution=resolution)


def replace_units(model: nn.Module, source: nn.Module, mask: Mask, config: ResetConfig, *, resolution: int) -> nn.Module:
    """A copy of `model` whose masked units have the values of `source`, or zero; nothing else differs by a bit.

    With ``config.strength`` s below 1 their weights go only so far, (1 - s) old + s new (shrink and perturb, Ash and
    Adams 2020, arXiv 1910.08475); biases and BatchNorm go all the way.

    `source` is a model of the same kind. A filter whose every weight is masked also gives up its bias
    and, with ``config.batchnorm``, the affine parameters and running statistics of the BatchNorm that follows it.
    `resolution` (pixels) is the side of the images that the model takes.
    """
    result = copy.deepcopy(model).cpu()
    weights, origin = resettable(result), resettable(source)
    if set(mask) != set(weights):
        layer = sorted(set(mask) ^ set(weights))[0]
        raise InputError(f"the mask and the model differ at layer {layer!r}: run the stage 'mask' again for this model")
    following = batchnorm_of(result, resolution=resolution) if config.batchnorm else {}
    modules, source_modules = dict(result.named_modules()), dict(source.named_modules())
    with torch.no_grad():
        for name, marked in mask.items():
            value = torch.zeros_like(origin[name]) if config.value == "zero" else origin[name]
            if config.strength < 1:
                value = torch.lerp(weights[name], value, config.strength)
            _overwrite(weights[name], value, expand(marked, weights[name]))
            whole = expand(marked, weights[name]).flatten(1).all(dim=1)
            _overwrite_channels(modules, source_modules, name, whole, zero=config.value == "zero")
            if name in following:
                _overwrite_channels(modules, source_modules, following[name], whole, statistics=True)
        if config.classifier:
            last = classifier(result)
            modules[last].load_state_dict(source_modules[last].state_dict())
    return result


def expand(marked: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """A mask over units (O,), (O, I) or (O, I, k, k), expanded to the weight's shape."""
    if tuple(marked.shape) != tuple(weight.shape[: marked.ndim]):
        raise InputError(
            f"a mask of shape {tuple(marked.shape)} does not fit a weight of shape {tuple(weight.shape)}: "
            "run the stage 'mask' again for this model"
        )
    return marked.view(*marked.shape, *[1] * (weight.ndim - marked.ndim)).expand(weight.shape)


def batchnorm_of(model: nn.Module, *, resolution: int) -> dict[str, str]:
    """For each convolution the BatchNorm that takes its output, found by watching one image pass through."""
    produced: dict[int, str] = {}
    found: dict[str, str] = {}
    kept: list[torch.Tensor] = []  # outputs stay alive, or another tensor could take over an id

    def after_convolution(name: str) -> Callable[[nn.Module, Inputs, torch.Tensor], None]:
        def hook(module: nn.Module, inputs: Inputs, output: torch.Tensor) -> None:
            kept.append(output)
            produced[id(output)] = name

        return hook

    def before_batchnorm(name: str) -> Callable[[nn.Module, Inputs], None]:
        def hook(module: nn.Module, inputs: Inputs) -> None:
            if id(inputs[0]) in produced:
                found[produced[id(inputs[0])]] = name

        return hook

    handles = []
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            handles.append(module.register_forward_hook(after_convolution(name)))
        elif isinstance(module, nn.BatchNorm2d):
            handles.append(module.register_forward_pre_hook(before_batchnorm(name)))
    with evaluating(model), torch.no_grad():
        model(torch.zeros(1, 3, resolution, resolution))
    for handle in handles:
        handle.remove()
    return found


def _overwrite(target: torch.Tensor, origin: torch.Tensor, where: torch.Tensor, *, zero: bool = False) -> None:
    values = torch.zeros_like(target) if zero else origin
    target.copy_(torch.where(where, values, target))


def _overwrite_channels(
    modules: dict[str, nn.Module],
    source: dict[str, nn.Module],
    name: str,
    channels: torch.Tensor,
    *,
    statistics: bool = False,
    zero: bool = False,
) -> None:
    """Reset the per-channel vectors of one module: a layer's bias, or all of a BatchNorm's."""
    vectors: tuple[str, ...]
    if name.endswith(".in_proj"):
        name, vectors = name.removesuffix(".in_proj"), ("in_proj_bias",)
    else:
        vectors = ("weight", "bias", "running_mean", "running_var") if statistics else ("bias",)
    for vector in vectors:
        target = getattr(modules[name], vector, None)
        if target is not None:
            _overwrite(target, getattr(source[name], vector), channels, zero=zero)
