"""Classifiers by torchvision's and timm's names: built, saved and loaded as safetensors; their classifier and BatchNorms."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear
from torchvision.models import VisionTransformer

from aru.core.errors import InputError
from aru.core.files import load_tensors, save_tensors
from aru.core.seeds import reseed, seeded
from aru.core.suggestions import did_you_mean
from aru.nets.adapted import Adapted, Preprocessing
from aru.nets.own_code import build_own, is_own

_AUXILIARY = ("googlenet", "inception_v3")  # built without the auxiliary classifiers that would answer in training, too
TIMM = "timm/"
"""How the name of one of timm's networks begins, as in ``timm/resnet18``."""
CENTRED = "sees_centred_pixels"
"""The attribute of a network whose first layer is drawn for pixels of [0, 1], as `build` makes Vision Transformers."""
NO_MODEL = "no_model"
"""The key in the metadata of a weights file without weights; its value says why there are none."""
_LARGEST = 4096  # pixels
_INIT_LOCK = threading.Lock()  # initialisers draw from PyTorch's global generator


def names() -> list[str]:
    """The classifiers that can be built beside timm's: torchvision's, and a small Vision Transformer."""
    known = torchvision.models.list_models(module=torchvision.models)
    return [*sorted(known), "vit_tiny"]


def build(name: str, outputs: int, *, resolution: int = 128, seed: int = 0, centred: bool = True) -> nn.Module:
    """A fresh model with `outputs` logits; the same seed gives the same weights, and no global state changes.

    `resolution` (pixels) matters to networks whose weights depend on it, as those of Vision Transformers, whose patches must
    tile the image. ``timm/NAME`` is a network of timm (`pip install aru[timm]`), without pretrained weights;
    ``module:function`` is one of the user's own code (`aru.nets.own_code`). With `centred` torchvision's Vision Transformers
    are drawn for pixels of [0, 1]; without it as their constructor draws them.
    """
    if not name.startswith(TIMM) and not is_own(name) and name not in names():
        raise InputError(f"unknown model {name!r}: model.name is timm/NAME, module:function or one of {', '.join(names())}")
    with _INIT_LOCK, seeded(seed):
        if is_own(name):
            return build_own(name, outputs, resolution)
        try:
            if name.startswith(TIMM):
                return _of_timm(name.removeprefix(TIMM), outputs, resolution, seed)
            return _construct(name, outputs, resolution, centred)
        except InputError:
            raise
        except (AssertionError, ValueError) as error:
            raise InputError(
                f"model {name!r} cannot be built for {resolution} px images ({error}): choose a resolution "
                "that its patches tile"
            ) from error


def _construct(name: str, outputs: int, resolution: int, centred: bool) -> nn.Module:
    if not name.startswith("vit_"):
        options = {"aux_logits": False, "init_weights": True} if name in _AUXILIARY else {}
        return torchvision.models.get_model(name, weights=None, num_classes=outputs, **options)
    if name == "vit_tiny":
        torch._assert(resolution % 8 == 0, "patches of 8 px")
        model = VisionTransformer(
            image_size=resolution, patch_size=8, num_layers=12, num_heads=3, hidden_dim=192, mlp_dim=768, num_classes=outputs
        )
    else:
        model = torchvision.models.get_model(name, weights=None, num_classes=outputs, image_size=resolution)
    if centred:
        _centre(model.conv_proj)
        vars(model)[CENTRED] = True  # no parameter, buffer or module: read by `aru.nets.fresh`
    return model


