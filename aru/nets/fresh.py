"""A newly initialised model of the same architecture, as its own constructor would draw it."""

import inspect
from collections.abc import Callable, Collection, Iterable
from functools import lru_cache
from typing import Any

import torch
import torchvision
from torch import nn
from torch.overrides import TorchFunctionMode

from aru.compute.copying import copied
from aru.core.errors import InputError
from aru.core.seeds import seeded
from aru.nets.adapted import Adapted
from aru.nets.computed_weights import FRESH, require_own
from aru.nets.models import CENTRED, TIMM, build, classifier_layer, names, state_tensors


def fresh(model: nn.Module, *, seed: int, only: Collection[str] | None = None) -> nn.Module:
    """A model like `model` with weights drawn anew; the same seed gives the same weights, no global state changes.

    Where the caller of the library gave a function that makes such a network, it is called. A model of the registry is
    recognised by its class and shapes, and a copy takes the weights of one that is built by its name: what has none, such as
    activations, strides and dropout, stays the model's. Any other is copied and each module initialised by its own
    ``reset_parameters``; a parameter that no module can draw anew, or a weight that is computed from others, is an
    InputError, where `only`, the names of the modules whose values will be used, is None or has that module.
    """
    if isinstance(model, Adapted):
        if model.drawn is not None:
            with torch.random.fork_rng(), seeded(seed):
                torch.manual_seed(seed)  # the caller's function may draw on a GPU
                return model.around(model.drawn()).cpu()
        inner = None if only is None else {name.removeprefix("network.") for name in only}
        return model.around(fresh(model.network, seed=seed, only=inner))
    name, result = registered_name(model), copied(model).cpu()
    if name is not None:
        # Centred are networks that `build` made; a caller's own has its own normalisation before it.
        centred = getattr(model, CENTRED, False)
        drawn = build(name, outputs_of(model), resolution=_resolution(model), seed=seed, centred=centred)
        result.load_state_dict(drawn.state_dict(), strict=False)  # an extra state has no counterpart
        return result
    with seeded(seed):
        for path, module in result.named_modules():
            if only is None or path in only:
                require_own(path, module, action="drawn anew", otherwise=FRESH)
            if not _initialise(module) and (only is None or path in only):
                raise InputError(
                    f"{path or 'the model'} ({type(module).__name__}) holds parameters that cannot be drawn anew: give the "
                    "module a method reset_parameters, or give fresh=, a function that makes a new network of this kind"
                )
    return result


def drawn_by_caller(model: nn.Module, *, seed: int) -> nn.Module | None:
    """`fresh` where the caller of the library gave new values; None where he did not."""
    return fresh(model, seed=seed) if isinstance(model, Adapted) and model.drawn is not None else None


def registered_name(model: nn.Module) -> str | None:
    """The name under which `aru.nets.models.build` makes a model of this class and these shapes."""
    shapes = _shapes(model)
    architecture = getattr(model, "pretrained_cfg", None) or {}
    if isinstance(architecture, dict) and isinstance(architecture.get("architecture"), str):  # what timm writes into its own
        candidates = [f"{TIMM}{architecture['architecture']}"]
    else:
        candidates = [name for name in names() if _kind(name) is type(model)]
    return next((name for name in candidates if _outline(name, outputs_of(model), _resolution(model)) == shapes), None)


def outputs_of(model: nn.Module) -> int:
    """How many logits the model gives."""
    layer = classifier_layer(model)
    return layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels


def _resolution(model: nn.Module) -> int:
    """The side of the model's images in pixels, as far as its weights depend on it."""
    side = getattr(model, "image_size", None)
    patches = getattr(getattr(model, "patch_embed", None), "img_size", None)
    if side is None and isinstance(patches, tuple):
        side = patches[0]
    return side if isinstance(side, int) else 128


def _kind(name: str) -> type:
    """The class that the builder of this name says it returns."""
    if name == "vit_tiny":
        return torchvision.models.VisionTransformer
    return inspect.signature(torchvision.models.get_model_builder(name)).return_annotation


@lru_cache(maxsize=64)
def _outline(name: str, outputs: int, resolution: int) -> dict[str, torch.Size] | None:
    """The architecture's shapes, without memory for its weights, or None where it cannot take images of this size."""
    try:
        with _EmptyWithoutMemory():
            return _shapes(build(name, outputs, resolution=resolution))
    except InputError:  # patches that do not tile this size, or no timm here: another architecture
        return None
    except (RuntimeError, NotImplementedError, TypeError):  # some of timm's constructors compute with their weights
        return _shapes(build(name, outputs, resolution=resolution))


class _EmptyWithoutMemory(TorchFunctionMode):
    """`torch.empty`, of which layers make their weights, gives tensors of the device "meta".

    Under ``torch.device("meta")`` every tensor would be one, also those from which RegNet computes its widths.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        options = dict(kwargs or {})
        if func is torch.empty:
            options["device"] = "meta"
        return func(*args, **options)


def _shapes(model: nn.Module) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in state_tensors(model).items()}


def _initialise(module: nn.Module) -> bool:
    """Draw a module's own parameters anew; False where it has some and does not know how."""
    reset_parameters = getattr(module, "reset_parameters", None)
    if callable(reset_parameters):
        reset_parameters()
    elif isinstance(module, nn.MultiheadAttention):
        module._reset_parameters()
    else:
        return next(module.parameters(recurse=False), None) is None
    return True
