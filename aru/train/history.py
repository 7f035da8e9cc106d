"""history.json: what is recorded of each epoch of a training, and of how a model came to be."""

from typing import Any, NotRequired, TypedDict


class EpochRecord(TypedDict):
    """One epoch, counted from 1: mean loss, accuracy where the task has one, and the learning rate at its start."""

    epoch: int
    loss: float
    accuracy: NotRequired[float]
    lr: float


History = list[EpochRecord]


class Layer(TypedDict):
    """units, reset: how many the layer has, and how many of them were reset. scores: their 10, 50 and 90 % quantiles."""

    units: int
    reset: int
    scores: list[float]


class ImportedModel(TypedDict):
    """The file of a model that was not trained here, and its MD5."""

    file: str
    md5: str


class ModelHistory(TypedDict):
    """The content of history.json: the epochs; of an unlearned model its method; of ARU's what was reset, by layer."""

    epochs: History
    method: NotRequired[str]
    parameters: NotRequired[dict[str, Any]]
    layers: NotRequired[dict[str, Layer]]
    imported: NotRequired[ImportedModel]
