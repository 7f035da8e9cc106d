"""Nested values of any shape as groups of readable tables: settings and the audit of the data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aru.reporting.run.class_names import CLASS_NAMES
from aru.reporting.view import Row, text_rows

LONGEST_LIST = 12
MOST_COLUMNS = 30
"""Columns of a table; of more, those with the largest sums are shown, and the others in one."""

Path = tuple[str, ...]


@dataclass(frozen=True)
class Group:
    """One table: its title, its columns (none: pairs of a name and a value) and its rows."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Groups:
    """Small tables of plain values, and wide ones: groups of groups with the same keys."""

    small: tuple[Group, ...]
    wide: tuple[Group, ...]


def nested(content: Mapping[str, Any], classes: Mapping[str, Sequence[str]] = CLASS_NAMES) -> Groups:
    """The tables that hold all of `content`, titled by the path of keys that leads to each.

    `classes` has the class names by label column.
    """
    small, wide = [], []
    for path, group in _groups(content, ()):
        title = words(" / ".join(path) or "overview")
        if _is_matrix(group):
            wide.append(_matrix(title, path, group, classes))
        else:
            small.append(Group(title, (), text_rows([words(key), value_text(value)] for key, value in group.items())))
    return Groups(tuple(small), tuple(wide))


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


def _matrix(title: str, path: Path, group: Mapping[str, Mapping[str, Any]], classes: Mapping[str, Sequence[str]]) -> Group:
    columns = list(dict.fromkeys(str(column) for row in group.values() for column in row))
    shown = columns if len(columns) <= MOST_COLUMNS else _largest(columns, group)
    rows = [[words(name), *(value_text(row.get(column)) for column in shown)] for name, row in group.items()]
    titles = [_column(path, column, classes) for column in shown]
    if len(shown) < len(columns):
        titles.append(f"{len(columns) - len(shown):,} others")
        rest = set(columns) - set(shown)
        for cells, row in zip(rows, group.values(), strict=True):
            cells.append(value_text(sum(value for column, value in row.items() if column in rest and _is_number(value))))
    return Group(title, tuple(titles), text_rows(rows))


def _largest(columns: list[str], group: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The columns with the largest sums, in their order."""
    sums = {column: sum(row[column] for row in group.values() if _is_number(row.get(column))) for column in columns}
    chosen = set(sorted(columns, key=lambda column: -sums[column])[:MOST_COLUMNS])
    return [column for column in columns if column in chosen]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _column(path: Path, column: str, classes: Mapping[str, Sequence[str]]) -> str:
    """A column's title; classes by their names where the path holds the name of a label."""
    for part in path:
        names = classes.get(part, ())
        if column.isdecimal() and int(column) < len(names):
            return names[int(column)]
    return words(column)
