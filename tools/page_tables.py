"""Tables of pages in `docs/`, from the records beside them and from the code.

    python -m tools.page_tables [FOLDER ...]

`tools/try_networks.py` writes the records of models.md; those of tasks.md and data.md are the `figures.json` of the FOLDERs
into which `tools/measure_tasks.py` and `tools/measure_many_photos.py` wrote. A test holds that the pages show them.
"""

import sys
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from aru.core.files import read_json, write_json
from aru.reporting.audit.nearness_table import nearness_table
from flows.requests.ledger.reasons import ALLOWED, SOURCE
from flows.requests.ledger.states import CLOSED, MEANING, OPEN, TRANSITIONS, State
from tools.headline import RECOMMENDED, headline_table

FOLDER = Path(__file__).parents[1] / "docs"
NETWORKS, TASKS, LEDGERS = FOLDER / "models.json", FOLDER / "tasks.json", FOLDER / "ledgers.json"
MANY_PHOTOS = FOLDER / "many_photos.json"
NEARNESS = FOLDER / "mufac-64px-clean" / "draws" / "nearness.json"
STEPS = ("build", "train", "attack", "mask", "reset", "finetune", "evaluate", "audit", "original unchanged")
_PAGES = ("models", "tasks", "erasure", "data", "results", "results/clean-64px")
_COLUMNS = ("task", "network", "seed")


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


PhotoSteps = dict[str, dict[str, Any]]
"""Step -> its figures: cpu_seconds, cpu_seconds_of_parts, anonymous_mib (peak), start_mib ..., of one number of photos."""


def photos_table(records: dict[str, PhotoSteps]) -> str:
    """A row for each step, its two longest parts below it: CPU seconds and peak memory for each number of photos."""
    counts = sorted(records, key=int)
    heads = [f"{int(count):,}" for count in counts]
    lines = [f"| CPU seconds (peak MiB) | {' | '.join(heads)} |", f"|---|{'---:|' * len(counts)}"]
    for step in ("import", "prepare", "census", "train"):
        found = [records[count].get(step) for count in counts]
        lines.append(f"| **{step}** | " + " | ".join(_step_cell(one) for one in found) + " |")
        parts = {part: value for one in found if one for part, value in one.get("cpu_seconds_of_parts", {}).items()}
        for part in sorted(parts, key=lambda name: -parts[name])[:2] if len(parts) > 1 else ():
            cells = [f"{one['cpu_seconds_of_parts'].get(part, 0):.1f}" if one else "" for one in found]
            lines.append(f"| {part} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _step_cell(found: dict[str, Any] | None) -> str:
    return f"{found['cpu_seconds']:,.0f} ({found['anonymous_mib']})" if found else ""


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
    lines = ["| network | seed | model | on the test set | AUC of the loss attack |", "|---|---:|---|---|---|"]
    notes = set()
    for _, record in sorted(records.items()):
        settings = record["settings"]
        models = {"original": record["original"], "unlearned": record["unlearned"], "retrained": record["retrained"]}
        for name, figures in models.items():
            test, ends = figures["test"], figures["test"].get("interval")
            interval = _interval(ends if isinstance(ends, list) else None)
            values = [(key, value) for key, value in test.items() if isinstance(value, float)]
            utility = ", ".join(
                f"{key} {value:.3f}{interval if number == 0 else ''}" for number, (key, value) in enumerate(values)
            )
            attack = f"{figures['attack']['auc']:.3f}{_interval(figures['attack']['interval'])}"
            lines.append(f"| {settings['network']} | {settings['seed']} | {name} | {utility} | {attack} |")
        given = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in sorted(settings.items()) if key not in _COLUMNS)
        people = ", ".join(f"{name} {count} ({record['people'][name]})" for name, count in sorted(record["images"].items()))
        notes.add(f"Settings: {given}. Seed {settings['seed']}, photos (people): {people}.")
    return "\n".join([*lines, *(line for note in sorted(notes) for line in ("", note))])


