"""The findings of a run in sentences: computed from metrics and costs, never written beforehand.

Whether the unlearned model reaches the retrained one is decided by the paired 95 % interval of their difference: if it
excludes zero, they differ; if it lies within `MARGIN` on both sides, they are level; otherwise the run is inconclusive. No
difference is judged by an interval over fewer than five people: such intervals are far too narrow. An AUC counts as a leak
only where its own interval lies above 0.5, the guess.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from aru.core.cost_record import StageSeconds
from aru.core.names import FORGET, ORIGINAL, RETRAINED, TEST, UNLEARNED, UNSEEN
from aru.data.census import PEOPLE_ARE_CLASSES, WITHOUT_PERSON, Census
from aru.metrics.metrics_file import Metrics
from aru.reporting.run.results import seconds
from aru.stats.stand_ins import LEAST_PEOPLE
from aru.train.history import ImportedModel

MARGIN = 0.05
"""Differences in AUC, NoMUS or accuracy up to this count as none; two seeds of one recipe differ by .02 or so."""
GUESS = 0.5
"""The AUC of an attacker who knows nothing."""
State = Literal["good", "bad", "open"]
"""good: what one hopes for; bad: what one must know; open: not decided at this size, or for information."""


@dataclass(frozen=True)
class Finding:
    """One sentence about the run, and a mark of a word or two."""

    state: State
    mark: str
    text: str


@dataclass(frozen=True)
class _Compared:
    """One figure of the unlearned model beside the retrained model's, with the interval of the difference."""

    ours: float
    theirs: float
    gap: float
    low: float
    high: float

    def __str__(self) -> str:
        return (
            f"{self.ours:.4f} against {self.theirs:.4f} of the retrained model, difference {signed(self.gap)} "
            f"[{signed(self.low)}, {signed(self.high)}]"
        )

    @property
    def level(self) -> bool:
        """Whether a difference beyond the margin can be excluded."""
        return self.low >= -MARGIN and self.high <= MARGIN


def signed(value: float) -> str:
    """A difference with its sign, four decimals."""
    return f"{value:+.4f}".replace("-", "\N{MINUS SIGN}")


def of_people(audit: Census) -> list[Finding]:
    """Sentences where nobody knows whom images show, or where people are the classes; `audit` is the audit of the data."""
    found = []
    if unknown := audit.get("images_without_person", 0):
        found.append(Finding("bad", "no people", f"{unknown:,} of {audit['counts']['rows']:,} images. {WITHOUT_PERSON}"))
    if audit.get("people_are_classes"):
        found.append(Finding("open", "people are classes", PEOPLE_ARE_CLASSES))
    return found


def findings(metrics: Metrics, costs: Mapping[str, StageSeconds], imported: ImportedModel | None = None) -> list[Finding]:
    """All findings, in reading order; what the files do not hold is left out.

    imported: file and MD5 of an original that was not trained here.
    """
    found = [
        *_not_measured(metrics),
        _imported(metrics, imported),
        _no_reference(metrics),
        _something_to_forget(metrics),
        _forgetting(metrics),
        _score(metrics, "nomus", "NoMUS", FORGET, UNSEEN, TEST),
        _score(metrics, "test/accuracy", "Test accuracy", TEST),
        _noise_floor(metrics),
        _label_shift(metrics),
        _cost(costs),
    ]
    return [finding for finding in found if finding is not None]


def _compare(metrics: Metrics, model: str, key: str) -> _Compared | None:
    """None where there is no retrained model or no interval."""
    models, bounds = metrics["models"], metrics["intervals"].get(model, {}).get(f"gap/{key}")
    if model not in models or RETRAINED not in models or bounds is None:
        return None
    ours, theirs, gap = models[model][key], models[RETRAINED][key], metrics["gaps"][model][f"gap/{key}"]
    return None if ours is None or theirs is None or gap is None else _Compared(ours, theirs, gap, *bounds)


def _not_measured(metrics: Metrics) -> list[Finding]:
    """One sentence for each reason why figures are missing."""
    reasons: dict[str, list[str]] = {}
    for key, why in metrics.get("not_measured", {}).items():
        reasons.setdefault(why, []).append(key)
    return [Finding("open", "Not measured", f"{', '.join(keys)}: {why}.") for why, keys in reasons.items()]


def _imported(metrics: Metrics, imported: ImportedModel | None) -> Finding | None:
    if imported is None:
        return None
    recipe = (
        " The retrained model is trained by the recipe of the parameters, which need not be the original's: differences "
        "between the two, and the gaps, hold that difference, too."
        if RETRAINED in metrics["models"]
        else ""
    )
    text = f"The original was imported: {imported['file']}, MD5 {imported['md5']}. On what it was trained is not known here."
    return Finding("open", "Imported original", text + recipe)


def _no_reference(metrics: Metrics) -> Finding | None:
    if RETRAINED in metrics["models"]:
        return None
    return Finding(
        "open",
        "No reference",
        "No retrained model was trained (evaluate.retrained is false). So there are no gaps, and it cannot be said whether "
        "the unlearned model differs from one that never saw the forget images, whether the original remembers them more "
        "than such a model, nor what share of retraining was spent. The models' own figures, NoMUS among them, are here.",
    )


def _too_few(metrics: Metrics, *sets: str) -> str | None:
    """What forbids a judgement: sets with fewer people than an interval over people needs; None where there are enough."""
    people = metrics.get("people", {})
    few = [f"{people[name]} in {name}" for name in sets if people.get(name, LEAST_PEOPLE) < LEAST_PEOPLE]
    if not few:
        return None
    return (
        f"Too few people for a judgement ({', '.join(few)}; {LEAST_PEOPLE} are needed): the interval speaks of these "
        "photos alone."
    )


