"""Forget and retain, without a look at which is which -> the original model."""

from aru.stages.fitting import train_stage
from aru.stages.inputs import read_training
from aru.stages.job import Job


def train(job: Job) -> int:
    """Write original/model.safetensors; returns images seen."""
    return train_stage(job, "train", "original", read_training(job), "training.csv")