def states_table() -> str:
    """The states of a request."""
    lines = ["| state | open | meaning |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| {state} | {'yes' if state in OPEN else ''} | {MEANING[state]} |" for state in State)])


def actions_table() -> str:
    """What changes the state of a request, from which to which, by whom."""
    lines = ["| action | by | from | to | meaning |", "|---|---|---|---|---|"]
    for action, rule in TRANSITIONS.items():
        source = ", ".join(state for state in State if state in rule.source)
        every = {frozenset(): "new", frozenset(State): "any", OPEN: "any open one", CLOSED: "any closed one"}
        lines.append(
            f"| {action} | {', '.join(sorted(rule.roles))} | {every.get(rule.source, source)} | {rule.target or 'the same'} "
            f"| {rule.meaning} |"
        )
    return "\n".join(lines)


def reasons_table() -> str:
    """The reasons that an action may have, and where they come from."""
    lines = ["| action | reason | source |", "|---|---|---|"]
    rows = [(action, reason) for action, reasons in ALLOWED.items() for reason in reasons]
    return "\n".join([*lines, *(f"| {action} | {reason} | {SOURCE[reason]} |" for action, reason in rows)])


def ledgers_table(records: dict[str, dict[str, Any]]) -> str:
    """What `tools/measure_requests.py` measured, a column a database."""
    names = list(records)
    lines = [f"| | {' | '.join(names)} |", "|---|" + "---:|" * len(names)]
    for key in sorted(set().union(*records.values()) - {"database", "cores"}):
        lines.append(f"| {key} | {' | '.join(str(records[name].get(key, '')) for name in names)} |")
    return "\n".join(lines)


def collect(folders: list[Path]) -> None:
    """Put the finished runs of these folders into `docs/tasks.json` and `docs/many_photos.json`."""
    records: dict[str, TaskRecord] = read_json(TASKS) if TASKS.exists() else {}
    photos: dict[str, PhotoSteps] = read_json(MANY_PHOTOS) if MANY_PHOTOS.exists() else {}
    for folder in folders:
        found = read_json(folder / "figures.json")
        if "settings" in found:
            settings = found["settings"]
            records[f"{settings['task']} {settings['network']} {settings['seed']}"] = found
        else:
            photos[folder.name] = found
    write_json(TASKS, records)
    write_json(MANY_PHOTOS, photos)


def _interval(ends: list[float] | None) -> str:
    return f" ({ends[0]:.3f} to {ends[1]:.3f})" if ends else ""


def filled(page: str, name: str, table: str) -> str:
    """The page with this table between its markers."""
    begin, end = f"<!-- table of {name}: begin -->", f"<!-- table of {name}: end -->"
    head, _, rest = page.partition(begin)
    return f"{head}{begin}\n{table}\n{end}{rest.partition(end)[2]}"


def pages() -> dict[Path, str]:
    """Each page as its records say that it should be."""
    networks, tasks, erasure, data, results, clean = (FOLDER / f"{name}.md" for name in _PAGES)
    nearness = nearness_table(read_json(NEARNESS), RECOMMENDED).rstrip()
    requests = erasure.read_text(encoding="utf-8")
    tables = {"states": states_table(), "actions": actions_table(), "reasons": reasons_table()}
    for name, table in (tables | {"ledgers": ledgers_table(read_json(LEDGERS))}).items():
        requests = filled(requests, name, table)
    return {
        erasure: requests,
        results: filled(results.read_text(encoding="utf-8"), "headline", headline_table()),
        clean: filled(clean.read_text(encoding="utf-8"), "nearness", nearness),
        data: filled(data.read_text(encoding="utf-8"), "photos", photos_table(read_json(MANY_PHOTOS))),
        networks: filled(networks.read_text(encoding="utf-8"), "networks", networks_table(read_json(NETWORKS))),
        tasks: filled(tasks.read_text(encoding="utf-8"), "tasks", tasks_table(read_json(TASKS))),
    }


if __name__ == "__main__":
    collect([Path(name) for name in sys.argv[1:]])
    for page, text in pages().items():
        page.write_text(text, encoding="utf-8")
