"""Retrained models of other seeds: those that a comparison has made of the same draw, by their answers alone."""

from collections.abc import Collection
from pathlib import Path

import torch

from aru.comparison.cell import open_store
from aru.comparison.choices import parse_choices
from aru.comparison.draws import Draw
from aru.comparison.plan import RetrainedTask, make_plan
from aru.compute.device import make_compute
from aru.core.config import Config

MOST = 8
"""Training seeds that are looked for, from 0."""


def other_references(
    benchmark: str, config: Config, work: Path, draw: Draw, *, without: Collection[str] = ()
) -> list[dict[str, torch.Tensor]]:
    """Logits by set of the retrained models that are there, but for those whose keys are given; nothing is trained."""
    store = open_store(work)
    if not store.folder.is_dir():
        return []
    plan = make_plan(
        benchmark,
        config,
        Path(work) / "prepared",
        parse_choices("retrain", config),
        [draw],
        seeds=MOST,
        compute=make_compute(config.runtime),
    )
    keys = [task.key for task in plan.tasks if isinstance(task, RetrainedTask) and task.key not in without]
    return [store.logits(key) for key in keys if store.has(key) and store.failure(key) is None]
