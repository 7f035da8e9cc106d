"""Retain alone, by the original's recipe -> the reference that never saw the forgotten."""

from aru.stages.fitting import train_stage
from aru.stages.inputs import read_sets
from aru.stages.job import Job
from aru.stages.not_trained import NotTrained, leave_out_reference


def retrain(job: Job) -> int | NotTrained:
    """Write retrained/model.safetensors, or that there is none; returns images seen."""
    if not job.config.evaluate.retrained:
        return leave_out_reference(job)
    return train_stage(job, "retrain", "retrained", read_sets(job).retain, "manifest.csv")
