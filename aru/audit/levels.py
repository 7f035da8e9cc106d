"""All that a level measures: its own criteria and those of the levels before it."""

from typing import Any

from aru.audit.audited_model import AuditedModel
from aru.audit.case import Case
from aru.audit.criteria import STANDARD
from aru.audit.full import full
from aru.audit.quick import quick
from aru.audit.record import Found
from aru.audit.standard import REFERENCE_ITSELF, standard
from aru.audit.thresholds import Level
from aru.audit.verdicts import Measurement, NotRun
from aru.core.names import RETRAINED
from aru.core.progress import Progress, silent


def measure(case: Case, level: Level, audited: AuditedModel, *, progress: Progress = silent) -> tuple[Found, dict[str, Any]]:
    """The measurements of a level by criterion, and the details of the page."""
    measurements, details = quick(case)
    found: dict[str, Measurement | NotRun] = dict(measurements)
    more: Found
    further: dict[str, Any]
    progress(1, 2, "audit, quick")
    if level != "quick":
        if audited.name == RETRAINED:
            more, further = dict.fromkeys(STANDARD, NotRun(REFERENCE_ITSELF)), {}
        else:
            more, further = standard(case, progress=progress)
        found |= more
        details["further"] = further
    if level == "full":
        more, further = full(case, audited, progress=progress)
        found |= more
        details["further"] |= further
    return found, details
