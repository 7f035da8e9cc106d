"""What is recorded of each epoch of a training."""

from typing import NotRequired, TypedDict


class EpochRecord(TypedDict):
    """One epoch, counted from 1: mean loss, accuracy where the task has one, and the learning rate at its start."""

    epoch: int
    loss: float
    accuracy: NotRequired[float]
    lr: float


History = list[EpochRecord]