def _of_timm(name: str, outputs: int, resolution: int, seed: int) -> nn.Module:
    """A network of timm, for images of this size where its constructor takes one."""
    try:
        import timm
    except ImportError:
        raise InputError(f"model {TIMM + name!r} is one of timm, which is not installed: pip install 'aru[timm]'") from None
    if not timm.is_model(name):
        raise InputError(f"timm {timm.__version__} has no model {name!r}{did_you_mean(name, timm.list_models())}")
    try:
        model = timm.create_model(name, pretrained=False, num_classes=outputs, img_size=resolution)
    except TypeError as error:
        if "img_size" not in str(error):
            raise
        reseed(seed)  # the attempt may have drawn
        model = timm.create_model(name, pretrained=False, num_classes=outputs)
    vars(model)["image_size"] = resolution  # no parameter, buffer or module: read by `aru.nets.fresh`
    return model


def _centre(patches: nn.Conv2d) -> None:
    """Fresh weights that see pixels of [0, 1] as if they lay in [-2, 2].

    A transformer has no BatchNorm that would take the pixels' mean away; drawn as usual, one answers with the commonest
    class for hundreds of steps.
    """
    with torch.no_grad():
        patches.weight.mul_(4)
        if patches.bias is not None:
            patches.bias.sub_(patches.weight.sum(dim=(1, 2, 3)) / 2)


@dataclass(frozen=True)
class ModelDescription:
    """What is needed to build a model: its name, the number of its logits, and the side of its images in pixels."""

    name: str
    outputs: int
    resolution: int


def save_model(
    path: Path, model: nn.Module, *, name: str, outputs: int, resolution: int = 128, stage: str | None = None
) -> None:
    """Write the weights as safetensors with what is needed to build the model again.

    A stage gives its name: weights that bear none were brought, and no stage writes over them. Of an adapted network its own
    weights are written, and the mean and std that it expects.
    """
    meta: dict[str, Any] = {"name": name, "outputs": outputs, "resolution": resolution}
    if isinstance(model, Adapted):
        meta |= {"mean": model.mean.flatten().tolist(), "std": model.std.flatten().tolist()}
        model = model.network
    save_tensors(path, state_tensors(model), meta | ({} if stage is None else {"stage": stage}))


def load_model(path: Path) -> nn.Module:
    """Build the model that the file describes and fill in its weights; in evaluation mode."""
    tensors, meta = load_tensors(path)
    if NO_MODEL in meta:
        raise InputError(f"{path} holds no model: {meta[NO_MODEL]}")
    missing = {"name", "outputs", "resolution"} - set(meta)
    if missing:
        raise InputError(
            f"{path} does not say which model it holds (no {', '.join(sorted(missing))} in its metadata): "
            "write it with aru.nets.models.save_model"
        )
    described = _checked(path, tensors, meta)
    model = build(described.name, described.outputs, resolution=described.resolution)
    load_weights(model, tensors, where=str(path))
    if "mean" in meta or "std" in meta:
        model = Adapted(model, preprocessing=Preprocessing(_numbers(path, meta, "mean"), _numbers(path, meta, "std")))
    return model.eval()


def _numbers(path: Path, meta: dict[str, Any], name: str) -> list[float]:
    value = meta.get(name)
    if not isinstance(value, list) or len(value) not in (1, 3) or not all(isinstance(part, int | float) for part in value):
        raise InputError(f"{path} says that its {name} is {value!r}: it must be one number or three; write it with save_model")
    return value


def _checked(path: Path, tensors: dict[str, torch.Tensor], meta: dict[str, Any]) -> ModelDescription:
    """The description in a file's metadata. Refuse one that is not of these tensors, before memory is allocated."""
    outputs, resolution = meta["outputs"], meta["resolution"]
    rows = {len(tensor) for tensor in tensors.values() if tensor.dim()}
    if not isinstance(meta["name"], str) or type(outputs) is not int or outputs < 1 or outputs not in rows:
        raise InputError(
            f"{path} says that it holds a {meta['name']!r} with {outputs!r} outputs, and none of its tensors has "
            "so many rows: write it with aru.nets.models.save_model"
        )
    if type(resolution) is not int or not 1 <= resolution <= _LARGEST:
        raise InputError(
            f"{path} says that its images are {resolution!r} px wide: from 1 to {_LARGEST} is possible; write it "
            "with aru.nets.models.save_model"
        )
    return ModelDescription(meta["name"], outputs, resolution)


