"""What the classifier of a network sees, with the gradient."""

import torch
from torch import nn

from aru.core.errors import InputError
from aru.nets.models import classifier


def logits_and_features(model: nn.Module, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """One forward pass: the model's logits, and the inputs of its last layer, averaged over pixels or tokens.

    Raises InputError for a network whose last layer does not run once.

    Shape:
        images: (B, C, H, W) in [0, 1]; result: (B, outputs) and (B, K).
    """
    name = classifier(model)
    seen: list[torch.Tensor] = []
    handle = model.get_submodule(name).register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    try:
        logits = model(images)
    finally:
        handle.remove()
    if len(seen) != 1:
        raise InputError(
            f"{name}, taken for the classifier of {type(model).__name__}, ran {len(seen)} times in one pass: give the network "
            "a method get_classifier that returns the layer of its logits"
        )
    (features,) = seen
    if features.dim() == 3:  # tokens (B, T, K)
        return logits, features.mean(dim=1)
    return logits, features.flatten(2).mean(dim=2) if features.dim() > 3 else features
