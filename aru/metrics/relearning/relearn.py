"""How fast the forget accuracy returns when a model is trained again, against a retrained model with the same batches.

Two trainings bring it back: on retain images alone, after which a model that only hid its knowledge knows the forget images
again (arXiv 2505.22310), and on the images of a few forgotten people, measured on the *other* forgotten people too.
The times are compared by the anamnesis index (`anamnesis`).
"""

from collections.abc import Mapping
from itertools import count, islice, pairwise
from typing import Literal, TypedDict

import numpy as np
from pydantic import Field, field_validator
from torch import nn

from aru.compute.device import Compute
from aru.core.errors import InputError
from aru.core.names import FORGET, RETRAINED
from aru.core.progress import Progress, silent
from aru.core.seeds import draw_seed, generator
from aru.data.images import ImageSet, Sets
from aru.metrics.relearning.anamnesis import AnamnesisIndex, Bound, RelearnTime, anamnesis_index, relearn_time
from aru.metrics.utility import utility_columns
from aru.train.batches import endless
from aru.train.descent import Step, StepConfig, descend, student
from aru.train.loop import predict
from aru.train.losses import task_loss
from aru.train.optimizers import make_optimizer

Curves = dict[str, list[float]]


class TimeFigures(TypedDict):
    """A `RelearnTime`, and the same as text."""

    steps: int
    reached: bool
    text: str


class IndexFigures(TypedDict):
    """An `AnamnesisIndex`."""

    value: float
    bound: Bound


class Relearned(TypedDict):
    """What one training brings back, each by part of the forget set: see `relearning`."""

    steps: list[int]
    curves: dict[str, Curves]
    threshold: dict[str, float]
    ain: dict[str, dict[str, IndexFigures]]
    times: dict[str, dict[str, TimeFigures]]


class Relearning(TypedDict):
    """Training again on retain images, and on the images of a few forgotten people."""

    retain: Relearned
    few: Relearned


class RelearnConfig(StepConfig):
    """How a model is trained again, and when it is measured."""

    lr: float = Field(1e-3, gt=0)
    augment: bool = Field(False, description="MUFAC's flips, affine maps and colour jitter")
    batchnorm: Literal["train", "eval"] = Field("eval", description="eval: what returns is learned, no shift of statistics")
    measured: tuple[int, ...] = Field((0, 1, 2, 4, 8, 16, 32, 64), description="after these steps; the last is the limit")
    share: float = Field(0.1, gt=0, lt=1, description="of the forgotten people whose images are shown again")
    margin: float = Field(0.05, ge=0, lt=1, description="relearned: (1 - margin) of the original's accuracy is reached")

    @field_validator("measured")
    @classmethod
    def _rising_from_zero(cls, measured: tuple[int, ...]) -> tuple[int, ...]:
        if len(measured) < 2 or measured[0] != 0 or list(measured) != sorted(set(measured)):
            raise ValueError("the steps must begin with 0 and rise, as in (0, 1, 2, 4)")
        return measured


def relearning(
    models: Mapping[str, nn.Module],
    sets: Sets,
    groups: np.ndarray,
    config: RelearnConfig,
    *,
    original: nn.Module,
    seed: int,
    compute: Compute,
    progress: Progress = silent,
) -> Relearning:
    """Curves and times of every model, by both trainings; AIN against the model named `retrained`, where there is one.

    Copies are trained; the models are left as they were. Result: `retain` and `few`, each -> `steps`; `curves`, model ->
    set -> accuracy at each step; `threshold`, set -> accuracy that counts as relearned; `times`, model -> set ->
    {steps, reached, text}; `ain`, model -> set -> {value, bound}. The sets are `forget` and, for `few`, `shown` and
    `other`, which part it.

    Shape: groups (F,), what is shown or held back together: the person of every forget image, or, where one person
    alone is forgotten, its photo. Raises InputError where there is one group only, or less than two images are shown.
    """
    if np.shape(groups) != (len(sets.forget),):
        raise InputError(f"groups {np.shape(groups)} do not fit {len(sets.forget)} forget images: one an image is needed")
    shown = _shown(groups, config.share, seed=seed)
    parts = {FORGET: np.full(len(groups), True), "shown": shown, "other": ~shown}
    known = _accuracies(original, sets.forget, parts, compute=compute)
    rounds = count(1)

    def again(what: str, training: ImageSet, measured: Mapping[str, np.ndarray]) -> Relearned:
        curves = {}
        for name, model in models.items():
            curves[name] = relearning_curves(model, training, sets.forget, measured, config, seed=seed, compute=compute)
            progress(next(rounds), 2 * len(models), f"relearn on {what}, {name}")
        return _compared(curves, {name: (1 - config.margin) * known[name] for name in measured}, config)

    return {
        "retain": again("retain", sets.retain, {FORGET: parts[FORGET]}),
        "few": again("few", sets.forget.take(np.flatnonzero(shown)), parts),
    }


