"""Computing one task of a comparison: the function that workers run, whoever starts them."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from aru.code import code_digest
from aru.comparison.draws import load_draw
from aru.comparison.plan import Task
from aru.comparison.store import Store
from aru.compute import Compute, choose
from aru.config import Config
from aru.data.images import ROLES, Sets
from aru.errors import InputError, TrainingError
from aru.evaluation.matched import strata_of
from aru.evaluation.reference import reference_figures
from aru.evaluation.summary import model_figures, rounded
from aru.files import read_json, write_json
from aru.fitting import fit_from_scratch
from aru.methods import find
from aru.progress import Progress, silent
from aru.training import Checkpoint, predict


def run_task(task: Task, config: Config, work: Path, *, progress: Progress = silent) -> None:
    """Compute a task into the store under `work` (work/BENCHMARK/); a task that is there already is left as it is.

    A method whose loss is not finite leaves a record that says so: it is a result, and would not go better again.
    """
    store, compute = open_store(work), choose(config.runtime)
    if store.has(task.key) and (not task.keep or store.has(task.key, model=True)):
        return
    sets, _, _ = load_draw(work / "prepared", task.draw, config)
    function = {"original": _original, "retrained": _retrained, "method": _method}[task.kind]
    wall, cpu, resumed = time.perf_counter(), time.process_time(), _checkpoint(store, task).is_file()
    try:
        model = function(task, config, sets, store, compute, progress)
    except TrainingError as error:
        store.write(task.key, _record(task, config, sets, compute, wall, cpu) | {"failed": str(error)})
        return
    record = _record(task, config, sets, compute, wall, cpu) | ({"resumed": True} if resumed else {})
    logits = None
    if task.kind != "original":
        logits = {role: predict(model, getattr(sets, role), compute=compute) for role in ROLES}
    store.write(task.key, record, logits=logits, model=model.cpu() if task.keep else None, name=config.model.name,
                resolution=config.data.resolution, outputs=sets.retain.outputs)
    if logits is not None:
        figures_of(store, task, sets)


def open_store(work: Path) -> Store:
    """The store of a benchmark."""
    return Store(Path(work) / "comparison" / "cells")


def figures_of(store: Store, task: Task, sets: Sets) -> dict[str, Any]:
    """The figures of a result, computed from its logits where the evaluation's code has changed."""
    path = store.derived(task.key, f"figures-{code_digest('aru.evaluation.summary')[:16]}")
    if not path.is_file():
        targets = {role: getattr(sets, role).targets for role in ROLES}
        try:
            figures = rounded(model_figures(store.logits(task.key), targets))
        except InputError as error:
            figures = {"failed": str(error)}
        write_json(path, figures)
    return read_json(path)


def references_of(store: Store, sets: Sets, digests: dict[str, str]) -> dict[str, float]:
    """What labels and chance alone give in a draw; computed once."""
    code = code_digest("aru.evaluation.reference")[:16]
    path = store.folder.parent / "references" / f"{digests['forget'][:16]}-{digests['unseen'][:16]}-{code}.json"
    if not path.is_file():
        write_json(path, rounded(reference_figures(strata_of(sets.forget.targets), strata_of(sets.unseen.targets))))
    return read_json(path)


def _original(task: Task, config: Config, sets: Sets, store: Store, compute: Compute, progress: Progress) -> nn.Module:
    return _from_scratch(task, config, sets.train, "train", store, compute, progress)


def _retrained(task: Task, config: Config, sets: Sets, store: Store, compute: Compute, progress: Progress) -> nn.Module:
    own = config.model_copy(update={"train": task.choice.parameters})
    return _from_scratch(task, own, sets.retain, "retrain", store, compute, progress)


def _from_scratch(task: Task, config: Config, data: Any, purpose: str, store: Store, compute: Compute,
                  progress: Progress) -> nn.Module:
    checkpoint = Checkpoint(_checkpoint(store, task), task.key)
    model, _ = fit_from_scratch(data, config, purpose, seed=task.seed, compute=compute, progress=progress,
                                checkpoint=checkpoint)
    return model


def _checkpoint(store: Store, task: Task) -> Path:
    return store.folder.parent / "checkpoints" / f"{task.key}.pt"


def _method(task: Task, config: Config, sets: Sets, store: Store, compute: Compute, progress: Progress) -> nn.Module:
    function: Callable[..., nn.Module] = find(task.choice.method).function
    return function(store.model(task.original), sets, task.choice.parameters, seed=task.seed, compute=compute,
                    progress=progress)


def _record(task: Task, config: Config, sets: Sets, compute: Compute, wall: float, cpu: float) -> dict[str, Any]:
    """What the tables need to know of a result, its figures apart; seconds are of the making alone."""
    choice = task.choice
    return {
        "key": task.key, "kind": task.kind, "benchmark": task.benchmark, "protocol": task.draw.protocol,
        "draw": task.draw.number, "train_seed": task.train_seed, "unlearn_seed": task.seed,
        "method": choice.method if choice else "original", "variant": choice.variant if choice else "default",
        "config": choice.parameters.model_dump(mode="json") if choice else config.train.model_dump(mode="json"),
        "counts": {role: len(getattr(sets, role)) for role in ROLES},
        "seconds": round(time.perf_counter() - wall, 3), "cpu_seconds": round(time.process_time() - cpu, 3),
        "device": str(compute.device), "precision": compute.precision, "threads": config.runtime.threads,
        "torch": torch.__version__, "resolution": config.data.resolution, "model": config.model.name,
    }
