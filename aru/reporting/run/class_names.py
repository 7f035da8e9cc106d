"""What the classes of a task are called in figures and tables."""

import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache

from matplotlib.font_manager import findfont, get_font

from aru.core.names import MODELS
from aru.data.classes import names_of_outputs
from aru.metrics.metrics_file import Metrics

CLASS_NAMES = {
    "age": ("0–6", "7–12", "13–19", "20–30", "31–45", "46–55", "56–66", "67–80"),
    "multilabel": ("male", "smiling", "young"),
    "male": ("not male", "male"),
    "smiling": ("not smiling", "smiling"),
    "young": ("not young", "young"),
}


def class_names(task: str, count: int, classes: Mapping[str, Sequence[str]] | None = None) -> tuple[str, ...]:
    """The names of a task's classes; their numbers where the task is not known with this many classes.

    `classes` has the names by label column where the data bring their own.
    """
    names = CLASS_NAMES.get(task, ()) if classes is None else names_of_outputs(classes, task)
    return names if len(names) == count else tuple(str(number) for number in range(count))


MOST_CLASSES = 20
"""Classes that a figure draws: those with the most images."""
_CHARACTERS = 70  # that fit side by side below one panel of a figure


def drawn_classes(counts: Sequence[int]) -> list[int]:
    """The classes that a figure draws, by number."""
    return sorted(sorted(range(len(counts)), key=lambda place: -counts[place])[:MOST_CLASSES])


def figure_names(names: Sequence[str]) -> tuple[str, ...]:
    """The names of classes as a figure can write them below an axis, or numbers where one of them it cannot write.

    matplotlib's own font lacks Chinese, Japanese and Korean; it writes Arabic and Hebrew from left to right, and reads dollar
    signs as formulas. Fonts of the machine are not used: a figure would have other bytes elsewhere.
    """
    fits = max(map(len, names), default=0) * len(names) <= _CHARACTERS
    return (
        tuple(names) if fits and all(map(_can_be_drawn, names)) else tuple(f"#{place}" for place in range(1, len(names) + 1))
    )


def class_legend(
    metrics: Metrics, name: str, classes: Mapping[str, Sequence[str]] | None = None
) -> tuple[tuple[str, str], ...]:
    """What the numbers below the bars of one set stand for; empty where the figure has the names."""
    counts = metrics["per_class"][next(model for model in MODELS if model in metrics["per_class"])][name]["count"]
    names = class_names(metrics["task"], len(counts), classes)
    full = [names[place] for place in drawn_classes(counts)]
    shown = figure_names(full)
    return () if shown == tuple(full) else tuple(zip(shown, full, strict=True))


def _can_be_drawn(name: str) -> bool:
    written = _characters_of_font()
    return "$" not in name and all(
        ord(sign) in written and unicodedata.bidirectional(sign) not in ("R", "AL", "AN") and sign.isprintable()
        for sign in name
    )


@cache
def _characters_of_font() -> frozenset[int]:
    return frozenset(get_font(findfont("DejaVu Sans")).get_charmap())
