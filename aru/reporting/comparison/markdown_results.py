"""The comparison as Markdown: a table for each protocol and variant, its differences, and what must be known about it."""

from collections.abc import Sequence

from aru.comparison.command import command
from aru.comparison.conclusions import BASELINES, Comparison
from aru.reporting.comparison.cells import (
    COLUMNS,
    PUBLISHED_HEAD,
    TESTED,
    Line,
    difference_lines,
    floor_cells,
    lines,
    published_rows,
    published_texts,
    run_records,
)
from aru.reporting.comparison.notes import floor_text, notes
from aru.reporting.comparison.published import notes_of
from aru.reporting.comparison.texts import BASELINE_TEXT, DIFFERENCES, FIGURES_TEXT, PUBLISHED, READING, heading
from aru.reporting.markdown import escape_markdown as escape
from aru.reporting.markdown import format_table
from aru.reporting.view import Cell


def results_markdown(comparisons: Sequence[Comparison], title: str) -> str:
    """Everything that the page says, figures apart."""
    parts = [f"# {escape(title)}", escape(READING)]
    for comparison in comparisons:
        parts += [f"## {escape(heading(comparison.setting))}", *_bullets(notes(comparison)), main_table(comparison)]
        parts += [f"Noise floor. {floor_text(comparison)}"] * bool(floor_text(comparison))
        parts += [FIGURES_TEXT]
        for baseline in BASELINES:
            parts += _differences(comparison, baseline)
        parts += [*_published(comparison), *_commands(comparison)]
    return "\n\n".join(parts) + "\n"


def main_table(comparison: Comparison) -> str:
    """The table of methods; the last line is the noise floor."""
    rows = lines(comparison)
    head = ["Method", "Runs", *(title for title, _ in COLUMNS.values())]
    head += ["Published NoMUS (acc, F)"] * (len(rows[0].cells) > len(head) - 1)
    foot = [_text(cell) for cell in floor_cells(comparison.floor)]
    return format_table(head, [*_texts(rows), ["noise floor", *foot, *[""] * (len(head) - 1 - len(foot))]]).rstrip()


def _differences(comparison: Comparison, baseline: str) -> list[str]:
    rows = difference_lines(comparison, baseline)
    if not rows:
        return []
    head = ["Method", *(COLUMNS[name][0] for name in TESTED)]
    head += ["Equivalent accuracy"] * (len(rows[0].cells) > len(TESTED))
    return [f"### {BASELINE_TEXT[baseline]}", DIFFERENCES, format_table(head, _texts(rows)).rstrip()]


def _published(comparison: Comparison) -> list[str]:
    rows = published_rows(comparison)
    if not rows:
        return []
    body = [[escape(text) for text in row] for row in published_texts(rows)]
    table = format_table(["Published", *PUBLISHED_HEAD], body)
    return ["### Published figures", PUBLISHED, table.rstrip(), *_bullets(notes_of(rows))]


def _commands(comparison: Comparison) -> list[str]:
    rows = [command(run_records(row)) for row in comparison.rows]
    return ["### Commands", "\n".join(["```", *rows, "```"])]


def _bullets(sentences: Sequence[str]) -> list[str]:
    return ["\n".join(f"- {escape(sentence)}" for sentence in sentences)] if sentences else []


def _texts(rows: Sequence[Line]) -> list[list[str]]:
    names = [line.name if line.number is None else f"{line.number} {line.name}" for line in rows]
    return [[escape(name), *map(_text, line.cells)] for name, line in zip(names, rows, strict=True)]


def _text(cell: Cell) -> str:
    small = [line if line.startswith("[") else f"({line})" for line in cell.small]
    return " ".join(filter(None, (cell.text, *small)))
