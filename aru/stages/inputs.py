"""What stages read of each other's outputs, checked before work starts."""

import torch

from aru.core.errors import InputError
from aru.core.files import load_tensors
from aru.data.images import ImageSet, Sets, load_sets, load_training
from aru.nets import models
from aru.stages.job import Job


def read_sets(job: Job) -> Sets:
    """The four sets that `prepare` wrote."""
    return load_sets(job.work / "prepared", job.config.data.task)


def read_training(job: Job) -> ImageSet:
    """What the original is trained on, whoever of it is to be forgotten."""
    return load_training(job.work / "prepared", job.config.data.task)


def read_model(job: Job, which: str) -> torch.nn.Module:
    """The model `original`, `unlearned` or `retrained`; it has to be the kind that the parameters name."""
    path = job.work / which / "model.safetensors"
    _, meta = load_tensors(path)
    if meta.get("name") != job.config.model.name:
        raise InputError(
            f"{path} holds a {meta.get('name')!r}, model.name is {job.config.model.name!r}: run the stage that writes it again"
        )
    return models.load_model(path)


def read_noise(job: Job, sets: Sets) -> torch.Tensor:
    """The noises (M, 3, H, W) in the forget set's order."""
    path = job.work / "noise" / "noise.safetensors"
    noise = load_tensors(path)[0].get("noise")
    side = job.config.data.resolution
    wanted = (len(sets.forget), 3, side, side)
    if noise is None or tuple(noise.shape) != wanted:
        found = "no tensor 'noise'" if noise is None else f"noise of shape {tuple(noise.shape)}"
        raise InputError(f"{path} holds {found}, the forget set needs {wanted}: run the stage 'attack' again")
    return noise
