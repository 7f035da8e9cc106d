"""What the templates of all pages show: cells and rows of tables, and pictures."""

import base64
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

SCALE = 0.65
"""Of a PNG's pixels to the page's: figures are drawn finely enough for dense screens."""
_ONE_PANEL = 600  # pixels of the page that a figure of one panel has at the most


@dataclass(frozen=True)
class Cell:
    """A figure as text, the lines of small print below it, and the number to sort by (None where not known)."""

    text: str
    small: tuple[str, ...] = ()
    value: float | None = None

    @property
    def sort_value(self) -> str | None:
        """The number to sort by, as the page's script reads it; None where there is no finite one."""
        return None if self.value is None or not math.isfinite(self.value) else f"{self.value:.8g}"


@dataclass(frozen=True)
class Row:
    """One row of a table: its name, and the cells beside it."""

    name: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Picture:
    """A PNG file as a data URI, and the width at which it is shown, in CSS pixels."""

    source: str
    width: int

    @property
    def is_wide(self) -> bool:
        """Whether it has panels side by side, which a narrow screen cannot show at once."""
        return self.width > _ONE_PANEL


def text_rows(rows: Iterable[Sequence[str]]) -> tuple[Row, ...]:
    """Rows of plain text; the first text of each is its name."""
    return tuple(Row(name, tuple(map(Cell, texts))) for name, *texts in rows)


def read_picture(path: Path) -> Picture:
    """The PNG file as a picture of a page."""
    content = path.read_bytes()
    width = int.from_bytes(content[16:20], "big")
    return Picture(f"data:image/png;base64,{base64.b64encode(content).decode('ascii')}", round(width * SCALE))
