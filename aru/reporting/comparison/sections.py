"""The parts of the results page: a section for each table, with its plots, differences and published figures."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from aru.comparison.command import command
from aru.comparison.conclusions import BASELINES, Comparison, Row
from aru.comparison.records import ORIGINAL, OURS
from aru.methods.registry import CONTROLS
from aru.reporting.comparison.cells import (
    COLUMNS,
    PUBLISHED_HEAD,
    TESTED,
    Cell,
    Line,
    difference_lines,
    floor_cells,
    lines,
    published_rows,
    published_texts,
)
from aru.reporting.comparison.notes import floor_text, notes
from aru.reporting.comparison.published import notes_of
from aru.reporting.comparison.texts import (
    BASELINE_TEXT,
    COST_TEXT,
    DIFFERENCES,
    FIGURES_TEXT,
    PUBLISHED,
    UTILITY_TEXT,
    heading,
)
from aru.reporting.markup import Html, join, picture, table, tag

_PLOTS = {"utility": ("Utility against forgetting", UTILITY_TEXT), "cost": ("Cost against NoMUS", COST_TEXT)}


def section(comparison: Comparison, plots: Mapping[str, Path], links: Mapping[str, str], *, name: str) -> Html:
    """One table and all that belongs to it; `plots` as `write_plots` names them, `name` its place on the page."""
    floor = floor_text(comparison)
    parts = [tag("h2", heading(comparison.setting)), _list(notes(comparison)), _main_table(comparison, links)]
    parts += [tag("p", tag("strong", "Noise floor. "), floor)] * bool(floor)
    parts += [tag("p", FIGURES_TEXT, class_="note")]
    parts += [
        tag(
            "div",
            *(picture(path, title=_PLOTS[kind][0], text=_PLOTS[kind][1], alt=_PLOTS[kind][0]) for kind, path in plots.items()),
            class_="plots",
        )
    ] * bool(plots)
    parts += [part for baseline in BASELINES for part in _differences(comparison, baseline)]
    parts += _published(comparison)
    return tag("section", *parts, id=name)


def _main_table(comparison: Comparison, links: Mapping[str, str]) -> Html:
    rows = lines(comparison)
    head = [("Method", "runs, command"), ("Runs", "seeds × draws × repeats"), *COLUMNS.values()]
    head += [("Published", "NoMUS; other recipe")] * (len(rows[0].cells) > len(head) - 1)
    foot = tag(
        "tr",
        tag("th", "Noise floor", scope="row"),
        *(_cell(cell) for cell in floor_cells(comparison.floor)),
        *([tag("td")] * (len(head) > len(COLUMNS) + 2)),
    )
    body = [_row(line, join((_name(line), _origin(line.row, links)))) for line in rows]
    return _sortable(head, body, tag("tfoot", foot))


def _differences(comparison: Comparison, baseline: str) -> list[Html]:
    rows = difference_lines(comparison, baseline)
    if not rows:
        return []
    head = [("Method", ""), *((COLUMNS[name][0], "difference [95 %], p by Holm") for name in TESTED)]
    head += [("Equivalent accuracy", "")] * (len(rows[0].cells) > len(TESTED))
    content = _sortable(head, [_row(line, _name(line)) for line in rows])
    text = tag("p", DIFFERENCES, class_="note")
    return [tag("details", tag("summary", BASELINE_TEXT[baseline]), content, text, class_="part", open="")]


def _published(comparison: Comparison) -> list[Html]:
    rows = published_rows(comparison)
    if not rows:
        return []
    return [
        tag(
            "details",
            tag("summary", "Published figures"),
            tag("p", PUBLISHED, class_="note"),
            table(["", *PUBLISHED_HEAD], published_texts(rows)),
            _list(notes_of(rows)),
            class_="part",
            open="",
        )
    ]


def _sortable(head: Sequence[tuple[str, str]], rows: Sequence[Html], foot: Html | None = None) -> Html:
    """A table that the page's script makes sortable; without it, it stands in its own order."""
    titles = [
        tag(
            "th",
            tag("span", title, class_="title"),
            *([tag("span", hint, class_="small")] if hint else []),
            scope="col",
            **({"class_": "number"} if column else {}),
        )
        for column, (title, hint) in enumerate(head)
    ]
    parts = [tag("thead", tag("tr", *titles)), tag("tbody", *rows), *([foot] if foot else [])]
    return tag("div", tag("table", *parts, class_="sortable"), class_="wide")


def _row(line: Line, name: Html) -> Html:
    marked = {"class_": "ours"} if line.row.method == OURS else {}
    return tag("tr", tag("th", name, scope="row", **{"data-value": line.name}), *map(_cell, line.cells), **marked)


def _cell(cell: Cell) -> Html:
    value = {} if cell.value is None or not math.isfinite(cell.value) else {"data-value": f"{cell.value:.8g}"}
    small = (tag("span", line, class_="small") for line in cell.small)
    return tag("td", cell.text, *small, class_="number", **value)


def _name(line: Line) -> Html:
    """The row's name, with its number in the plots and whether it is a control."""
    number = tag("span", line.number, class_="mark before") if line.number is not None else Html()
    control = line.row.method in CONTROLS and line.row.method != ORIGINAL
    return join((number, line.name, tag("span", "control", class_="mark") if control else Html()))


def _origin(row: Row, links: Mapping[str, str]) -> Html:
    """The command of a row, and the addresses of its runs, folded away."""
    runs = row.runs.sort_values(["train_seed", "draw", "unlearn_seed"]).to_dict("records")
    addresses = [
        (f"{run['train_seed']}/{run['draw']}/{run['unlearn_seed']}", links[run["key"]]) for run in runs if run["key"] in links
    ]
    shown = [tag("li", tag("a", text, href=address, rel="noreferrer")) for text, address in addresses]
    runs_shown = [tag("span", "Runs by training seed/draw/unlearning seed", class_="small"), tag("ul", *shown, class_="runs")]
    parts = [tag("code", command(runs)), *(runs_shown if shown else [])]
    return tag("details", tag("summary", f"command, {len(shown)} linked" if shown else "command"), *parts)


def _list(sentences: Sequence[str]) -> Html:
    return tag("ul", *(tag("li", sentence) for sentence in sentences), class_="note") if sentences else Html()
