"""All that a level measures: its own criteria and those of the levels before it."""

from aru.audit.audit_file import Details, Table
from aru.audit.audited_model import AuditedModel
from aru.audit.beside_retrained import report_beside_retrained
from aru.audit.case import Case
from aru.audit.criteria import STANDARD
from aru.audit.full import full
from aru.audit.quick import quick
from aru.audit.retained_people import report_retained
from aru.audit.standard import REFERENCE_ITSELF, standard
from aru.audit.thresholds import Level
from aru.audit.verdicts import Found, NotRun
from aru.compute.reading import placed_once
from aru.core.names import RETRAINED
from aru.core.progress import Progress, silent


def measure(
    case: Case, level: Level, audited: AuditedModel, *, reported: bool = True, progress: Progress = silent
) -> tuple[Found, Details]:
    """The measurements of a level by criterion, and the details of the page.

    reported: also what no criterion judges; without it the details are what the criteria leave, and no page.
    """
    with placed_once(case.models.values()):
        return _measured(case, level, audited, reported, progress)


def _measured(case: Case, level: Level, audited: AuditedModel, reported: bool, progress: Progress) -> tuple[Found, Details]:
    found, details = quick(case)
    further: dict[str, Table] = {}
    progress(1, 2, "audit, quick")
    if level != "quick":
        if audited.name == RETRAINED:
            found |= dict.fromkeys(STANDARD, NotRun(REFERENCE_ITSELF))
        else:
            more, tables = standard(case, reported=reported, progress=progress)
            found, further = found | more, further | tables
        if reported:
            report_beside_retrained(case, details, progress=progress)
        details["further"] = further
    if level == "full":
        more, tables = full(case, audited, progress=progress)
        found, further = found | more, further | tables
        if reported:
            report_retained(case, audited, details)
        details["further"] = further
    return found, details