def state_tensors(model: nn.Module) -> dict[str, torch.Tensor]:
    """The tensors of a network's state_dict, without what its `get_extra_state` adds to them."""
    return {name: value for name, value in model.state_dict().items() if isinstance(value, torch.Tensor)}


def load_weights(model: nn.Module, tensors: dict[str, torch.Tensor], *, where: str) -> None:
    """Fill a model in; the first name or shape that does not fit is an InputError."""
    own = state_tensors(model)
    for name in sorted(set(own) ^ set(tensors)):
        raise InputError(
            f"{where} {'lacks' if name in own else 'has an unknown'} tensor {name!r}: it belongs to "
            "another model; check model.name"
        )
    for name, tensor in tensors.items():
        if first_not_finite({name: tensor}, own):
            raise InputError(
                f"{where} holds weights that are not finite ({name}): the training of this model diverged; lower "
                "its learning rate (train.lr, or finetune.lr of the unlearned model) and make it again"
            )
        if tensor.shape != own[name].shape:
            raise InputError(
                f"{where}: {name} has shape {tuple(tensor.shape)}, the model needs {tuple(own[name].shape)}: "
                "check model.name, data.task and data.resolution"
            )
    state = model.state_dict()  # it has the version of each module, which MNASNet asks for
    state.update(tensors)
    model.load_state_dict(state)


def not_finite(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Copies of the tensors that hold an infinity or NaN."""
    return {name: tensor.clone() for name, tensor in tensors.items() if not torch.isfinite(tensor).all()}


def first_not_finite(tensors: Mapping[str, torch.Tensor], own: Mapping[str, torch.Tensor] | None = None) -> str | None:
    """The name of the first tensor that holds an infinity or NaN; None where there is none.

    `own`: the tensors of the network as it was made. What is infinite there and has the same values still is meant: masks of
    attention, open bounds of a range.
    """
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all() and not (own and name in own and torch.equal(tensor, own[name].to(tensor))):
            return name
    return None


def classifier(model: nn.Module) -> str:
    """The name of the layer that gives the logits.

    The one that the network itself names by `get_classifier`, as timm's do; else the last Linear layer; else, as in
    SqueezeNet, the last convolution.
    """
    return _classifier(model)[0]


def classifier_layer(model: nn.Module) -> nn.Linear | nn.Conv2d:
    """The layer that gives the logits."""
    return _classifier(model)[1]


def _classifier(model: nn.Module) -> tuple[str, nn.Linear | nn.Conv2d]:
    modules = list(model.named_modules())
    for head in (_named_head(module) for _, module in modules):
        found = [(name, module) for name, module in modules if module is head]
        if found and isinstance(head, nn.Linear | nn.Conv2d):
            return found[0][0], head
    for kind in (nn.Linear, nn.Conv2d):
        # The output projection of PyTorch's attention is a Linear layer, too, and no classifier.
        linear = [
            (name, module)
            for name, module in modules
            if isinstance(module, kind) and not isinstance(module, NonDynamicallyQuantizableLinear)
        ]
        if linear:
            return linear[-1]
    raise InputError(
        f"{type(model).__name__} has no Linear layer and no convolution, so that no classifier is found: use another network"
    )


def _named_head(module: nn.Module) -> nn.Module | None:
    """What timm's networks name as their classifier; of two, as a distilled network has, the first."""
    get_classifier = getattr(module, "get_classifier", None)
    head = get_classifier() if callable(get_classifier) else None
    first = head[0] if isinstance(head, tuple | list) and head else head
    return first if isinstance(first, nn.Module) else None


def batchnorms(model: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    """The BatchNorm modules: those that keep running statistics in training mode."""
    return [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
