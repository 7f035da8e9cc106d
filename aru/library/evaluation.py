"""`aru.evaluate`: the figures of an unlearned network beside the original, and beside a retrained one where there is one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from aru.core.errors import InputError
from aru.core.names import ORIGINAL, RETRAINED, SETS, UNLEARNED
from aru.core.progress import Progress
from aru.data.datasets import Bounds, Source
from aru.library.own_task import Loss, compared_sets, task_of
from aru.library.people import People, people_of
from aru.library.problem import DataOptions, adapted
from aru.library.progress_bar import reporting
from aru.library.running import computing, with_gradients
from aru.library.saved import weights_md5
from aru.library.task_evaluation import check_measurable, evaluate_task
from aru.metrics.summary import summarise
from aru.metrics.task_scores import Score
from aru.train.loop import predict as predict_set
from aru.train.tasks import Predict

SHOWN = (
    *(f"{name}/{key}" for key in ("accuracy", "miou", "map", "score") for name in ("test", "retain", "forget")),
    *("mia/forgetting_score", "mia_matched/auc", "nomus"),
)
"""The figures of the table, by their keys; those of another task are left out."""
_LOSSES = ("test/loss", "retain/loss", "forget/loss")
"""What is shown of a task that has no other figure."""


@dataclass(frozen=True)
class Figures:
    """All figures of the models; `content` is what metrics.json of a project holds (docs/protocol.md).

    weights_md5: by model, the MD5 of the file in which `Unlearning.save` would write it.
    """

    content: Mapping[str, Any]
    weights_md5: Mapping[str, str]

    @property
    def models(self) -> Mapping[str, Mapping[str, float | None]]:
        """By model (original, unlearned, retrained) and key, such as ``test/accuracy``."""
        found: Mapping[str, Mapping[str, float | None]] = self.content["models"]
        return found

    @property
    def intervals(self) -> Mapping[str, Mapping[str, Sequence[float] | None]]:
        """95 % bootstrap intervals over people, by model and key."""
        found: Mapping[str, Mapping[str, Sequence[float] | None]] = self.content["intervals"]
        return found

    @property
    def gaps(self) -> Mapping[str, Mapping[str, float | None]]:
        """Every figure minus the retrained model's; empty where there is none."""
        found: Mapping[str, Mapping[str, float | None]] = self.content["gaps"]
        return found

    @property
    def not_measured(self) -> Mapping[str, str]:
        """The figures that the sets are too small for, with the reason."""
        found: Mapping[str, str] = self.content["not_measured"]
        return found

    def __str__(self) -> str:
        """A table: a row for each figure, a column for each model."""
        names = list(self.models)
        shown = [key for key in (*SHOWN, *_LOSSES) if all(key in found for found in self.models.values())]
        if any(key in shown for key in SHOWN if key.startswith("test/")):
            shown = [key for key in shown if key not in _LOSSES]
        rows = [["", *names], *([key, *(_cell(self, name, key) for name in names)] for key in shown)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(names) + 1)]
        lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join([*lines, *(f"{key}: {why}" for key, why in self.not_measured.items() if key in shown)])


@with_gradients
def evaluate(
    model: nn.Module,
    *,
    original: nn.Module,
    forget: Source,
    retain: Source,
    test: Source,
    unseen: Source,
    retrained: nn.Module | None = None,
    people: People | None = None,
    seed: int = 0,
    resamples: int = 1000,
    device: str | torch.device = "auto",
    precision: str = "auto",
    progress: bool | None = None,
    callbacks: Sequence[Progress] = (),
    bounds: Bounds = (0.0, 1.0),
    preprocessing: Mapping[str, Any] | None = None,
    loss: Loss | None = None,
    predict: Predict | None = None,
    score: Score | None = None,
    outputs: int | None = None,
    workers: int = 0,
) -> Figures:
    """Utility on the four sets and membership inference on forget against unseen images, with intervals, of each model.

    unseen: images of people whom no model was trained on, of the same kind as the forget images. people: an id for each image,
    by set or of the forget set alone; intervals are bootstraps over people. The other arguments are those of `aru.unlearn`.

    With `loss`, for another task: ``SET/loss``, the attacks on the losses (without classes: all forget against all unseen
    samples), and ``SET/miou`` for "segmentation", ``SET/map`` and ``SET/map_50`` for "detection" (they need the extra
    `detection`), or, with score, ``(predictions, targets)`` -> how well each sample of a batch is done (B,) or their mean,
    ``SET/score``; predictions are what `predict` gives.
    """
    options = DataOptions(bounds, preprocessing, None, outputs, workers)
    networks = {ORIGINAL: original, UNLEARNED: model} | ({} if retrained is None else {RETRAINED: retrained})
    task = task_of(loss, predict)
    if score is not None and loss is None:
        raise InputError("score= belongs to a task of your own: give its loss=, too")
    models = {str(name): adapted(network, options, raw=loss is not None) for name, network in networks.items()}
    given = {"forget": forget, "retain": retain, "test": test, "unseen": unseen}
    sets = compared_sets(models, given, options, task, own=loss is not None)
    if loss is not None:
        check_measurable(sets, task)
    groups = people_of(people, sets)
    digests = {str(name): weights_md5(network) for name, network in networks.items()}
    with computing(device, precision) as compute, reporting(progress, callbacks) as report:
        if loss is not None:
            content = evaluate_task(
                models, sets, task, score, groups=groups, seed=seed, resamples=resamples, compute=compute, progress=report
            )
            return Figures(content, digests)
        logits: dict[str, dict[str, torch.Tensor]] = {
            name: {str(role): predict_set(one, getattr(sets, role), compute=compute, progress=report) for role in SETS}
            for name, one in models.items()
        }
    metrics = summarise(
        logits,
        {role: getattr(sets, role).targets for role in SETS},
        groups=groups,
        benchmark="own data",
        protocol="own",
        task="own",
        seed=seed,
        resamples=resamples,
    )
    return Figures(metrics, digests)


def _cell(figures: Figures, model: str, key: str) -> str:
    value = figures.models[model][key]
    bounds = figures.intervals.get(model, {}).get(key)
    if value is None:
        return "not measured"
    return f"{value:.3f}" + (f" [{bounds[0]:.3f}, {bounds[1]:.3f}]" if bounds else "")
