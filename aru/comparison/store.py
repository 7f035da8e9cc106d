"""The store of results: one folder a key, written whole or not at all."""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypedDict, TypeVar, cast

import torch

from aru.core.files import atomic_path, load_tensors, read_json, save_tensors, write_json
from aru.nets.models import load_model, save_model

_RECORD, _LOGITS, _MODEL = "record.json", "logits.safetensors", "model.safetensors"


class StoredRecord(TypedDict, total=False):
    """What the records of all stores may have. failed: why there is no model."""

    failed: str


@dataclass(frozen=True)
class StoredModel:
    """A network with what is needed to load it: the name of its architecture, the size of its images, its outputs."""

    network: torch.nn.Module
    name: str
    resolution: int
    outputs: int


Record = TypeVar("Record", bound=StoredRecord)


class Store(Generic[Record]):
    """Records, logits and weights by content key; folders can be copied from machine to machine and merged."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    def at(self, key: str) -> Path:
        """The folder of a key, there or not."""
        return self.folder / key[:2] / key

    def has(self, key: str, *, model: bool = False) -> bool:
        """Whether a result is there, with its weights where `model` is true."""
        return (self.at(key) / (_MODEL if model else _RECORD)).is_file()

    def failure(self, key: str) -> str | None:
        """Why a result is a failed one; None where it is not there, or is none."""
        if not self.has(key):
            return None
        record: StoredRecord = self.record(key)
        return record.get("failed")

    def complete(self, key: str, *, model: bool = False) -> bool:
        """Whether nothing is left to be computed: a failed result has no weights, and would not go better again."""
        return self.has(key) and (not model or self.has(key, model=True) or self.failure(key) is not None)

    def record(self, key: str) -> Record:
        """What was computed, with which parameters, at what cost."""
        return cast(Record, read_json(self.at(key) / _RECORD))

    def logits(self, key: str) -> dict[str, torch.Tensor]:
        """Logits by set."""
        return load_tensors(self.at(key) / _LOGITS)[0]

    def model(self, key: str) -> torch.nn.Module:
        """The weights, where they were kept."""
        return load_model(self.weights(key))

    def weights(self, key: str) -> Path:
        """The file of the weights, where they were kept."""
        return self.at(key) / _MODEL

    def write(
        self,
        key: str,
        record: Record,
        *,
        logits: Mapping[str, torch.Tensor] | None = None,
        model: StoredModel | None = None,
    ) -> None:
        """Write a result, whole or not at all."""
        with atomic_path(self.at(key)) as folder:
            folder.mkdir(parents=True)
            if logits is not None:
                save_tensors(folder / _LOGITS, dict(logits))
            if model is not None:
                save_model(folder / _MODEL, model.network, name=model.name, outputs=model.outputs, resolution=model.resolution)
            write_json(folder / _RECORD, dict(record))

    def derived(self, key: str, name: str) -> Path:
        """A file that is computed from the result and may be removed at any time."""
        return self.at(key) / f"{name}.json"

    def keys(self) -> Iterator[str]:
        """The keys of all results."""
        for path in sorted(self.folder.glob(f"*/[!.]*/{_RECORD}")):  # a dot begins what a kill left half written
            yield path.parent.name

    def drop(self, key: str) -> None:
        """Remove a result."""
        shutil.rmtree(self.at(key), ignore_errors=True)
