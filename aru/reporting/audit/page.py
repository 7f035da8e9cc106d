"""The page of an audit: what its template shows, prepared from the audit's record alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aru.audit.audit_file import AttackFigure, AuditRecord, CriterionRow, PeopleFigures, Table, Value
from aru.audit.texts import limits_note, relative_line, title
from aru.audit.verdicts import Verdict
from aru.core.files import atomic_path, read_json, write_json
from aru.core.names import FORGET, UNSEEN
from aru.data.census import PEOPLE_ARE_CLASSES, WITHOUT_PERSON
from aru.reporting.audit.reported import MINUS, Reported, nearness, number, reported
from aru.reporting.rendering import render
from aru.reporting.view import Cell, Row, text_rows

STATES: Mapping[Verdict | None, str] = {"pass": "good", "fail": "bad", "inconclusive": "open", None: "open"}


def write_audit(folder: Path, record: AuditRecord) -> None:
    """Write audit.json and audit.html into `folder`; the same record gives the same bytes."""
    write_json(Path(folder) / "audit.json", record)
    page = audit_page(read_json(Path(folder) / "audit.json"))  # in the order of the file's keys, as whoever reads it has it
    with atomic_path(Path(folder) / "audit.html") as path:
        path.write_text(page, encoding="utf-8")


@dataclass(frozen=True)
class Criterion:
    """A tested criterion: what was measured, its figure, limit and verdict, and what a pass leaves open."""

    name: str
    measured: str
    variant: str
    figure: str
    interval: str
    limit: str
    sides: str
    verdict: str
    state: str
    required: bool
    power: str
    silent: str
    calibration: str


@dataclass(frozen=True)
class People:
    """How exposed the forgotten people are; the counts of people tested one by one, where there are any."""

    forgotten: int
    unseen: int
    testable: int | None
    standing_out: int | None
    standing_out_in_the_original: int | None
    most_exposed: tuple[Row, ...]


@dataclass(frozen=True)
class Details:
    """Further figures of one kind: a table with a heading; without columns, pairs of a name and a figure."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class AuditPage:
    """All that audit/page.html.j2 shows."""

    model: str
    method: str
    benchmark: str
    level: str
    images: str
    unseen_left_out: int
    people_note: tuple[str, str] | None
    verdict: str
    state: str
    relative: str | None
    nearness: tuple[Row, ...]
    reported: tuple[Reported, ...]
    fared: str
    criteria: tuple[Criterion, ...]
    not_tested: tuple[Row, ...]
    people: People
    attacks: tuple[Row, ...]
    further: tuple[Details, ...]
    limits: str
    made_from: tuple[tuple[str, str], ...]


def audit_page(record: AuditRecord) -> str:
    """The page of an audit record."""
    return render("audit/page.html.j2", _view(record), style="audit/page.css")


def criterion_cells(row: CriterionRow) -> tuple[str, str, str]:
    """Figure, interval and limit of a tested criterion as text."""
    bounds = row["interval"]
    low, high = (None if end is None else f"{end:g}".replace("-", MINUS) for end in row["limit"])
    limit = f"{low} to {high}" if low and high else f"at most {high}" if high else f"at least {low}"
    return number(row["figure"]), f"[{number(bounds[0])}, {number(bounds[1])}]" if bounds else "exact", limit


def _view(record: AuditRecord) -> AuditPage:
    criteria = record["criteria"]
    left = [(title(row["name"]), row["not_run"]) for row in criteria if not row["verdict"]]
    left += [(title(item["name"]), item["why"]) for item in record["not_asked"]]
    return AuditPage(
        model=record["model"],
        benchmark=record["benchmark"],
        level=record["level"],
        unseen_left_out=record["unseen_left_out"],
        verdict=record["verdict"],
        method=record["made_from"].get("method", ""),
        images=", ".join(f"{count:,} {role}" for role, count in record["images"].items()),
        people_note=_people_note(record),
        state=STATES[record["verdict"]],
        relative=relative_line(record),
        nearness=nearness(record.get("relative", {})),
        reported=reported(record),
        fared=_counts(criteria),
        criteria=tuple(_criterion(row, row["verdict"]) for row in criteria if row["verdict"]),
        not_tested=text_rows(left),
        people=_people(record["details"]["people"]),
        attacks=tuple(_attack(name, figures) for name, figures in record["details"]["attacks"].items()),
        further=tuple(_further(name, values) for name, values in record["details"].get("further", {}).items()),
        limits=limits_note(record["benchmark"], [row["calibrated_on"] for row in criteria]),
        made_from=tuple(record["made_from"].items()),
    )


