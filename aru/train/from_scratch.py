"""A model from scratch by a benchmark's recipe, the same for the stages and for comparisons."""

from collections.abc import Mapping

import torch
from torch import nn

from aru.compute.device import Compute
from aru.compute.distributed import ALONE, Group
from aru.core.config import Config
from aru.core.errors import InputError
from aru.core.progress import Progress, silent
from aru.core.seeds import draw_seed, generator
from aru.data.images import ImageSet
from aru.nets.configured import build_configured
from aru.train.checkpoint import Checkpoint
from aru.train.history import History
from aru.train.loop import fit


def fit_from_scratch(
    data: ImageSet,
    config: Config,
    purpose: str,
    *,
    seed: int,
    compute: Compute,
    progress: Progress = silent,
    checkpoint: Checkpoint | None = None,
    start: Mapping[str, torch.Tensor] | None = None,
    group: Group = ALONE,
) -> tuple[nn.Module, History]:
    """A fresh `config.model` trained on `data` by `config.train`, and its history.

    `purpose` ("train", "retrain" ...) names the streams of random numbers: the initial weights and the order of the images.
    start: the weights that `model.init` replaces the initial ones by; others stay as they were drawn. group: as `fit` takes
    it. Raises InputError where `model.init` is set and the caller has none: a comparison of trainings from it with others
    would be no comparison.
    """
    if config.model.init is not None and start is None:
        raise InputError(
            "model.init is for the stages train and retrain and for shadow models; comparisons and the interclass test of the "
            "audit train from random weights: they need parameters without model.init"
        )
    model = build_configured(
        config.model, data.outputs, resolution=config.data.resolution, seed=draw_seed(seed, f"{purpose}/init")
    )
    with torch.no_grad():
        own = model.state_dict()
        for name, tensor in (start or {}).items():
            own[name].copy_(tensor)
    history = fit(
        model,
        data,
        config.train,
        generator=generator(seed, purpose),
        compute=compute,
        progress=progress,
        text=purpose,
        lr_name="train.lr",
        checkpoint=checkpoint,
        group=group,
    )
    return model, history
