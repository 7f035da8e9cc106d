"""Unlearned model, original and their predictions -> the quick audit: the gate before the registry."""

from aru.audit.case import AUDITED, make_case
from aru.audit.criteria import KNOWN
from aru.audit.quick import quick
from aru.audit.record import audit_record
from aru.audit.texts import imported_note
from aru.audit.thresholds import THRESHOLDS_FILE, read_thresholds
from aru.core.files import file_md5, read_json
from aru.core.names import ORIGINAL, RETRAINED
from aru.data.manifest import read_manifest
from aru.methods.chosen import parameters, text_of, title
from aru.metrics.predictions import read_predictions
from aru.reporting.audit.page import write_audit
from aru.stages.inputs import read_model, read_sets
from aru.stages.job import Job

_UNLEARNED = "unlearned"


def audit(job: Job) -> int:
    """Write audit/audit.json and audit/audit.html; returns the number of images passed over."""
    limits = job.work.parents[1] / THRESHOLDS_FILE
    thresholds, sets = read_thresholds(limits, KNOWN).on(job.benchmark), read_sets(job)
    answers = read_predictions(job.work / "evaluation" / "predictions.safetensors").logits
    models = {AUDITED: read_model(job, _UNLEARNED), ORIGINAL: read_model(job, "original")}
    case = make_case(
        models,
        sets,
        read_manifest(job.work / "prepared" / "manifest.csv"),
        compute=job.compute,
        logits={AUDITED: answers[_UNLEARNED], ORIGINAL: answers["original"]},
        resamples=job.config.evaluate.resamples,
        seed=job.config.runtime.seed,
        references=[answers[RETRAINED]] if RETRAINED in answers else [],
    )
    job.progress(1, 2, "audit, answers")
    found, details = quick(case)
    made_from: dict[str, str] = {
        f"{which} model, MD5": file_md5(job.work / which / "model.safetensors") for which in (_UNLEARNED, "original")
    }
    made_from |= imported_note(job.config.model.original, "quick")
    method = read_json(job.work / _UNLEARNED / "history.json").get("method")  # of weights that a user brought it is not known
    if method == job.config.method:
        made_from |= {"method": title(method), "parameters": text_of(parameters(job.config))}
    record = audit_record(
        case,
        thresholds,
        "quick",
        found,
        details,
        {"benchmark": job.benchmark, "model": _UNLEARNED, "made_from": made_from | {"thresholds, MD5": file_md5(limits)}},
    )
    job.progress(2, 2, "audit, figures")
    write_audit(job.work / "audit", record)
    return len(sets.forget) + len(sets.unseen)