def _people_note(record: AuditRecord) -> tuple[str, str] | None:
    """What weakens an audit where nobody knows whom images show, or where people are the classes; in short, and whole."""
    if record.get("people_are_classes"):
        return "Not of people who were never known.", PEOPLE_ARE_CLASSES
    unknown = record.get("images_without_person", 0)
    if not unknown:
        return None
    return "Weaker than an audit of people.", (
        f"{unknown:,} of {record['images'][FORGET] + record['images'][UNSEEN]:,} forget and unseen images have no person. "
        f"{WITHOUT_PERSON} What is said here of people is said of photos then."
    )


def _counts(rows: Sequence[CriterionRow]) -> str:
    """How the required criteria fared; those that did not pass by name."""
    required = [row for row in rows if row["required"]]
    labels: tuple[tuple[Verdict | None, str], ...] = (
        ("fail", "failed"),
        ("inconclusive", "inconclusive"),
        (None, "not tested"),
    )
    named = {word: [title(row["name"]) for row in required if row["verdict"] == verdict] for verdict, word in labels}
    passed = sum(row["verdict"] == "pass" for row in required)
    said = [f"{word}: {', '.join(names)}" for word, names in named.items() if names]
    return "; ".join([f"Passed {passed} of {len(required)} required criteria", *said]) + "."


def _criterion(row: CriterionRow, verdict: Verdict) -> Criterion:
    figure, interval, limit = criterion_cells(row)
    return Criterion(
        measured=row["measured"],
        variant=row.get("variant", ""),
        sides=row["sides"],
        verdict=verdict,
        required=row["required"],
        silent=row["silent"],
        calibration=row["calibration"],
        name=title(row["name"]),
        figure=figure,
        interval=interval,
        limit=limit,
        state=STATES[verdict],
        power=_power(row),
    )


def _power(row: CriterionRow) -> str:
    if row["power"] is None:
        return f"No interval: {row['exact']}"
    fails, passes = row["power"]["fails_from"], row["power"]["passes_within"]
    return (
        f"fails {_ends(fails, ' or ', 'below', 'above') or 'at no value: so few people cannot show it'}; "
        f"passes {'at no value' if passes is None else _ends(passes, ' ', 'from', 'up to') or 'at every value'}"
    )


def _ends(ends: Sequence[float | None], between: str, low: str, high: str) -> str:
    """One or both ends of a range in words; empty without one."""
    said = [f"{word} {number(end)}" for word, end in zip((low, high), ends, strict=True) if end is not None]
    return between.join(said)


def _people(people: PeopleFigures) -> People:
    exposed = [(one["id"], f"{one['score']:.3f}", str(one["photos"])) for one in people["most_exposed"]]
    return People(
        forgotten=people["forgotten"],
        unseen=people["unseen"],
        testable=people.get("testable"),
        standing_out=people.get("standing_out"),
        standing_out_in_the_original=people.get("standing_out_in_the_original"),
        most_exposed=text_rows(exposed),
    )


def _attack(name: str, figures: Mapping[str, AttackFigure]) -> Row:
    cells = [Cell(_text(one["figure"]), (_bounds(one["interval"]),) if one["interval"] else ()) for one in figures.values()]
    return Row(name.replace("_", " "), tuple(cells))


def _further(name: str, values: Table) -> Details:
    """The table of name -> figure, or of name -> {column: figure}."""
    nested = {row: value for row, value in values.items() if isinstance(value, Mapping)}
    flat = [(row, _text(value)) for row, value in values.items() if not isinstance(value, Mapping)]
    if flat or not nested:
        return Details(name, (), text_rows(flat))
    columns = tuple(dict.fromkeys(key for value in nested.values() for key in value))
    rows = [[row, *(_text(value.get(column)) for column in columns)] for row, value in nested.items()]
    return Details(name, columns, text_rows(rows))


def _text(value: Value) -> str:
    if isinstance(value, float):
        return number(value)
    if isinstance(value, list):
        return _bounds(value)
    return "–" if value is None else str(value)


def _bounds(bounds: Sequence[float]) -> str:
    return f"[{', '.join(map(number, bounds))}]" if bounds else ""
