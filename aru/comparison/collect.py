"""From results in the store to the records that tables are made of."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from aru.comparison.cell import figures_of, open_store, references_of
from aru.comparison.draws import load_draw
from aru.comparison.plan import Task
from aru.core.config import Config


def records_of(tasks: Iterable[Task], config: Config, work: Path) -> list[dict[str, Any]]:
    """The records of those tasks that are done, each with `figures` and `reference`; a failed one has `failed` instead."""
    store, found = open_store(work), []
    for task in tasks:
        if not store.has(task.key):
            continue
        sets, _, digests = load_draw(work / "prepared", task.draw, config)
        # One result may stand for several places: the benchmark's own presets can be the defaults, too.
        place = {
            "protocol": task.draw.protocol,
            "draw": task.draw.number,
            "train_seed": task.train_seed,
            "unlearn_seed": task.seed,
            "method": task.choice.method,
            "variant": task.choice.variant,
            "task": config.data.task,
        }
        record = store.record(task.key) | place
        if "failed" not in record:
            figures = figures_of(store, task, sets)
            record |= {"failed": figures["failed"]} if "failed" in figures else {"figures": figures}
        found.append(record | {"reference": references_of(store, sets, digests)})
    return found
