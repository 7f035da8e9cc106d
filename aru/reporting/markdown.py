"""Markdown that all files share: tables, and text that is no markup."""

import html
from collections.abc import Iterable, Sequence


def format_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Any table as Markdown: the first column names the row, the others are flush right."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def escape_markdown(text: str) -> str:
    """Text for a Markdown file: no markup, no table cell, no link comes of it."""
    escaped = html.escape(text, quote=False)
    for character in "\\`*_[]|":
        escaped = escaped.replace(character, f"\\{character}")
    return " ".join(escaped.split())