def relearning_curves(
    model: nn.Module,
    training: ImageSet,
    forget: ImageSet,
    parts: Mapping[str, np.ndarray],
    config: RelearnConfig,
    *,
    seed: int,
    compute: Compute,
) -> Curves:
    """Accuracy on each part of `forget` after `config.measured` steps on `training`; the same seed, the same batches.

    Shape: parts[name] (F,) bool. A copy is trained; `model` is left as it was. Raises TrainingError where the loss is
    not finite.
    """
    copy, rng = student(model, compute, batchnorm=config.batchnorm), generator(seed, "relearning")
    optimizer = make_optimizer(copy.parameters(), config)
    batches = endless(training, config.batch_size, generator=rng, compute=compute, augmented=config.augment)
    curves: Curves = {name: [accuracy] for name, accuracy in _accuracies(copy, forget, parts, compute=compute).items()}
    for before, after in pairwise(config.measured):
        steps = (Step(task_loss(copy(images), targets)) for images, targets in islice(batches, after - before))
        descend(steps, optimizer, compute=compute, generator=rng, step_done=lambda: None)
        for name, accuracy in _accuracies(copy, forget, parts, compute=compute).items():
            curves[name].append(accuracy)
    return curves


def _shown(groups: np.ndarray, share: float, *, seed: int) -> np.ndarray:
    """Which forget images are shown again: those of a share of the groups, of one group at least. Shape: (F,) bool."""
    names = np.unique(groups)
    if len(names) < 2:
        raise InputError(
            "the forget set is one group: nothing would be left to measure on; where one person is forgotten, "
            "give the photo of every image instead of the person"
        )
    rng = np.random.default_rng(draw_seed(seed, "relearning/shown"))
    size = min(len(names) - 1, max(1, round(share * len(names))))
    shown = np.isin(groups, rng.choice(names, size=size, replace=False))
    if shown.sum() < 2:
        raise InputError(
            f"share is {share}, which shows {int(shown.sum())} of {len(shown)} forget images: training needs 2 "
            "at least; raise share"
        )
    return shown


def _accuracies(model: nn.Module, forget: ImageSet, parts: Mapping[str, np.ndarray], *, compute: Compute) -> dict[str, float]:
    right = utility_columns(predict(model, forget, compute=compute), forget.targets).means["accuracy"]
    return {name: float(right[part].mean()) for name, part in parts.items()}


def _compared(curves: Mapping[str, Curves], threshold: Mapping[str, float], config: RelearnConfig) -> Relearned:
    times = {
        model: {name: relearn_time(values, config.measured, threshold[name]) for name, values in curve.items()}
        for model, curve in curves.items()
    }
    ain = {}
    if RETRAINED in times:
        ain = {
            model: {name: _index_figures(anamnesis_index(time, times[RETRAINED][name])) for name, time in found.items()}
            for model, found in times.items()
            if model != RETRAINED
        }
    return {
        "steps": list(config.measured),
        "curves": dict(curves),
        "threshold": dict(threshold),
        "ain": ain,
        "times": {model: {name: _time_figures(time) for name, time in found.items()} for model, found in times.items()},
    }


def _index_figures(index: AnamnesisIndex) -> IndexFigures:
    return {"value": index.value, "bound": index.bound}


def _time_figures(time: RelearnTime) -> TimeFigures:
    return {"steps": time.steps, "reached": time.reached, "text": str(time)}
