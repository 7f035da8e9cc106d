"""`aru.methods`: all methods, with what they need, their parameters and what they cannot do."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aru.library.settings import SEPARATOR
from aru.methods.method import Method
from aru.methods.registry import METHODS


@dataclass(frozen=True)
class MethodRow:
    """needs: the sets whose images are read. parameters: keywords of `aru.unlearn` with the first preset's values.

    accepts: those of fresh=, heads= and loss= that it takes.
    """

    name: str
    needs: tuple[str, ...]
    source: str
    presets: tuple[str, ...]
    parameters: Mapping[str, Any]
    cannot: str
    accepts: tuple[str, ...]


class MethodTable(list[MethodRow]):
    """The rows, in the order of the registry; as text a table without the parameters."""

    def __str__(self) -> str:
        rows = [("name", "needs", "accepts", "source", "presets", "cannot")]
        rows += [
            (one.name, ", ".join(one.needs), ", ".join(one.accepts), one.source, ", ".join(one.presets), one.cannot)
            for one in self
        ]
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
        )

    def __repr__(self) -> str:
        return str(self)

    def __getitem__(self, key: Any) -> Any:
        """A row by its number, or by the method's name."""
        return next(row for row in self if row.name == key) if isinstance(key, str) else super().__getitem__(key)


def methods() -> MethodTable:
    """All methods that `aru.unlearn` knows by name."""
    return MethodTable(_row(method) for method in METHODS.values())


def _row(method: Method) -> MethodRow:
    first = next(iter(method.presets.values())).model_dump(mode="json")
    labels = () if method.multilabel else ("several labels an image",)
    cannot = "; ".join((*labels, *((method.cannot,) if method.cannot else ())))
    return MethodRow(
        method.name, method.needs, method.source, tuple(method.presets), dict(_flat(first)), cannot, method.accepts
    )


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in values.items():
        found += _flat(value, f"{prefix}{name}{SEPARATOR}") if isinstance(value, dict) else [(f"{prefix}{name}", value)]
    return found
