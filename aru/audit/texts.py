"""The fixed sentences of an audit: what levels need, what verdicts mean, what no audit of this kind can prove."""

from collections.abc import Iterable

from aru.audit.thresholds import EMBEDDED, Level

TITLES = {
    "attacks_at_1pct": "attacks at 1 %",
    "people_at_5pct": "people at 5 %",
    "worst_people_at_5pct": "worst people at 5 %",
    "js_forget": "divergence on forget",
    "agreement_test": "agreement on test",
    "tow": "tug of war",
    "cka": "likeness to the original",
}
"""Names that read badly with their underscores replaced."""
NEEDS: dict[Level, str] = {
    "quick": "forward passes alone: no shadow model, no retraining",
    "standard": "a retrained reference and some hundred steps of training",
    "full": "a pool of shadow models (`aru shadows build`)",
}
MEANING = {
    "pass": "Every required criterion lies within its limit, by its whole 95 % interval.",
    "fail": "At least one required criterion lies beyond its limit, by its whole 95 % interval.",
    "inconclusive": "No required criterion is known to lie beyond its limit, but at least one is not known to lie within it: "
    "it was not tested, or there are too few people to tell.",
}
HOW_TO_READ = (
    "A criterion passes where its whole 95 % interval is good, fails where all of it is bad, and is inconclusive otherwise. "
    "Intervals are over people, drawn with all their photos; of fewer than five forgotten people, by unseen people who stand "
    "in for them. They do not show how much another training seed would change. "
    "Power: a true value beyond the first figure fails, and one within the second passes, in 80 of 100 cases at this size."
)
EXPOSED = (
    "The forgotten people by their most telling photo, held to unseen people at the same number of photos: a score of 0.98 "
    "says that 98 % of them are less conspicuous. Among so many people some score high by chance alone."
)
UNSEEN = "unseen images show people who were trained on or forgotten and are left out of every comparison"
NOT_PROVED = (
    "A pass is no proof of erasure and no guarantee of differential privacy: it says what these attacks did not find at this "
    "size. Stronger attacks, or more people, may find more.",
    "The audit sees one model of one training seed. It does not speak of the method that made it.",
    "Nothing is said about other copies: the original model, its checkpoints, noises and data must be deleted, too.",
    "Who holds the original beside this model can compare the two, and learn more than from this model alone.",
)


def limits_note(benchmark: str, calibrated_on: Iterable[str | None]) -> str:
    """Whose retrained models the limits come from. calibrated_on: of each criterion; None where its limit is fixed."""
    if not {one for one in calibrated_on if one} - {benchmark}:
        return f"The limits are calibrated on retrained models of this benchmark, {benchmark}."
    return (
        f"Limits are calibrated on the drawn faces of the embedded benchmark {EMBEDDED}, not on {benchmark}: where "
        "images, people or training differ, retrained models may lie elsewhere. "
        f"`python -m aru calibrate {benchmark} --write` calibrates them on this benchmark's own retrained models."
    )


def title(name: str) -> str:
    """A criterion's name as the page has it."""
    return TITLES.get(name, name.replace("_", " "))
