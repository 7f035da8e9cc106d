"""Forget and retain, without a look at which is which -> the original model."""

from aru.stages.fitting import train_stage
from aru.stages.inputs import read_training
from aru.stages.job import Job
from aru.stages.not_trained import NotTrained, place_original


def train(job: Job) -> int | NotTrained:
    """Write original/model.safetensors, trained or as it was imported; returns images seen."""
    if job.config.model.original is not None:
        return place_original(job)
    return train_stage(job, "train", "original", read_training(job), "training.csv")
