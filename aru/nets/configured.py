"""A network as the parameters describe it: its architecture, and the normalisation in front of it."""

from torch import nn

from aru.core.config import ModelConfig
from aru.nets.adapted import Adapted, Preprocessing
from aru.nets.models import build


def build_configured(model: ModelConfig, outputs: int, *, resolution: int, seed: int = 0) -> nn.Module:
    """A fresh `model.name` with `outputs` logits behind `model.mean` and `model.std`; arguments and errors as of `build`."""
    network = build(model.name, outputs, resolution=resolution, seed=seed)
    return normalised(network, model.mean, model.std)


def normalised(network: nn.Module, mean: tuple[float, ...] | None, std: tuple[float, ...] | None) -> nn.Module:
    """The network behind a normalisation of pixels in [0, 1]; itself where there is none."""
    if mean is None and std is None:
        return network
    return Adapted(network, preprocessing=Preprocessing(mean or 0.0, std or 1.0))
