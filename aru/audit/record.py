"""The audit as a record: what was measured, held to the limits, and what was not tested; the content of audit.json."""

from collections.abc import Mapping
from typing import Any

from aru.audit.case import Case
from aru.audit.texts import NEEDS
from aru.audit.thresholds import Level, Threshold, Thresholds
from aru.audit.verdicts import Measurement, NotRun, Verdict, judge, overall, power
from aru.core.errors import InputError
from aru.data.manifest import people_are_classes
from aru.metrics.summary import rounded

Found = Mapping[str, Measurement | NotRun]


def audit_record(
    case: Case,
    thresholds: Thresholds,
    level: Level,
    found: Found,
    details: Mapping[str, Any],
    about: Mapping[str, Any],
) -> dict[str, Any]:
    """The content of audit.json: same case, same bytes.

    about: `model`, `benchmark` and `made_from` (name -> digest or setting). A required criterion of the level that was not
    run leaves the verdict inconclusive at best. Raises InputError where a criterion of the level is neither measured nor
    named as not run.
    """
    criteria = thresholds.of(level)
    missing = [name for name in criteria if name not in found]
    if missing:
        raise InputError(f"the level {level} has the criterion {missing[0]!r}, and the audit has no figure of it")
    rows = [_row(name, criterion, found[name]) for name, criterion in criteria.items()]
    verdicts: dict[str, Verdict] = {row["name"]: row["verdict"] or "inconclusive" for row in rows}
    return rounded(
        {
            **about,
            "level": level,
            "verdict": overall(verdicts, criteria),
            "criteria": rows,
            "not_asked": [
                {"name": name, "why": f"not asked for: the level {criterion.level} needs {NEEDS[criterion.level]}"}
                for name, criterion in thresholds.criteria.items()
                if name not in criteria
            ],
            "images": {role: len(targets) for role, targets in case.targets.items()},
            "people": {role: len(set(case.people(role))) for role in case.targets},
            **({"images_without_person": case.without_person} if case.without_person else {}),
            **({"people_are_classes": True} if people_are_classes(case.manifest) else {}),
            "unseen_left_out": case.acquainted,
            "resamples": case.resamples,
            "thresholds_version": thresholds.version,
            "details": dict(details),
        }
    )


def _row(name: str, criterion: Threshold, found: Measurement | NotRun) -> dict[str, Any]:
    about = {
        "name": name,
        "level": criterion.level,
        "measured": criterion.measured,
        "required": criterion.required,
        "sides": criterion.sides,
        "limit": [criterion.low, criterion.high],
        "silent": criterion.silent,
        "calibration": criterion.calibration,
        "calibrated_on": None if criterion.fixed else criterion.calibrated_on,
    }
    if isinstance(found, NotRun):
        return about | {"verdict": None, "not_run": found.why}
    return about | {
        "verdict": judge(found, criterion),
        "figure": found.figure,
        "interval": list(found.interval) if found.interval else None,
        "exact": found.exact,
        "power": power(found, criterion) if found.interval else None,
    }
