"""ARU as one function: attack, mask, reset, fine-tune (arXiv 2401.08998)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from aru.compute.device import Compute
from aru.core.errors import InputError
from aru.core.names import FORGET, RETAIN
from aru.core.progress import Progress, silent
from aru.core.stopwatch import Stopwatch
from aru.data.images import Sets
from aru.methods.aru.attack import attack
from aru.methods.aru.finetuning import finetune
from aru.methods.aru.masking import Mask, Scores, check_count, mask
from aru.methods.aru.presets import PRESETS, AruConfig
from aru.methods.aru.resetting import check_units, reset
from aru.methods.method import Method
from aru.train.checkpoint import Checkpoint
from aru.train.history import History
from aru.train.tasks import CLASSIFICATION, Task

SOURCE = "arXiv 2401.08998"
NAMED = {name: AruConfig.model_validate(values) for name, values in PRESETS.items()}
"""The parameters of each preset."""
WITHOUT_UNITS = "networks without a layer before the classifier; layers that cannot be drawn anew, without fresh="


@dataclass(frozen=True)
class Unlearned:
    """What ARU makes of a model.

    model: the unlearned model, in evaluation mode, on the device. noise: (M, 3, H, W), in the forget set's order. scores and
    mask: by layer, a value a unit. history: a record of each epoch of the fine-tune. seconds: on the wall, of each step.
    """

    model: nn.Module
    noise: torch.Tensor
    scores: Scores
    mask: Mask
    history: History
    seconds: dict[str, float]


def unlearn(
    model: nn.Module,
    sets: Sets,
    config: AruConfig,
    *,
    seed: int,
    compute: Compute,
    progress: Progress = silent,
    checkpoint: Checkpoint | None = None,
    task: Task = CLASSIFICATION,
) -> Unlearned:
    """Attack D_f; rank the units by |g_x - g_n|; draw the chosen share anew; fine-tune on D_r.

    The model given is not changed. The stages of the flow call the same four functions, from files to files, and end in the
    same weights for the same seed. With `checkpoint` an interrupted fine-tune goes on after its last saved epoch; the steps
    before it are computed again. `task` gives the loss; the reset goes by the network alone.
    """
    _check_counts(sets, config)
    seconds: dict[str, float] = {}

    @contextmanager
    def timed(step: str) -> Iterator[None]:
        watch = Stopwatch()
        yield
        seconds[step] = watch.seconds

    with timed("attack"):
        noise = attack(model, sets.forget, config.attack, seed=seed, compute=compute, progress=progress, task=task)
    with timed("mask"):
        scores, marked = mask(
            model,
            sets.forget,
            noise,
            config.mask,
            seed=seed,
            compute=compute,
            retain=sets.retain,
            progress=progress,
            task=task,
        )
    with timed("reset"):
        result = reset(model, marked, config.reset, seed=seed, example=sets.retain.example())
    with timed("finetune"):
        history = finetune(
            result,
            model,
            sets.retain,
            config.finetune,
            seed=seed,
            compute=compute,
            progress=progress,
            checkpoint=checkpoint,
            task=task,
        )
    return Unlearned(result, noise, scores, marked, history, seconds)


def _check_counts(sets: Sets, config: AruConfig) -> None:
    """Say before the attack what the later steps would refuse."""
    check_count(config.mask, len(sets.forget))
    if config.mask.normalise == "retain":
        check_count(config.mask, len(sets.retain))
    if config.finetune.epochs > 0 and len(sets.retain) < 2:
        raise InputError(
            f"the retain set has {len(sets.retain)} image and the fine-tune needs at least 2: give more, or set "
            "finetune.epochs to 0"
        )


def unlearn_model(
    model: nn.Module,
    sets: Sets,
    config: AruConfig,
    *,
    seed: int,
    compute: Compute,
    progress: Progress = silent,
    task: Task = CLASSIFICATION,
) -> nn.Module:
    """`unlearn` behind the signature of the methods: the unlearned model alone."""
    return unlearn(model, sets, config, seed=seed, compute=compute, progress=progress, task=task).model


METHODS = (
    Method(
        "aru",
        AruConfig,
        unlearn_model,
        (FORGET, RETAIN),
        SOURCE,
        NAMED,
        check=check_units,
        accepts=("fresh", "heads", "loss"),
        cannot=WITHOUT_UNITS,
    ),
)
