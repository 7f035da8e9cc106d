"""The cells of a comparison's tables as text, shared by the Markdown file and the page."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aru.comparison.conclusions import TESTED, Comparison, Floor, Row
from aru.comparison.records import ANCHORS, OURS, REFERENCE
from aru.reporting.comparison.published import IMAGES, Published, published
from aru.reporting.view import Cell
from aru.stats.bootstrap import Estimate
from aru.stats.paired_tests import Difference

DASH = "–"
COLUMNS = {
    "test/accuracy": ("Test accuracy", "higher is better"),
    "forget/accuracy": ("Forget accuracy", "as the retrained"),
    "mia/forgetting_score": ("Forgetting score", "F, 0 is best"),
    "nomus": ("NoMUS", "higher is better"),
    "gap/test/accuracy": ("Gap in accuracy", "to the retrained"),
    "gap/mia_matched/auc": ("Gap in AUC", "to the retrained"),
    "mia_matched/auc": ("Class-matched AUC", "0.5 is a guess"),
    "seconds": ("Seconds", "wall clock"),
    "share": ("Of retraining", "its CPU seconds"),
}
"""Figure -> heading and how to read it."""
PUBLISHED_HEAD = ("Accuracy", "F", "NoMUS", "Also", "Source")
NAMED = 28
"""As many rows have their names in the plots; in longer tables all but ARU and what it is read against have numbers."""
NAMES = {"nothing": "original", "retrain": "retrained", "aru": "ARU"}


@dataclass(frozen=True)
class Line:
    """One row of a table: what it is called, its number where plots have no room for the name, its row, its cells."""

    name: str
    number: int | None
    row: Row
    cells: tuple[Cell, ...]


def columns(comparison: Comparison) -> tuple[tuple[str, str], ...]:
    """Headings of the main table, and how to read each: on anything but a CPU the cost is of wall seconds."""
    devices = {str(device) for row in comparison.rows for device in row.runs["device"]}
    waits = any(not device.startswith("cpu") for device in devices)
    return tuple(
        (title, "its seconds; on a CPU its CPU seconds" if waits and name == "share" else said)
        for name, (title, said) in COLUMNS.items()
    )


def lines(comparison: Comparison) -> list[Line]:
    """The rows of the main table: runs, the figures of `COLUMNS`, and the published figures where there are any."""
    theirs = {one.method: one for one in published_rows(comparison) if one.method}
    found = []
    for row in comparison.rows:
        cells = [size_cell(row), *(figure_cell(row, name, comparison.floor) for name in COLUMNS)]
        if theirs:
            cells.append(published_cell(theirs.get(row.label)))
        found.append(_line(comparison, row, cells))
    return found


def difference_lines(comparison: Comparison, baseline: str) -> list[Line]:
    """Every other method's difference to the baseline in the figures of `TESTED`; against retrain the equivalence, too."""
    found = []
    for row in comparison.rows:
        if baseline in row.against:
            cells = [difference_cell(row.against[baseline].get(name)) for name in TESTED]
            if baseline == REFERENCE and row.equivalence is not None:
                p = row.equivalence.p
                cells.append(Cell(row.equivalence.verdict, () if p is None else (p_value(p),), p))
            found.append(_line(comparison, row, cells))
    return found


def published_rows(comparison: Comparison) -> tuple[Published, ...]:
    """The published figures that the table can stand beside: those of the official protocol, on the benchmark's own images.

    Another archive of the same layout, or another cut, has other numbers of images.
    """
    if comparison.setting["protocol"] != "official":
        return ()
    tasks = {task for row in comparison.rows for task in row.runs["task"].dropna()}
    images = {one for row in comparison.rows for one in row.runs["images"] if one}
    benchmark = str(comparison.setting["benchmark"])
    if images != {IMAGES.get(benchmark)}:
        return ()
    return published(benchmark, tasks.pop() if len(tasks) == 1 else None)


def published_texts(rows: Sequence[Published]) -> list[list[str]]:
    """Published rows as text, under the name and `PUBLISHED_HEAD`."""
    return [[row.name, *_printed(row), row.remark, row.source] for row in rows]


def size_cell(row: Row) -> Cell:
    """Training seeds x draws x unlearning seeds; below, the number of runs, and of those that diverged."""
    runs = f"{len(row.runs)} run{'s' * (len(row.runs) > 1)}"
    diverged = (f"{row.failed} diverged",) * (row.failed > 0)
    return Cell(" × ".join(map(str, row.size)), (runs, *diverged), len(row.runs))


