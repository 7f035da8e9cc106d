"""The fixed sentences of an audit that its record and its page share: what levels need, whose limits they are, names."""

from collections.abc import Iterable

from aru.audit.audit_file import AuditRecord, Relative
from aru.audit.thresholds import EMBEDDED, Level

TITLES = {
    "attacks_at_1pct": "attacks at 1 %",
    "people_at_5pct": "people at 5 %",
    "worst_people_at_5pct": "worst people at 5 %",
    "js_forget": "divergence on forget",
    "agreement_test": "agreement on test",
    "tow": "tug of war",
    "cka": "likeness to the original",
    "relative": "relative test",
}
"""Names that read badly with their underscores replaced."""
NEEDS: dict[Level, str] = {
    "quick": "forward passes alone: no shadow model, no retraining",
    "standard": "a retrained reference and some hundred steps of training",
    "full": "a pool of shadow models (`aru shadows build`)",
}


def limits_note(benchmark: str, calibrated_on: Iterable[str | None]) -> str:
    """Whose retrained models the limits come from. calibrated_on: of each criterion; None where its limit is fixed."""
    if not {one for one in calibrated_on if one} - {benchmark}:
        return f"The limits are calibrated on retrained models of this benchmark, {benchmark}."
    return (
        f"Limits are calibrated on the drawn faces of the embedded benchmark {EMBEDDED}, not on {benchmark}: where "
        "images, people or training differ, retrained models may lie elsewhere. "
        f"`python -m aru calibrate {benchmark} --write` calibrates them on this benchmark's own retrained models."
    )


def imported_note(file: str | None, level: Level, *, reference: bool = False) -> dict[str, str]:
    """What has to be said of an original that was trained elsewhere, and of models that are compared with what came of it.

    file: the imported weights, None where the original was trained here; reference: whether a retrained model is beside it.
    """
    if file is None:
        return {}
    unlike = "trained by the parameters of train, which need not be the original's recipe: "
    said = {"original model": f"imported, {file}: on what it was trained is not known here"}
    if reference:
        said["retrained model"] = f"{unlike}differences to it may come from that"
    if level == "full":
        said["shadow models"] = f"{unlike}an attack with them that fails shows less"
    return said


NEARER = {
    "retrained": "The model is nearer to {references} than to the original",
    "original": "The model is nearer to the original than to {references}",
    "undecided": "Whether the model is nearer to {references} than to the original is not decided",
}


def relative_line(record: AuditRecord) -> str | None:
    """What the relative test says, in one sentence; None where a record of an earlier version has none."""
    found = record.get("relative")
    if found is None:
        return None
    if "overall" not in found:
        return f"Whether the model is nearer to retrained models than to the original cannot be said: {found['not_run']}."
    count, overall = found["references"], found["overall"]
    references = "the retrained model" if count == 1 else f"{count} retrained models"
    chance = min(overall["p_retrained"], overall["p_original"])
    return f"{NEARER[found['answer']].format(references=references)} (p = {chance:.2g}, {permuted(found)})."


def permuted(found: Relative) -> str:
    """What the p-values of a relative test are over; records of earlier versions know people alone."""
    people = sum(found["people"].values())
    return f"permutations of {'families' if found.get('units', people) < people else 'people'}"


def title(name: str) -> str:
    """A criterion's name as the page has it."""
    return TITLES.get(name, name.replace("_", " "))
