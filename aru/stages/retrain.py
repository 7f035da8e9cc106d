"""Retain alone, by the original's recipe -> the reference that never saw the forgotten."""

from aru.stages.fitting import fit_from_scratch
from aru.stages.inputs import read_sets
from aru.stages.job import Job


def retrain(job: Job) -> int:
    """Write retrained/model.safetensors; returns images seen."""
    return fit_from_scratch(job, "retrain", "retrained", read_sets(job).retain)
