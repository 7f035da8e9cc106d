"""One pass of every stage on one batch of made-up images: what a network cannot do is said before work starts."""

from collections.abc import Callable
from contextlib import suppress
from itertools import count

import numpy as np
import torch
from torch import nn

from aru.compute.device import Compute
from aru.core.config import AttackConfig, Config, TrainConfig
from aru.core.errors import InputError, TrainingError
from aru.core.names import ARU
from aru.data.classes import FIXED, Classes, outputs_of
from aru.data.images import ImageSet, Sets
from aru.methods.aru.attack import attack
from aru.methods.aru.finetuning import finetune_loss
from aru.methods.aru.masking import mask
from aru.methods.aru.resetting import replace_units
from aru.methods.chosen import check_fits, chosen
from aru.nets.configured import build_configured
from aru.nets.models import load_weights, state_tensors
from aru.train.loop import fit, predict

_IMAGES = 2  # as many as BatchNorm needs
_PEER_STEPS = 20
_STEP = TrainConfig(epochs=1, batch_size=_IMAGES, lr=1e-4, augment=False)


def check_network(config: Config, compute: Compute, classes: Classes = FIXED) -> None:
    """Raise InputError, with stage and reason, where `model.name` cannot go through all stages with these parameters.

    Whether a training converges is not asked: two images of noise say nothing about that.
    """
    name, resolution, stage = config.model.name, config.data.resolution, "train"
    running: list[str] = []
    data = _made_up(resolution, outputs_of(classes, config.data.task), labels=config.data.multilabel)
    random = torch.Generator().manual_seed(0)
    try:
        trained, model = (build_configured(config.model, data.outputs, resolution=resolution, seed=seed) for seed in (0, 1))
        load_weights(model, state_tensors(trained), where=f"the state of {name}")
        for network in (trained, model):
            _watch(network, running)
        with suppress(TrainingError):
            fit(trained, data, _STEP, generator=random, compute=compute)
        if config.method == ARU:
            stage = "attack"
            noise = attack(model, data, AttackConfig(steps=1), seed=0, compute=compute)
            stage = "mask"
            _, marked = mask(model, data, noise, config.mask, seed=0, compute=compute, retain=data)
            stage = "finetune"
            unlearned = replace_units(model, model, marked, config.reset, example=data.example())
            loss = finetune_loss(model, config.finetune, compute=compute)
            with suppress(TrainingError):
                fit(unlearned, data, _STEP, generator=random, compute=compute, loss=loss)
        else:
            stage, unlearned = "unlearn", model
            check_fits(config, model)
            with suppress(TrainingError, _Enough):
                unlearned = _by_peer(config, model, data, compute)
        stage = "evaluate"
        predict(unlearned, data, compute=compute)
    except (
        ArithmeticError,
        AssertionError,
        AttributeError,
        LookupError,
        NotImplementedError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        raise InputError(
            f"{name} cannot be used at {resolution} px: stage {stage} fails on one batch of it "
            f"({_in_module(running)}{_first_line(error)}); choose another model.name or data.resolution"
        ) from error


class _Enough(Exception):
    """A method has made as many steps as its dry pass needs."""


def _by_peer(config: Config, model: nn.Module, data: ImageSet, compute: Compute) -> nn.Module:
    """The network after the first steps of the chosen method on one batch; a longer work is cut off by `_Enough`."""
    method, parameters = chosen(config)
    calls = count(1)

    def progress(done: int, total: int, text: str) -> None:
        if next(calls) >= _PEER_STEPS:
            raise _Enough

    return method.function(model, Sets(data, data, data, data), parameters, seed=0, compute=compute, progress=progress)


def _watch(network: nn.Module, running: list[str]) -> None:
    """Keep in `running` the modules that have begun and not ended their forward pass, also those of the network's copies."""

    def begins(name: str) -> Callable[[nn.Module, object], None]:
        return lambda module, _: running.append(f"module {name}, {type(module).__name__}: ")

    for name, module in network.named_modules():
        if name:
            module.register_forward_pre_hook(begins(name))
            module.register_forward_hook(lambda _module, _inputs, _output: running.pop() and None)


def _in_module(running: list[str]) -> str:
    """The innermost module whose forward pass did not end, for a message."""
    return running[-1] if running else ""


def _made_up(resolution: int, outputs: int, *, labels: bool) -> ImageSet:
    pixels = np.random.default_rng(0).integers(0, 256, (_IMAGES, resolution, resolution, 3), dtype=np.uint8)
    targets = torch.zeros(_IMAGES, outputs) if labels else torch.arange(_IMAGES) % outputs
    return ImageSet(pixels, np.arange(_IMAGES), targets, outputs)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