def _something_to_forget(metrics: Metrics) -> Finding | None:
    auc = _compare(metrics, ORIGINAL, "mia_matched/auc")
    if auc is None:
        return None
    few = _too_few(metrics, FORGET, UNSEEN)
    if few is not None:
        return Finding("open", "Memory not judged", f"The original's class-matched AUC is {auc}. {few}")
    if auc.low > 0:
        return Finding("good", "Something to forget", f"The original remembers: class-matched AUC {auc}.")
    if auc.high <= MARGIN:
        return Finding(
            "bad",
            "Nothing to forget",
            f"The original does not recognise forget images better than the retrained model does (class-matched AUC "
            f"{auc}): nothing can be concluded about unlearning from this run.",
        )
    return Finding(
        "open",
        "Memory undecided",
        f"Whether the original recognises forget images better than the retrained model does is not known (class-matched "
        f"AUC {auc}): there may be nothing to forget, or much.",
    )


def _forgetting(metrics: Metrics) -> Finding | None:
    auc = _compare(metrics, UNLEARNED, "mia_matched/auc")
    bounds = metrics["intervals"].get(UNLEARNED, {}).get("mia_matched/auc")
    if auc is None or bounds is None:
        return None
    few = _too_few(metrics, FORGET, UNSEEN)
    if few is not None:
        return Finding("open", "Forgetting not judged", f"Class-matched AUC. {auc}. {few}")
    low, high = bounds
    if auc.low > 0 and low > GUESS:
        text = f"The unlearned model does not reach the retrained one: an attack still recognises forget images, {auc}."
        return Finding("bad", "Forgetting short", f"Class-matched AUC. {text}{_closed(metrics)}")
    if auc.high < 0 and high < GUESS:
        text = f"The losses on forget images are now too high, {auc}: an attack can use that, too."
        return Finding("bad", "Forgetting overshot", f"Class-matched AUC. {text}")
    if auc.low > 0 or auc.high < 0:
        shown = "an attack recognises forget images" if auc.low > 0 else "the losses on forget images are too high"
        text = (
            f"The unlearned model differs from the retrained one, {auc}. That {shown} is not shown: its AUC lies in "
            f"[{low:.4f}, {high:.4f}], and a guess has {GUESS}."
        )
        return Finding("open", "Forgetting differs", f"Class-matched AUC. {text}{_closed(metrics)}")
    text = f"Class-matched AUC. No difference to the retrained model is shown, {auc}.{_closed(metrics)}"
    return Finding("good", "Forgetting level", text) if auc.level else _undecided("Forgetting", text, auc)


def _closed(metrics: Metrics) -> str:
    """The share of the original's distance to the retrained model that was closed; empty where there is no distance."""
    start, end = (_compare(metrics, model, "mia_matched/auc") for model in (ORIGINAL, UNLEARNED))
    if start is None or end is None or start.low <= 0:
        return ""
    return f" {(start.gap - end.gap) / start.gap:.0%} of the original's distance is closed."


def _score(metrics: Metrics, key: str, name: str, *sets: str) -> Finding | None:
    """sets: those whose people the figure rests on."""
    score = _compare(metrics, UNLEARNED, key)
    if score is None:
        return None
    few = _too_few(metrics, *sets)
    if few is not None:
        return Finding("open", f"{name} not judged", f"{score}. {few}")
    if score.high < 0:
        return Finding("bad", f"{name} short", f"The unlearned model does not reach the retrained one: {score}.")
    if score.low > 0:
        return Finding("good", f"{name} above", f"The unlearned model is above the retrained one: {score}.")
    text = f"No difference is shown: {score}."
    return Finding("good", f"{name} level", text) if score.level else _undecided(name, text, score)


def _undecided(name: str, text: str, compared: _Compared) -> Finding:
    worst = max(compared.low, compared.high, key=abs)
    return Finding("open", f"{name} undecided", f"{text} A difference of {signed(worst)} cannot be excluded.")


def _noise_floor(metrics: Metrics) -> Finding | None:
    floor, models = metrics.get("reference", {}).get("null/forgetting_score_p95"), metrics["models"]
    if floor is None or UNLEARNED not in models:
        return None
    score = models[UNLEARNED]["mia/forgetting_score"]
    if score is None:
        return None
    chance = f"what chance alone gives at this size (up to {floor:.4f} in 95 of 100 cases)"
    if score <= floor:
        return Finding("open", "Within chance", f"The forgetting score, {score:.4f}, lies within {chance}.")
    return Finding("open", "Beyond chance", f"The forgetting score, {score:.4f}, lies beyond {chance}.")


def _label_shift(metrics: Metrics) -> Finding | None:
    accuracy = metrics.get("reference", {}).get("label_only/accuracy")
    if accuracy is None:
        return None
    return Finding(
        "open",
        "Labels alone",
        f"An attacker who sees nothing but the label distinguishes forget from unseen images with accuracy "
        f"{accuracy:.4f}. A forgetting score of up to {accuracy - 0.5:.4f} may come from that and not from memory; "
        "the class-matched figures are free of it.",
    )


def _cost(costs: Mapping[str, StageSeconds]) -> Finding | None:
    ours, theirs = seconds(UNLEARNED, costs), seconds(RETRAINED, costs)
    if ours is None or not theirs:
        return None
    text = f"Unlearning took {ours:.1f} s, retraining {theirs:.1f} s: {ours / theirs:.0%} of it."
    return Finding("good" if ours < theirs else "bad", "Cheaper" if ours < theirs else "More expensive", text)
