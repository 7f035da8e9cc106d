"""What is recorded of each epoch of a training."""

from typing import TypedDict


class EpochRecord(TypedDict):
    """One epoch, counted from 1: mean loss and accuracy while training, and the learning rate at its start."""

    epoch: int
    loss: float
    accuracy: float
    lr: float


History = list[EpochRecord]
