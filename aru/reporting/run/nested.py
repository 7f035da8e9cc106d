"""Nested values of any shape as readable tables: settings and the audit of the data."""

from collections.abc import Mapping
from typing import Any

from aru.reporting.markup import Html, table, tag
from aru.reporting.run.figures import CLASS_NAMES

LONGEST_LIST = 12

Path = tuple[str, ...]


def nested(content: Mapping[str, Any]) -> Html:
    """Small tables of plain values beside each other; below them, groups of like-shaped groups as one table each."""
    small, wide = [], []
    for path, group in _groups(content, ()):
        title = tag("h3", words(" / ".join(path) or "overview"))
        if _is_matrix(group):
            wide.append(tag("div", title, _matrix(path, group)))
        else:
            small.append(tag("div", title, _pairs(group)))
    return Html((tag("div", *small, class_="columns") if small else "") + "".join(wide))


def value_text(value: Any) -> str:
    """One value as text: numbers with thousands parted, long lists cut."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "–"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        shown = ", ".join(value_text(item) for item in value[:LONGEST_LIST]) or "none"
        return shown + (f" and {len(value) - LONGEST_LIST:,} more" if len(value) > LONGEST_LIST else "")
    return str(value)


def words(key: object) -> str:
    """A key as words."""
    return str(key).replace("_", " ")


def _groups(content: Mapping[str, Any], path: Path) -> list[tuple[Path, Mapping[str, Any]]]:
    """Every group that is a table of its own, with its path: plain values of a level together, matrices whole."""
    plain = {key: value for key, value in content.items() if not isinstance(value, Mapping)}
    found: list[tuple[Path, Mapping[str, Any]]] = [(path, plain)] if plain else []
    for key, value in content.items():
        if isinstance(value, Mapping) and value:
            below = (*path, str(key))
            found += [(below, value)] if _is_matrix(value) else _groups(value, below)
    return found


def _is_matrix(group: Mapping[str, Any]) -> bool:
    """Whether all values are groups of plain values: rows of one table, where there are two or more."""
    rows = list(group.values())
    flat = all(isinstance(row, Mapping) and not any(isinstance(cell, Mapping) for cell in row.values()) for row in rows)
    return flat and len(rows) > 1


def _matrix(path: Path, group: Mapping[str, Mapping[str, Any]]) -> Html:
    columns = list(dict.fromkeys(str(column) for row in group.values() for column in row))
    rows = [[words(name), *(value_text(row.get(column)) for column in columns)] for name, row in group.items()]
    return table(["", *(_column(path, column) for column in columns)], rows)


def _column(path: Path, column: str) -> str:
    """A column's title; classes by their names where the path holds the name of a label."""
    for part in path:
        names = CLASS_NAMES.get(part, ())
        if column.isdecimal() and int(column) < len(names):
            return names[int(column)]
    return words(column)


def _pairs(content: Mapping[str, Any]) -> Html:
    return table(None, [[words(key), value_text(value)] for key, value in content.items()])
