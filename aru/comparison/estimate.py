"""How long tasks will take: from what the like of them took, or from passes over images and this machine's pace."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from aru.comparison.cell import CellRecord
from aru.comparison.draws import load_draw
from aru.comparison.parameter_sets import DEFAULT
from aru.comparison.plan import OriginalTask, Task
from aru.comparison.store import Store
from aru.compute.device import Compute
from aru.core.config import Config, TrainConfig
from aru.data.images import Sets
from aru.methods.registry import find
from aru.train.from_scratch import fit_from_scratch

_SAMPLE = 256  # images that a machine's pace is measured on


def estimate_seconds(
    tasks: Iterable[Task], config: Config, work: Path, store: Store[CellRecord], compute: Compute
) -> dict[str, float]:
    """Seconds by task key, one worker busy: a guess, from results of the same method at hand where there are any."""
    known = _known(store)
    pace: float | None = None
    found = {}
    for task in tasks:
        sets, _, _ = load_draw(work / "prepared", task.draw, config)
        images = passes(task, config, sets)
        record = known.get(_kind(task))
        if record is not None:
            found[task.key] = record["seconds"] * len(sets.retain) / record["counts"]["retain"]
            continue
        if pace is None:
            pace = _pace(known) or measured_pace(sets, config, compute)
        found[task.key] = images * pace
    return found


def passes(task: Task, config: Config, sets: Sets) -> float:
    """About how many images are trained on: epochs over the sets that a method reads, and its other steps."""
    if isinstance(task, OriginalTask):
        return config.train.epochs * (len(sets.forget) + len(sets.retain))
    parameters, method = task.choice.parameters.model_dump(), find(task.choice.method)
    images = sum(len(getattr(sets, name)) for name in method.needs)
    counted = 0.0
    for name, value in _leaves(parameters):
        if name.endswith("epochs"):
            counted += value * images
        elif name.endswith("iterations"):
            counted += value * parameters.get("batch_size", 64)
        elif name == "attack.steps" and "forget" in method.needs:
            counted += value * len(sets.forget)
    return counted + images


def measured_pace(sets: Sets, config: Config, compute: Compute) -> float:
    """Seconds an image of training takes here and now, one epoch over a few images."""
    data = sets.retain.take(torch.arange(min(_SAMPLE, len(sets.retain))).numpy())
    own = config.model_copy(update={"train": TrainConfig(epochs=1, batch_size=config.train.batch_size)})
    began = time.perf_counter()
    fit_from_scratch(data, own, "pace", seed=0, compute=compute)
    return (time.perf_counter() - began) / len(data)


def _known(store: Store[CellRecord]) -> dict[tuple[str, str, str], CellRecord]:
    """The record of the last result of each kind that came to its end and whose whole cost is known."""
    return {
        (record["kind"], record["method"], record["variant"]): record
        for record in map(store.record, store.keys())
        if not record.get("resumed") and "failed" not in record
    }


def _kind(task: Task) -> tuple[str, str, str]:
    if isinstance(task, OriginalTask):
        return task.kind, "original", DEFAULT
    return task.kind, task.choice.method, task.choice.variant


def _pace(known: dict[tuple[str, str, str], CellRecord]) -> float | None:
    """Seconds an image took when an original was trained."""
    record = known.get(("original", "original", DEFAULT))
    if record is None or record["config"]["epochs"] == 0:
        return None
    return record["seconds"] / (record["config"]["epochs"] * (record["counts"]["forget"] + record["counts"]["retain"]))


def _leaves(values: dict[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{name}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield f"{prefix}{name}", value
