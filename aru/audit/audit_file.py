"""The content of audit.json: criteria with what was found, and details beside them. `aru.audit.record` makes it."""

from collections.abc import Mapping
from typing import Literal, NotRequired, TypedDict, final

from aru.audit.thresholds import Level
from aru.audit.verdicts import Power, Verdict
from aru.metrics.people.exposure import ExposedPerson
from aru.metrics.reported_figures import ReRecognition, Rise, Verification

Value = float | list[float] | None
"""A figure or an interval; None where it is not known."""
Table = Mapping[str, Value] | Mapping[str, Mapping[str, Value]]
"""Name -> figure, or name -> column -> figure."""
Further = dict[str, Table]
"""Tables by their headings."""


class AttackFigure(TypedDict):
    """A figure of an attack and its interval, empty where there is none."""

    figure: float | None
    interval: list[float]


@final
class Reason(TypedDict):
    """Why a figure is not there."""

    not_run: str


class MoreExposed(TypedDict):
    """A retained person: mean LiRA score of the photos before and after, in nats, and whether the rise stands out."""

    id: str
    photos: int
    before: float
    after: float
    probability: float
    stands_out: bool


@final
class RetainedExposure(TypedDict):
    """How easily LiRA finds retained people before and after unlearning.

    auc: model -> group -> AUC against unseen photos; rise: reference -> group, how much higher the audited model's is. people:
    by group. variant: which of LiRA's; not in records of earlier versions. standing_out: retained people whose exposure rose
    more than strangers' scores moved, of so many `tested`, of whom the surest whose scores rose are listed; 0 are tested
    where there are too few strangers.
    """

    auc: dict[str, dict[str, float]]
    rise: dict[str, dict[str, Rise]]
    people: dict[str, int]
    shadows: int
    variant: NotRequired[str]
    tested: int
    standing_out: int
    more_exposed: list[MoreExposed]


class ChangeFigures(TypedDict):
    """AUCs of an attack that has two models: forgotten photos against unseen ones of their class, and by person."""

    photos: AttackFigure
    people: AttackFigure


BothModels = dict[str, dict[str, ChangeFigures]]
"""Model -> signal -> AUCs: `audited` and `retrained` beside the original, and the `original` alone."""


class StandingOut(TypedDict, total=False):
    """How many forgotten people stand out one by one, and in the original, of how many who could."""

    standing_out: int
    standing_out_in_the_original: int
    testable: int


class PeopleFigures(StandingOut):
    """How many people were compared, and the most exposed of the forgotten ones."""

    forgotten: int
    unseen: int
    most_exposed: list[ExposedPerson]


class Details(TypedDict):
    """attacks: signal -> `auc` and `tpr`. further: of the levels standard and full.

    Reported and not judged, and not in records of earlier versions: both_models from the level quick on, re_recognition and
    same_person (set -> verification) from standard on, retained of full.
    """

    attacks: dict[str, dict[str, AttackFigure]]
    people: PeopleFigures
    further: NotRequired[Further]
    both_models: NotRequired[BothModels]
    re_recognition: NotRequired[ReRecognition | Reason]
    same_person: NotRequired[dict[str, Verification | Reason]]
    retained: NotRequired[RetainedExposure | Reason]


class NearnessFigures(TypedDict):
    """Where a model stands between its references, 0 at the retrained models and 1 at the original, with its interval over
    people; None where the two are alike. p_retrained, p_original: permutation p-values of being nearer to either."""

    position: float | None
    interval: list[float] | None
    p_retrained: float
    p_original: float


Answer = Literal["retrained", "original", "undecided"]


class Relative(TypedDict, total=False):
    """The test of three samples, or why there is none: which references the model is nearer to, with an error of `error` at
    most; of all figures together and one by one. references: retrained models. people: by set; units: of both sets that trade
    places at once, families where they are known; not in records of earlier versions. complete: whether the permutations are
    all there are."""

    not_run: str
    answer: Answer
    error: float
    references: int
    people: dict[str, int]
    units: NotRequired[int]
    overall: NearnessFigures
    figures: dict[str, NearnessFigures]
    permutations: int
    complete: bool


class CriterionRow(TypedDict):
    """A criterion, its limits and what was found; of one that was tested the figure, of another one why it was not.

    exact: what a figure without an interval is exact about. power: None where there is no interval. variant: of an attack that
    has several, which this is; not in records of earlier versions.
    """

    name: str
    level: Level
    measured: str
    required: bool
    sides: str
    limit: list[float | None]
    silent: str
    calibration: str
    calibrated_on: str | None
    verdict: Verdict | None
    not_run: NotRequired[str]
    figure: NotRequired[float]
    interval: NotRequired[list[float] | None]
    exact: NotRequired[str]
    power: NotRequired[Power | None]
    variant: NotRequired[str]


class HigherCriterion(TypedDict):
    """A criterion of a higher level, and what that level needs."""

    name: str
    why: str


class About(TypedDict):
    """Which model was audited, and what from: name -> digest or setting."""

    benchmark: str
    model: str
    made_from: NotRequired[dict[str, str]]


class Judged(TypedDict):
    """The criteria of a level with what was found, and the verdict of all of them."""

    verdict: Verdict
    criteria: list[CriterionRow]


class AuditRecord(About, Judged):
    """The content of audit.json. relative: not in records of earlier versions."""

    level: Level
    relative: NotRequired[Relative]
    not_asked: list[HigherCriterion]
    images: dict[str, int]
    people: dict[str, int]
    images_without_person: NotRequired[int]
    people_are_classes: NotRequired[bool]
    unseen_left_out: int
    resamples: int
    thresholds_version: int
    details: Details
