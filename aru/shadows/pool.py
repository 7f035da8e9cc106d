"""The shadow models of a pool: their keys, their training, their weights and logits.

An entry is a folder work/BENCHMARK/shadows/models/KE/KEY/ of record.json (what the key is made of, and the cost),
logits.safetensors (float16, of every file of the manifest, by the file's digest) and model.safetensors, which is needed to
unlearn the model and may be dropped. They are personal data: they stay in the work folder.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import numpy as np
import torch
from torch import nn

from aru.comparison.draws import Protocol
from aru.comparison.keys import trained_here
from aru.comparison.store import Store, StoredModel, StoredRecord
from aru.compute.device import Compute, make_compute
from aru.compute.keys import arithmetic, digest
from aru.core.config import Config
from aru.core.errors import InputError, TrainingError
from aru.core.label_columns import label_columns
from aru.core.progress import Progress, silent
from aru.core.source_code import code_digest
from aru.core.stopwatch import Spent
from aru.shadows.halves import halves
from aru.shadows.population import Population, load_population
from aru.train.checkpoint import Checkpoint
from aru.train.from_scratch import fit_from_scratch
from aru.train.history import History
from aru.train.loop import predict
from aru.train.pretrained import read_init


class ShadowParts(TypedDict):
    """What the key of a shadow is made of. data, code: digests; recipe: the sections model and train of the parameters."""

    data: str
    recipe: list[dict[str, Any]]
    seed: int
    arithmetic: list[Any]
    code: str


class ShadowRecord(StoredRecord):
    """The record of a trained shadow. accuracy: of the last epoch; scored: `Population.scored` of its logits.

    resumed: the seconds are of the last part of an interrupted training only; such records are from earlier versions.
    """

    key: str
    protocol: str
    number: int
    parts: ShadowParts
    people: int
    photos: int
    epochs: int
    accuracy: float | None
    torch: str
    seconds: float
    cpu_seconds: float
    scored: NotRequired[str]
    resumed: NotRequired[bool]


@dataclass(frozen=True, eq=False)
class Shadow:
    """One model of the pool, trained or not.

    sees: (P,) bool, which of the population's people; positions: (n,) of its photos in the population's training set.
    parts: what the key is made of; an entry keeps them, so that a stale one can say what has changed.
    """

    number: int
    protocol: Protocol
    sees: np.ndarray
    positions: np.ndarray
    parts: ShadowParts

    @property
    def key(self) -> str:
        """The key of its content."""
        return digest(["shadow", self.parts])


def open_pool(work: Path) -> Store[ShadowRecord]:
    """The entries of a benchmark's pools, of all protocols."""
    return Store(Path(work) / "shadows" / "models")


def shadows_of(population: Population, config: Config, compute: Compute, models: int) -> list[Shadow]:
    """The first `models` shadows of a protocol, an even number; each depends on its number and on no other."""
    sides = halves(population.strata, models)
    labels = population.train.targets.tolist()
    recipe = [trained_here(config), config.train.model_dump(mode="json")]
    code, found = code_digest("aru.train.from_scratch"), []
    for number, sees in enumerate(sides):
        positions = np.flatnonzero(np.isin(population.subjects, population.people[sees]))
        photos = [[population.pixels[position], labels[position]] for position in positions]
        columns, outputs = list(label_columns(config.data.task)), population.train.outputs
        data = digest([config.data.resolution, columns, outputs, photos])
        parts: ShadowParts = {
            "data": data,
            "recipe": recipe,
            "seed": number,
            "arithmetic": arithmetic(config.runtime, compute),
            "code": code,
        }
        found.append(Shadow(number, population.protocol, sees, positions, parts))
    return found


