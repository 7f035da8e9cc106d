"""Retain alone, by the original's recipe -> the reference that never saw the forgotten."""

from aru.stages.fitting import train_stage
from aru.stages.inputs import read_sets
from aru.stages.job import Job


def retrain(job: Job) -> int:
    """Write retrained/model.safetensors; returns images seen."""
    return train_stage(job, "retrain", "retrained", read_sets(job).retain, "manifest.csv")