def figure_cell(row: Row, name: str, floor: Floor) -> Cell:
    """Mean, and the 95 % interval below; a forgetting score that chance alone explains says so."""
    found = row.figures[name]
    if found is None:
        return Cell(DASH)
    chance = name == "mia/forgetting_score" and floor.null_p95 is not None and found.mean <= floor.null_p95
    small = (bounds(found, name), "within chance" * chance)
    return Cell(number(found.mean, name), tuple(filter(None, small)), found.mean)


def difference_cell(found: Difference | None) -> Cell:
    """Difference with its interval; below, Holm's p-value and the number of independent units."""
    if found is None:
        return Cell(DASH)
    text = f"{signed(found.estimate.mean)} {bounds(found.estimate, 'gap/')}".strip()
    p = "no p" if found.holm is None else p_value(found.holm)
    return Cell(text, (f"{p}, n = {found.units}",), found.estimate.mean)


def published_cell(one: Published | None) -> Cell:
    """NoMUS, and accuracy and forgetting score below."""
    if one is None:
        return Cell(DASH)
    accuracy, score, nomus = _printed(one)
    return Cell(nomus, (f"acc {accuracy}", f"F {score}"), one.nomus)


def floor_cells(floor: Floor) -> list[Cell]:
    """The noise floor beside the figures: the retrained models' standard deviation over seeds, and F under chance."""
    cells = [Cell("")]
    for name in COLUMNS:
        deviation = floor.standard_deviation.get(name.removeprefix("gap/"))
        text = "" if deviation is None else f"± {_decimals(deviation)}"
        chance = name == "mia/forgetting_score" and floor.null_p95 is not None
        cells.append(Cell(text, (f"chance ≤ {_decimals(floor.null_p95)}",) if chance else ()))
    return cells


def number(value: float, name: str) -> str:
    """A figure as text, by what it is: gaps with their sign, shares in per cent, seconds without decimals from 100 on."""
    if name.startswith("gap/"):
        return signed(value)
    if name == "share":
        return f"{value:.0%}" if value >= 0.995 else f"{value:.1%}"
    if name == "seconds":
        return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
    return _decimals(value)


def bounds(found: Estimate, name: str) -> str:
    """The interval in brackets, nothing where there is none."""
    return "" if found.interval is None else f"[{', '.join(number(edge, name) for edge in found.interval)}]"


def signed(value: float) -> str:
    """A difference with its sign, three decimals."""
    text = _decimals(abs(value))
    return text if text == ".000" else f"{'+' if value > 0 else '−'}{text}"


def p_value(p: float) -> str:
    """A p-value to three decimals."""
    return "p < .001" if p < 0.001 else f"p {_decimals(p)}"


def run_records(row: Row) -> list[dict[str, Any]]:
    """The runs of a row in the order of their seeds and draws, each as a dictionary."""
    runs = row.runs.sort_values(["train_seed", "draw", "unlearn_seed"]).to_dict("records")
    return [{str(key): value for key, value in run.items()} for run in runs]


def row_name(label: str) -> str:
    """What a row is called in tables."""
    method, space, variant = label.partition(" ")
    short = re.sub(r"\d+\.\d{5,}", lambda digits: f"{float(digits[0]):.3g}", variant).replace(",", ", ")
    return NAMES.get(method, method) + space + short


def setting_text(setting: Mapping[str, Any]) -> str:
    """Benchmark, network and image size in words."""
    return f"{setting['benchmark']}, {setting['model']}, {setting['resolution']} px"


def _line(comparison: Comparison, row: Row, cells: Sequence[Cell]) -> Line:
    known = len(comparison.rows) <= NAMED or row.label in (*ANCHORS, OURS)
    number = None if known else 1 + [other.label for other in comparison.rows].index(row.label)
    return Line(row_name(row.label), number, row, tuple(cells))


def _printed(one: Published) -> list[str]:
    """Accuracy, forgetting score and NoMUS with the digits that were printed."""
    return [_decimals(value, one.digits) for value in (one.accuracy, one.forgetting_score, one.nomus)]


def _decimals(value: float | None, digits: int = 3) -> str:
    if value is None or not math.isfinite(value):
        return DASH
    text = f"{value:.{digits}f}"
    return text.removeprefix("0") if text.startswith("0.") else text
