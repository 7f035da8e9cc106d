"""The tables of `docs/models.md` and `docs/tasks.md`, from the records beside them.

    python -m tools.page_tables [FOLDER ...]

`tools/try_networks.py` writes the records of the first; those of the second are the `figures.json` of the FOLDERs into which
`tools/measure_tasks.py` wrote. A test holds that the pages show them.
"""

import sys
from pathlib import Path
from typing import NotRequired, TypedDict

from aru.core.files import read_json, write_json

FOLDER = Path(__file__).parents[1] / "docs"
NETWORKS, TASKS = FOLDER / "models.json", FOLDER / "tasks.json"
STEPS = ("build", "train", "attack", "mask", "reset", "finetune", "evaluate", "audit", "original unchanged")
_COLUMNS = ("task", "seed")


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


class Attack(TypedDict):
    """The loss attack on forgotten people: AUC and its 95 % interval over people."""

    auc: float
    interval: list[float] | None


class ModelFigures(TypedDict):
    """One model's figures: test, the metric's name -> value, and `interval`; attack."""

    test: dict[str, float | list[float]]
    attack: Attack


class TaskRecord(TypedDict):
    """One run of `tools/measure_tasks.py`."""

    settings: dict[str, str]
    images: dict[str, int]
    people: dict[str, int]
    original: ModelFigures
    unlearned: ModelFigures
    retrained: ModelFigures


def networks_table(records: dict[str, NetworkRecord]) -> str:
    """One row a family, after a count of those that went through every step."""
    through = sum(record["failed"] is None for record in records.values())
    lines = [
        f"{through} of {len(records)} families go through every step: {', '.join(STEPS)}.",
        "",
        "| family | network | px | parameters | in units | layers | goes through | why not further |",
        "|---|---|---:|---:|---:|---:|---|---|",
    ]
    for family, record in sorted(records.items()):
        count, units = record.get("parameters"), record.get("in_units")
        cells = [
            family,
            f"`{record['network']}`",
            record.get("side", ""),
            f"{count / 1e6:.1f} M" if count else "",
            f"{units / count:.0%}" if units and count else "",
            record.get("layers", ""),
            "all" if record["failed"] is None else ", ".join(record["passed"]) or "none",
            f"{record['failed']}: {record['error']}".replace("|", "/") if record["failed"] else "",
        ]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def tasks_table(records: dict[str, TaskRecord]) -> str:
    """One row a task, seed and model; then the settings and the sizes of the sets of each run."""
    lines = ["| task | seed | model | on the test set | AUC of the loss attack |", "|---|---:|---|---|---|"]
    notes = set()
    for _, record in sorted(records.items()):
        settings = record["settings"]
        models = {"original": record["original"], "unlearned": record["unlearned"], "retrained": record["retrained"]}
        for name, figures in models.items():
            test, ends = figures["test"], figures["test"].get("interval")
            spread = _interval(ends if isinstance(ends, list) else None)
            values = [(key, value) for key, value in test.items() if isinstance(value, float)]
            utility = ", ".join(
                f"{key} {value:.3f}{spread if number == 0 else ''}" for number, (key, value) in enumerate(values)
            )
            attack = f"{figures['attack']['auc']:.3f}{_interval(figures['attack']['interval'])}"
            lines.append(f"| {settings['task']} | {settings['seed']} | {name} | {utility} | {attack} |")
        given = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in sorted(settings.items()) if key not in _COLUMNS)
        people = ", ".join(f"{name} {count} ({record['people'][name]})" for name, count in sorted(record["images"].items()))
        notes.add(f"Settings: {given}. Seed {settings['seed']}, photos (people): {people}.")
    return "\n".join([*lines, *(line for note in sorted(notes) for line in ("", note))])


def collect(folders: list[Path]) -> None:
    """Put the finished runs of these folders into `docs/tasks.json`."""
    records: dict[str, TaskRecord] = read_json(TASKS) if TASKS.exists() else {}
    for folder in folders:
        record: TaskRecord = read_json(folder / "figures.json")
        records[f"{record['settings']['task']} {record['settings']['seed']}"] = record
    write_json(TASKS, records)


def _interval(ends: list[float] | None) -> str:
    return f" ({ends[0]:.3f} to {ends[1]:.3f})" if ends else ""


def filled(page: str, name: str, table: str) -> str:
    """The page with this table between its markers."""
    begin, end = f"<!-- table of {name}: begin -->", f"<!-- table of {name}: end -->"
    head, _, rest = page.partition(begin)
    return f"{head}{begin}\n{table}\n{end}{rest.partition(end)[2]}"


def pages() -> dict[Path, str]:
    """Each page as its records say that it should be."""
    networks, tasks = FOLDER / "models.md", FOLDER / "tasks.md"
    return {
        networks: filled(networks.read_text(encoding="utf-8"), "networks", networks_table(read_json(NETWORKS))),
        tasks: filled(tasks.read_text(encoding="utf-8"), "tasks", tasks_table(read_json(TASKS))),
    }


if __name__ == "__main__":
    collect([Path(name) for name in sys.argv[1:]])
    for page, text in pages().items():
        page.write_text(text, encoding="utf-8")