def train_shadow(shadow: Shadow, config: Config, work: Path, *, progress: Progress = silent) -> None:
    """Make an entry with weights and logits; what exists is not computed again.

    An interrupted training goes on from its last checkpoint; the weights are stored before the logits are computed.
    """
    store, compute = open_pool(work), make_compute(config.runtime)
    population = load_population(Path(work) / "prepared", shadow.protocol, config)

    def stored(model: nn.Module) -> StoredModel:
        return StoredModel(model.cpu(), config.model.name, config.data.resolution, population.train.outputs)

    if not store.has(shadow.key, model=True):
        checkpoint = Checkpoint(Path(work) / "shadows" / "checkpoints" / f"{shadow.key}.pt", shadow.key)
        model, history = fit_from_scratch(
            population.train.take(shadow.positions),
            config,
            "shadow",
            seed=shadow.number,
            compute=compute,
            progress=progress,
            checkpoint=checkpoint,
            start=read_init(config, Path(work).parents[1], population.train.outputs),
        )
        store.write(shadow.key, _record(shadow, config, history, checkpoint.clock.spent()), model=stored(model))
        checkpoint.remove()
    record = store.record(shadow.key)
    if record.get("scored") != population.scored:
        model = store.model(shadow.key)
        logits = packed_logits(predict(model, population.every, compute=compute, progress=progress))
        store.write(
            shadow.key,
            {**record, "scored": population.scored},
            logits={"logits": logits, "files": _packed(population.every_files.tolist())},
            model=stored(model),
        )


def drop_weights(store: Store[ShadowRecord], key: str) -> None:
    """Remove the weights of an entry; its logits stay, and it can no longer be unlearned."""
    (store.at(key) / "model.safetensors").unlink(missing_ok=True)


def check_weights(shadow: Shadow, work: Path) -> None:
    """Raise InputError unless the shadow's weights are there."""
    pool = open_pool(work)
    if not pool.has(shadow.key):
        raise not_trained(shadow)
    if not pool.has(shadow.key, model=True):
        raise InputError(
            f"the weights of shadow {shadow.number} were dropped, and unlearning it needs them: build the pool "
            "with --restore-weights"
        )


def not_trained(shadow: Shadow) -> InputError:
    """The error for a shadow that is not trained."""
    return InputError(f"shadow {shadow.number} of protocol {shadow.protocol} is not trained: build the pool first")


def logits_of(store: Store[ShadowRecord], key: str, files: Sequence[str]) -> torch.Tensor:
    """Logits (M, C) float32 by digests of files; a file without any is an InputError."""
    tensors = store.logits(key)
    place = {bytes(name).hex(): row for row, name in enumerate(tensors["files"].numpy())}
    missing = [name for name in files if name not in place]
    if missing:
        raise InputError(
            f"shadow {store.record(key)['number']} has no logits of {len(missing)} files, {missing[0]} among "
            "them: build the pool again"
        )
    return tensors["logits"][[place[name] for name in files]].float()


def packed_logits(logits: torch.Tensor) -> torch.Tensor:
    """Logits as float16; one beyond its range is put at its end. Raises TrainingError where one is not finite."""
    bad = int((~torch.isfinite(logits)).sum())
    if bad:
        raise TrainingError(f"{bad} of {logits.numel()} logits are not finite: the model has diverged, lower its lr")
    end = torch.finfo(torch.float16).max
    return logits.clamp(-end, end).half()


def _packed(files: Sequence[str]) -> torch.Tensor:
    """Digests of hex digits as bytes. Shape: (N, 16) uint8."""
    return torch.tensor([list(bytes.fromhex(name)) for name in files], dtype=torch.uint8)


def _record(shadow: Shadow, config: Config, history: History, spent: Spent) -> ShadowRecord:
    return {
        "key": shadow.key,
        "protocol": shadow.protocol,
        "number": shadow.number,
        "parts": shadow.parts,
        "people": int(shadow.sees.sum()),
        "photos": len(shadow.positions),
        "epochs": config.train.epochs,
        "accuracy": history[-1]["accuracy"] if history else None,
        "torch": torch.__version__,
        **spent,
    }
