"""The content of metrics.json. `aru.metrics.summary` makes it."""

from typing import TypedDict

Figures = dict[str, float | None]
"""Of one model by key; None where the sets are too small for one."""


class ClassFigures(TypedDict):
    """By class, or by label for multi-label targets: accuracy, None without images, and the number of images."""

    accuracy: list[float | None]
    count: list[int]


class Metrics(TypedDict):
    """The content of metrics.json: see `aru.metrics.summary.summarise`."""

    benchmark: str
    protocol: str
    task: str
    seed: int
    counts: dict[str, int]
    people: dict[str, int]
    models: dict[str, Figures]
    not_measured: dict[str, str]
    gaps: dict[str, Figures]
    intervals: dict[str, dict[str, list[float] | None]]
    per_class: dict[str, dict[str, ClassFigures]]
    reference: Figures
