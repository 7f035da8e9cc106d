"""The audit as a record: what was measured, held to the limits, and what was not tested."""

from aru.audit.audit_file import About, AuditRecord, CriterionRow, Details, HigherCriterion, Judged, Relative
from aru.audit.before_and_after import both_models
from aru.audit.case import Case
from aru.audit.criteria import RANGES
from aru.audit.relative import relative
from aru.audit.texts import NEEDS
from aru.audit.thresholds import Level, Threshold, Thresholds
from aru.audit.verdicts import Found, Measurement, NotRun, Verdict, judge, overall, power
from aru.core.errors import InputError
from aru.data.manifest import people_are_classes
from aru.metrics.summary import rounded


def audit_record(
    case: Case,
    thresholds: Thresholds,
    level: Level,
    found: Found,
    details: Details,
    about: About,
) -> AuditRecord:
    """The content of audit.json: same case, same bytes. Raises InputError as `judged` does."""
    shown = relative(case)
    record: AuditRecord = {
        **about,
        **judged(thresholds, level, found),
        "level": level,
        "relative": shown,
        "not_asked": _not_asked(thresholds, level, found, shown),
        "images": {role: len(targets) for role, targets in case.targets.items()},
        "people": {role: len(set(case.people(role))) for role in case.targets},
        "unseen_left_out": case.acquainted,
        "resamples": case.resamples,
        "thresholds_version": thresholds.version,
        "details": {**details, "both_models": both_models(case)},
    }
    if case.without_person:
        record["images_without_person"] = case.without_person
    if people_are_classes(case.manifest):
        record["people_are_classes"] = True
    return rounded(record)


def judged(thresholds: Thresholds, level: Level, found: Found) -> Judged:
    """What was found, held to the limits.

    A required criterion of the level that was not run leaves the verdict inconclusive at best, but one that no such photos
    could answer. Raises InputError where a criterion of the level is neither measured nor named as not run.
    """
    criteria = {name: one for name, one in thresholds.of(level).items() if _unanswerable(found.get(name)) is None}
    missing = [name for name in criteria if name not in found]
    if missing:
        raise InputError(f"the level {level} has the criterion {missing[0]!r}, and the audit has no figure of it")
    rows = [_row(name, criterion, found[name]) for name, criterion in criteria.items()]
    verdicts: dict[str, Verdict] = {row["name"]: row["verdict"] or "inconclusive" for row in rows}
    return rounded(Judged(verdict=overall(verdicts, criteria), criteria=rows))


def _not_asked(thresholds: Thresholds, level: Level, found: Found, shown: Relative) -> list[HigherCriterion]:
    """The criteria of higher levels, and those of this one that no such photos could answer, each with the reason."""
    criteria = thresholds.of(level)
    higher = {
        name: _why_not_asked(name, criterion, shown) for name, criterion in thresholds.criteria.items() if name not in criteria
    }
    never = {name: why for name in criteria if (why := _unanswerable(found.get(name))) is not None}
    return [{"name": name, "why": why} for name, why in (higher | never).items()]


def _unanswerable(found: Measurement | NotRun | None) -> str | None:
    """Why no photos of this kind answer a criterion; None where they could."""
    return found.why if isinstance(found, NotRun) and not found.asked else None


def _why_not_asked(name: str, criterion: Threshold, shown: Relative) -> str:
    if name == "relative" and "overall" in shown:
        return f"shown here; the verdict depends on it from the level {criterion.level} on"
    return f"measured at the level {criterion.level}, which needs {NEEDS[criterion.level]}"


def _row(name: str, criterion: Threshold, found: Measurement | NotRun) -> CriterionRow:
    row: CriterionRow = {
        "name": name,
        "level": criterion.level,
        "measured": criterion.measured,
        "required": criterion.required,
        "sides": criterion.sides,
        "limit": [criterion.low, criterion.high],
        "silent": criterion.silent,
        "calibration": criterion.calibration,
        "calibrated_on": None if criterion.fixed else criterion.calibrated_on,
        "verdict": None,
    }
    if isinstance(found, NotRun):
        return {**row, "not_run": found.why}
    if found.variant:
        row["variant"] = found.variant
    return {
        **row,
        "verdict": judge(found, criterion),
        "figure": found.figure,
        "interval": list(found.interval) if found.interval else None,
        "exact": found.exact,
        "power": power(found, criterion, RANGES[name]) if found.interval else None,
    }
