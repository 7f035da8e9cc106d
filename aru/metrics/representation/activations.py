"""What goes on inside a model while it answers: the outputs of its blocks, and the features before its classifier."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle
from torchvision.models import SwinTransformer

from aru.compute.device import Compute
from aru.compute.reading import to_read
from aru.core.errors import InputError
from aru.data.images import ImageSet
from aru.nets.blocks import blocks
from aru.nets.models import classifier
from aru.train.loop import predict_placed

Reduce = Callable[[torch.Tensor], torch.Tensor]
"""What is kept of a batch of outputs: (B, ...) -> (B, K)."""


def block_layers(model: nn.Module) -> dict[str, nn.Module]:
    """The layers that are looked at by default: block (by the name of its first module) -> the module that ends it.

    A ResNet's stem, four stages and classifier; a Vision Transformer's patches, encoder layers and head.
    """
    names = {module: name for name, module in model.named_modules()}
    return {names[group[0]]: group[-1] for group in blocks(model)}


def pooled(output: torch.Tensor) -> torch.Tensor:
    """Channel means: (B, C, H, W) over the pixels, (B, T, C) over the tokens, (B, C) as it is; result (B, C).

    Volumes (B, C, D, H, W) are averaged as maps are.
    """
    if output.dim() not in (2, 3, 4, 5):
        raise InputError(
            f"a layer answers with the shape {tuple(output.shape)}: only (B, C), (B, T, C), (B, C, H, W) and "
            "(B, C, D, H, W) can be pooled; name other layers"
        )
    return output.float() if output.dim() == 2 else _positions(output).mean(dim=2)


def activations(
    model: nn.Module,
    data: ImageSet,
    *,
    compute: Compute,
    layers: Sequence[str] | None = None,
    reduce: Reduce = pooled,
) -> dict[str, torch.Tensor]:
    """What `reduce` keeps of each layer's output on every image, in evaluation mode; the model is left as it was.

    Shape: result layer -> (M, K) on the CPU, layers in the order of `layers` (module names; None: `block_layers`).
    By default a block that a forward pass runs never or several times is left out; a layer that was named is refused then.
    `reduce` sees maps channels-first, also those of networks that hold them otherwise: Swin Transformers, and what timm says
    of its own by `output_fmt`. Of a layer that returns several tensors the first counts.
    """
    model = to_read(model, compute)
    modules = _modules(model, layers)
    channels_last = _channels_last(model)
    kept: dict[str, list[torch.Tensor]] = {name: [] for name in modules}

    def storing(name: str) -> Callable[[nn.Module, tuple[object, ...], object], None]:
        # A copy, at once: what follows may work in place, as ResNet's ReLU does on the stem's BatchNorm.
        return lambda _module, _inputs, output: kept[name].append(
            reduce(_tensor(output, name, channels_last)).detach().to("cpu", copy=True)
        )

    with _watched(model, (module.register_forward_hook(storing(name)) for name, module in modules.items())):
        predict_placed(model, data, compute=compute)
    if layers is None:
        kept = {name: parts for name, parts in kept.items() if sum(map(len, parts)) == len(data)}
    for name, parts in kept.items():
        if sum(map(len, parts)) != len(data):
            raise InputError(
                f"layer {name!r} answered {sum(map(len, parts))} times on {len(data)} images: name a layer "
                "that each forward pass runs through once"
            )
    return {name: torch.cat(parts) for name, parts in kept.items()}


def penultimate(model: nn.Module, data: ImageSet, *, compute: Compute) -> torch.Tensor:
    """What the classifier sees of every image: (M, K) float32 on the CPU; the model is left as it was."""
    model, kept = to_read(model, compute), list[torch.Tensor]()

    def keep(_module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        kept.append(inputs[0].detach().flatten(1).to("cpu", torch.float32, copy=True))

    with _watched(model, [model.get_submodule(classifier(model)).register_forward_pre_hook(keep)]):
        predict_placed(model, data, compute=compute)
    if sum(map(len, kept)) != len(data):
        raise InputError(
            f"{classifier(model)}, taken for the classifier of {type(model).__name__}, saw {sum(map(len, kept))} inputs of "
            f"{len(data)} images: give the network a method get_classifier that returns the layer of its logits"
        )
    return torch.cat(kept)


def _tensor(output: object, name: str, channels_last: bool) -> torch.Tensor:
    """What a layer returns as one tensor, channels first."""
    while isinstance(output, tuple | list) and output:
        output = output[0]
    output = getattr(output, "last_hidden_state", output)  # of transformers' own classes
    if not isinstance(output, torch.Tensor):
        raise InputError(f"layer {name!r} returns a {type(output).__name__} and no tensor: name other layers")
    return output.movedim(-1, 1) if channels_last and output.dim() == 4 else output


def _channels_last(model: nn.Module) -> bool:
    """Whether the network's maps are (B, H, W, C)."""
    return any(
        isinstance(module, SwinTransformer) or str(getattr(module, "output_fmt", "")).endswith("NHWC")
        for module in model.modules()
    )


def _positions(output: torch.Tensor) -> torch.Tensor:
    """Maps and tokens alike as (B, C, P)."""
    return output.float().flatten(2) if output.dim() >= 4 else output.float().transpose(1, 2)


def _modules(model: nn.Module, layers: Sequence[str] | None) -> dict[str, nn.Module]:
    if layers is None:
        return block_layers(model)
    known = dict(model.named_modules())
    unknown = [name for name in layers if name not in known]
    if unknown:
        raise InputError(
            f"{type(model).__name__} has no layer {unknown[0]!r}: by default they are {', '.join(block_layers(model))}"
        )
    return {name: known[name] for name in layers}


@contextmanager
def _watched(model: nn.Module, handles: Iterable[RemovableHandle]) -> Iterator[None]:
    """Take the hooks off again, also where a hook refuses what it sees."""
    hooked = list(handles)
    try:
        yield
    finally:
        for handle in hooked:
            handle.remove()
