"""From results in the store to the records that tables are made of."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NotRequired

from aru.comparison.cell import CellRecord, figures_of, open_store, references_of
from aru.comparison.draws import load_draw
from aru.comparison.plan import EvaluatedTask
from aru.core.config import Config


class RunRecord(CellRecord):
    """A row of the tables: `figures` of the model, unless it `failed`; `reference`: what labels and chance alone give."""

    task: str
    figures: NotRequired[dict[str, Any]]
    reference: dict[str, float | None]


def records_of(tasks: Iterable[EvaluatedTask], config: Config, work: Path) -> list[RunRecord]:
    """The records of those tasks that are done, each with `figures` and `reference`; a failed one has `failed` instead."""
    store, found = open_store(work), []
    for task in tasks:
        if not store.has(task.key):
            continue
        sets, _, digests = load_draw(work / "prepared", task.draw, config)
        # One result may be several rows: the benchmark's own presets can be the defaults, too.
        record: RunRecord = {
            **store.record(task.key),
            "protocol": task.draw.protocol,
            "draw": task.draw.number,
            "train_seed": task.train_seed,
            "unlearn_seed": task.seed,
            "method": task.choice.method,
            "variant": task.choice.variant,
            "task": config.data.task,
            "reference": references_of(store, sets, digests),
        }
        if "failed" not in record:
            figures = figures_of(store, task, sets)
            if "failed" in figures:
                record["failed"] = figures["failed"]
            else:
                record["figures"] = figures
        found.append(record)
    return found
