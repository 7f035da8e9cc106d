"""One page that says how a model stands the audit: self-contained, made from the record alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aru.audit.texts import EXPOSED, HOW_TO_READ, MEANING, NOT_PROVED, UNSEEN, limits_note, title
from aru.core.files import atomic_path, write_json
from aru.reporting.markup import Html, join, page, table, tag

STATES = {"pass": "good", "fail": "bad", "inconclusive": "open", None: "open"}
STYLE = """
.verdict { display: inline-block; padding: .12em .6em; border-radius: .4em; color: var(--paper); letter-spacing: .03em; }
.verdict.good { background: var(--good); } .verdict.bad { background: var(--bad); } .verdict.open { background: var(--open); }
td .state { white-space: nowrap; }
tbody th .small { white-space: normal; max-width: 44ch; min-width: 17rem; }
td { font-size: .92rem; }
"""
MINUS = "\N{MINUS SIGN}"
HEAD = ("Criterion", "Figure", "Limit", "Verdict", "Power")


def write_audit(folder: Path, record: Mapping[str, Any]) -> None:
    """Write audit.json and audit.html into `folder`; the same record gives the same bytes."""
    write_json(Path(folder) / "audit.json", record)
    with atomic_path(Path(folder) / "audit.html") as path:
        path.write_text(audit_page(record), encoding="utf-8")


def audit_page(record: Mapping[str, Any]) -> str:
    """The page of an audit record."""
    tested = [row for row in record["criteria"] if row["verdict"]]
    left = [(title(row["name"]), row["not_run"]) for row in record["criteria"] if not row["verdict"]]
    left += [(title(item["name"]), item["why"]) for item in record["not_asked"]]
    return page(
        f"Audit of {record['model']}: {record['verdict']}",
        _head(record),
        _section("Criteria", tag("p", HOW_TO_READ, class_="note"), table(HEAD, [_row(row) for row in tested], numbers=False)),
        *([_section("Not tested", table(["", "Why"], left, numbers=False))] if left else []),
        _people(record["details"]["people"]),
        _section("Attacks one by one", _attacks(record["details"]["attacks"])),
        *(_section(name, _figures(values)) for name, values in record["details"].get("further", {}).items()),
        _section(
            "What this does not prove",
            tag("ul", *(tag("li", line) for line in NOT_PROVED)),
            table(["A pass of", "leaves open"], [(title(row["name"]), row["silent"]) for row in tested], numbers=False),
        ),
        _section(
            "Where the limits come from",
            tag("p", _limits(record), class_="note"),
            table(["Criterion", "Calibration"], [(title(row["name"]), row["calibration"]) for row in tested], numbers=False),
        ),
        _section(
            "Made from", table(None, [(key, tag("code", value)) for key, value in record["made_from"].items()], numbers=False)
        ),
        style=STYLE,
    )


def criterion_cells(row: Mapping[str, Any]) -> tuple[str, str, str]:
    """Figure, interval and limit of a tested criterion as text."""
    bounds = row["interval"]
    low, high = (None if end is None else f"{end:g}".replace("-", MINUS) for end in row["limit"])
    limit = f"{low} to {high}" if low and high else f"at most {high}" if high else f"at least {low}"
    return _number(row["figure"]), f"[{_number(bounds[0])}, {_number(bounds[1])}]" if bounds else "exact", limit


def _head(record: Mapping[str, Any]) -> Html:
    verdict = record["verdict"]
    images = ", ".join(f"{count:,} {role}" for role, count in record["images"].items())
    line = f"Benchmark {record['benchmark']}, level {record['level']}. Images: {images}."
    left = f" {record['unseen_left_out']} {UNSEEN}." if record["unseen_left_out"] else ""
    badge = tag("span", verdict.upper(), class_=f"verdict {STATES[verdict]}")
    return tag(
        "header",
        tag("h1", badge, Html(" "), f"Audit of {record['model']}"),
        tag("p", f"{MEANING[verdict]} {_counts(record['criteria'])}"),
        tag("p", line + left, class_="lead"),
    )


def _limits(record: Mapping[str, Any]) -> str:
    return limits_note(record["benchmark"], [row["calibrated_on"] for row in record["criteria"]])


def _counts(rows: Sequence[Mapping[str, Any]]) -> str:
    """How the required criteria fared; those that did not pass by name."""
    required = [row for row in rows if row["required"]]
    named = {
        word: [title(row["name"]) for row in required if row["verdict"] == verdict]
        for verdict, word in (("fail", "failed"), ("inconclusive", "inconclusive"), (None, "not tested"))
    }
    passed = sum(row["verdict"] == "pass" for row in required)
    said = [f"{word}: {', '.join(names)}" for word, names in named.items() if names]
    return "; ".join([f"Passed {passed} of {len(required)} required criteria", *said]) + "."


def _row(row: Mapping[str, Any]) -> list[object]:
    figure, bounds, limit = criterion_cells(row)
    state = tag("span", row["verdict"], class_=f"state {STATES[row['verdict']]}")
    role = tag("span", "informs only", class_="small") if not row["required"] else ""
    return [
        join((title(row["name"]), tag("span", row["measured"], class_="small"))),
        join((tag("span", figure, class_="figure"), tag("span", bounds, class_="small"))),
        join((limit, tag("span", row["sides"], class_="small"))),
        join((state, role)),
        _power(row),
    ]


def _power(row: Mapping[str, Any]) -> str:
    if row["power"] is None:
        return f"No interval: {row['exact']}"
    return f"fails {_ends(row['power']['fails_from'], ' or ', 'below', 'above')}; passes " + (
        _ends(row["power"]["passes_within"], " ", "from", "up to") if row["power"]["passes_within"] else "at no value"
    )


def _ends(ends: Sequence[float | None], between: str, low: str, high: str) -> str:
    """One or both ends of a range in words."""
    said = [f"{word} {_number(end)}" for word, end in zip((low, high), ends, strict=True) if end is not None]
    return between.join(said)


def _people(people: Mapping[str, Any]) -> Html:
    rows = [(one["id"], one["score"], one["photos"]) for one in people["most_exposed"]]
    line = f"{people['forgotten']} forgotten against {people['unseen']} unseen people. "
    if "testable" in people:
        line += (
            f"One by one, {people['standing_out']} of them stand out by all their photos together (under the original "
            f"{people['standing_out_in_the_original']}); it could be found of {people['testable']} of them."
        )
    return _section(
        "Most exposed people",
        tag("p", EXPOSED, class_="note"),
        tag("p", line),
        table(["Person", "Score", "Photos"], [(name, f"{score:.3f}", count) for name, score, count in rows]),
    )


def _attacks(attacks: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Html:
    rows = [
        [
            name.replace("_", " "),
            *(
                join((_text(figures[key]["figure"]), tag("span", _bounds(figures[key]["interval"]), class_="small")))
                for key in figures
            ),
        ]
        for name, figures in attacks.items()
    ]
    return table(["Signal", "Class-matched AUC", "Found at 1 % false accusations"], rows)


def _figures(values: Mapping[str, Any]) -> Html:
    """A table of name -> figure, or of name -> {column: figure}."""
    if values and all(isinstance(value, Mapping) for value in values.values()):
        heads = list(dict.fromkeys(key for value in values.values() for key in value))
        return table(["", *heads], [[name, *(_text(value.get(head)) for head in heads)] for name, value in values.items()])
    return table(None, [(name, _text(value)) for name, value in values.items()])


def _text(value: Any) -> str:
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return _bounds(value)
    return "–" if value is None else str(value)


def _bounds(bounds: Sequence[float]) -> str:
    return f"[{', '.join(map(_number, bounds))}]" if bounds else ""


def _number(value: float) -> str:
    return f"{value:.3f}".replace("-", MINUS)


def _section(heading: str, *children: object) -> Html:
    return tag("section", tag("h2", heading), *children)
