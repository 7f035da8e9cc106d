"""The tables of `docs/models.md` and `docs/tasks.md`, from the records beside them.

    python -m tools.page_tables

`tools/try_networks.py` and `tools/measure_tasks.py` write the records. A test holds that the pages show them.
"""

from pathlib import Path
from typing import NotRequired, TypedDict

FOLDER = Path(__file__).parents[1] / "docs"
NETWORKS, TASKS = FOLDER / "models.json", FOLDER / "tasks.json"
STEPS = ("build", "train", "attack", "mask", "reset", "finetune", "evaluate", "audit", "original unchanged")


class NetworkRecord(TypedDict):
    """What became of one family.

    side: of the images, pixels. parameters: their number, and `in_units` the number of those in weights with units. layers:
    with units. passed: names of steps; failed: the step that did not pass, and error, why.
    """

    family: str
    network: str
    side: NotRequired[int]
    parameters: NotRequired[int]
    in_units: NotRequired[int]
    layers: NotRequired[int]
    passed: list[str]
    failed: str | None
    error: str | None
    seconds: NotRequired[float]
