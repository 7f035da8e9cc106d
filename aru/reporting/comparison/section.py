"""One table of the results page and all that belongs to it: plots, differences and published figures."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aru.comparison.command import command
from aru.comparison.conclusions import BASELINES, Comparison
from aru.comparison.records import ORIGINAL, OURS
from aru.methods.registry import CONTROLS
from aru.reporting.comparison.cells import (
    COLUMNS,
    TESTED,
    Line,
    columns,
    difference_lines,
    floor_cells,
    lines,
    published_rows,
    published_texts,
    run_records,
)
from aru.reporting.comparison.notes import floor_text, notes
from aru.reporting.comparison.published import notes_of
from aru.reporting.comparison.texts import BASELINE_TEXT, heading
from aru.reporting.view import Cell, Picture, Row, read_picture, text_rows


@dataclass(frozen=True)
class Link:
    """The address of a run, and its training seed, draw and unlearning seed as text."""

    text: str
    address: str


@dataclass(frozen=True)
class Method:
    """One row: the method, its number where plots have no room for the name, its cells, its command and its runs."""

    name: str
    number: int | None
    ours: bool
    control: bool
    cells: tuple[Cell, ...]
    command: str
    links: tuple[Link, ...]


@dataclass(frozen=True)
class Differences:
    """Every other method against one baseline; `equivalence` says whether the last column is the equivalence test."""

    title: str
    figures: tuple[str, ...]
    equivalence: bool
    rows: tuple[Method, ...]


@dataclass(frozen=True)
class PublishedFigures:
    """The published rows that stand beside the table, and how their protocols differ."""

    rows: tuple[Row, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Section:
    """All that one section of the page shows; `slug` is its place on the page, `columns` are figure and hint."""

    slug: str
    title: str
    notes: tuple[str, ...]
    columns: tuple[tuple[str, str], ...]
    rows: tuple[Method, ...]
    floor: tuple[Cell, ...]
    floor_text: str
    utility_plot: Picture | None
    cost_plot: Picture | None
    differences: tuple[Differences, ...]
    published: PublishedFigures | None


def section(comparison: Comparison, plots: Mapping[str, Path], links: Mapping[str, str], *, slug: str) -> Section:
    """One comparison as its section shows it; `plots` as `write_plots` names them, `links`: a record's key -> its run."""
    pictures = {kind: read_picture(path) for kind, path in plots.items()}
    published = published_rows(comparison)
    return Section(
        slug=slug,
        title=heading(comparison.setting),
        notes=tuple(notes(comparison)),
        columns=columns(comparison),
        rows=tuple(_method(line, links) for line in lines(comparison)),
        floor=tuple(floor_cells(comparison.floor)),
        floor_text=floor_text(comparison),
        utility_plot=pictures.get("utility"),
        cost_plot=pictures.get("cost"),
        differences=tuple(found for baseline in BASELINES if (found := _differences(comparison, baseline)).rows),
        published=PublishedFigures(text_rows(published_texts(published)), notes_of(published)) if published else None,
    )


def _differences(comparison: Comparison, baseline: str) -> Differences:
    rows = tuple(_method(line, {}) for line in difference_lines(comparison, baseline))
    return Differences(
        title=BASELINE_TEXT[baseline],
        figures=tuple(COLUMNS[name][0] for name in TESTED),
        equivalence=bool(rows) and len(rows[0].cells) > len(TESTED),
        rows=rows,
    )


def _method(line: Line, links: Mapping[str, str]) -> Method:
    method = line.row.method
    runs = run_records(line.row)
    return Method(
        name=line.name,
        number=line.number,
        ours=method == OURS,
        control=method in CONTROLS and method != ORIGINAL,
        cells=line.cells,
        command=command(runs),
        links=tuple(
            Link(f"{run['train_seed']}/{run['draw']}/{run['unlearn_seed']}", links[run["key"]])
            for run in runs
            if run["key"] in links
        ),
    )
