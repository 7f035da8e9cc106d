"""The shapes of figures that an audit reports, without PyTorch, which whoever reads the file does not need."""

from typing import TypedDict, final

from aru.stats.intervals import Share


class Rise(TypedDict):
    """How much higher the AUC is than under a reference, with its interval, and whether that lies above 0."""

    difference: float
    interval: list[float]
    raised: bool


class Radius(TypedDict):
    """One radius, 0 for the photo as it is. recognized: share of the photos with the label found; regained: of those that the
    same model answers wrongly at 0, None where there is none."""

    radius: float
    recognized: dict[str, Share]
    regained: dict[str, Share | None]


@final
class ReRecognition(TypedDict):
    """By radius, from 0; how many photos and people were asked about."""

    radii: list[Radius]
    photos: int
    people: int


class Verified(TypedDict, total=False):
    """auc: chance that two photos of one person are more alike than two of two people. found: share of the pairs of one person
    that are recognised where 1 % of the pairs of two people are taken for one. gap: of the AUC, to `retrained`. Intervals are
    over people."""

    auc: float
    auc_interval: list[float] | None
    found: float
    found_interval: list[float] | None
    gap: float
    gap_interval: list[float] | None


@final
class Verification(TypedDict):
    """By model, and on how many people and pairs of one person."""

    models: dict[str, Verified]
    people: int
    pairs: int
