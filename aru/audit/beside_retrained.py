"""Two figures beside the retrained model that are reported and not judged: re-recognition, and verification by features.

How far two retrained models lie apart in them depends on the data, and nobody has said which difference harms: a limit
would be made up. They are shown with their intervals.
"""

from torch import nn

from aru.audit.audit_file import Details
from aru.audit.case import AUDITED, Case
from aru.core.errors import InputError
from aru.core.names import FORGET, ORIGINAL, RETRAINED, UNLEARNED, UNSEEN
from aru.core.progress import Progress
from aru.metrics.relearning.re_recognition import re_recognition
from aru.metrics.representation.same_person import verification


def report_beside_retrained(case: Case, details: Details, *, progress: Progress) -> None:
    """Add `re_recognition` and `same_person` to the details, or why they are not there."""
    models: dict[str, nn.Module] = {UNLEARNED: case.models[AUDITED], ORIGINAL: case.models[ORIGINAL]}
    if RETRAINED in case.models:
        models[RETRAINED] = case.models[RETRAINED]
    try:
        details["re_recognition"] = re_recognition(
            models, case.sets.forget, case.people(FORGET), compute=case.compute, seed=case.seed, resamples=case.resamples
        )
    except InputError as error:
        details["re_recognition"] = {"not_run": str(error)}
    progress(1, 2, "audit, re-recognition")
    details["same_person"] = {}
    for role in (FORGET, UNSEEN):
        try:
            details["same_person"][role] = verification(
                models,
                getattr(case.sets, role),
                subjects=case.people(role),
                photos=case.column(role, "photo"),
                compute=case.compute,
                seed=case.seed,
                resamples=case.resamples,
            )
        except InputError as error:
            details["same_person"][role] = {"not_run": str(error)}
    progress(2, 2, "audit, verification")
