"""Computing one task of a comparison: the function that workers run, whoever starts them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from aru.comparison.draws import load_draw
from aru.comparison.plan import Task, expected_key
from aru.comparison.store import Store
from aru.compute.device import Compute, make_compute
from aru.core.config import Config
from aru.core.errors import InputError, TrainingError
from aru.core.files import read_json, write_json
from aru.core.names import SETS
from aru.core.progress import Progress, silent
from aru.core.source_code import code_digest
from aru.core.stopwatch import Stopwatch
from aru.data.images import Sets
from aru.methods.registry import find
from aru.metrics.membership.matched import strata_of
from aru.metrics.reference import reference_figures
from aru.metrics.summary import model_figures, rounded
from aru.train.checkpoint import Checkpoint
from aru.train.from_scratch import fit_from_scratch
from aru.train.loop import predict


def run_task(task: Task, config: Config, work: Path, *, progress: Progress = silent) -> None:
    """Compute a task into the store under `work` (work/BENCHMARK/); a task that is there already is left as it is.

    A loss that is not finite, a method that refuses its sets, and an original that diverged leave a record that says so: it
    is a result, and would not go better again.
    """
    store, compute = open_store(work), make_compute(config.runtime)
    if store.complete(task.key, model=task.keep_weights):
        return
    sets, _, digests = load_draw(work / "prepared", task.draw, config)
    if expected_key(task, config, digests, compute) != task.key:
        raise InputError(f"{task.label}: code, parameters or data have changed since it was planned; start again")
    function = {"original": _original, "retrained": _retrained, "method": _method}[task.kind]
    checkpoint = Checkpoint(store.folder.parent / "checkpoints" / f"{task.key}.pt", task.key)
    try:
        model = function(task, config, sets, store, compute, progress, checkpoint)
    except TrainingError as error:
        store.write(task.key, _record(task, config, sets, compute, checkpoint.clock) | {"failed": str(error)})
        checkpoint.remove()
        return
    record = _record(task, config, sets, compute, checkpoint.clock)
    logits = None
    if task.kind != "original":
        logits = {role: predict(model, getattr(sets, role), compute=compute) for role in SETS}
    store.write(
        task.key,
        record,
        logits=logits,
        model=model.cpu() if task.keep_weights else None,
        name=config.model.name,
        resolution=config.data.resolution,
        outputs=sets.retain.outputs,
    )
    checkpoint.remove()
    if logits is not None:
        figures_of(store, task, sets)


def open_store(work: Path) -> Store:
    """The store of a benchmark."""
    return Store(Path(work) / "comparison" / "cells")


def figures_of(store: Store, task: Task, sets: Sets) -> dict[str, Any]:
    """The figures of a result, computed from its logits where the evaluation's code has changed."""
    path = store.derived(task.key, f"figures-{code_digest('aru.metrics.summary')[:16]}")
    if not path.is_file():
        targets = {role: getattr(sets, role).targets for role in SETS}
        try:
            figures = rounded(model_figures(store.logits(task.key), targets))
        except InputError as error:
            figures = {"failed": str(error)}
        write_json(path, figures)
    return read_json(path)


def references_of(store: Store, sets: Sets, digests: dict[str, str]) -> dict[str, float]:
    """What labels and chance alone give in a draw; computed once."""
    code = code_digest("aru.metrics.reference")[:16]
    path = store.folder.parent / "references" / f"{digests['forget'][:16]}-{digests['unseen'][:16]}-{code}.json"
    if not path.is_file():
        write_json(path, rounded(reference_figures(strata_of(sets.forget.targets), strata_of(sets.unseen.targets))))
    return read_json(path)


def _original(
    task: Task, config: Config, sets: Sets, store: Store, compute: Compute, progress: Progress, checkpoint: Checkpoint
) -> nn.Module:
    model, _ = fit_from_scratch(
        sets.train, config, "train", seed=task.seed, compute=compute, progress=progress, checkpoint=checkpoint
    )
    return model


def _retrained(
    task: Task, config: Config, sets: Sets, store: Store, compute: Compute, progress: Progress, checkpoint: Checkpoint
) -> nn.Module:
    own = config.model_copy(update={"train": task.choice.parameters})
    model, _ = fit_from_scratch(
        sets.retain, own, "retrain", seed=task.seed, compute=compute, progress=progress, checkpoint=checkpoint
    )
    return model


def _method(
    task: Task, config: Config, sets: Sets, store: Store, compute: Compute, progress: Progress, checkpoint: Checkpoint
) -> nn.Module:
    """What a method makes of the original; where there is none, or the method refuses these sets, TrainingError says why."""
    reason = store.failure(task.original)
    if reason is not None:
        raise TrainingError(f"its original model diverged: {reason}")
    function: Callable[..., nn.Module] = find(task.choice.method).function
    original = store.model(task.original)
    try:
        return function(original, sets, task.choice.parameters, seed=task.seed, compute=compute, progress=progress)
    except InputError as error:
        raise TrainingError(str(error)) from error


def _record(task: Task, config: Config, sets: Sets, compute: Compute, clock: Stopwatch) -> dict[str, Any]:
    """What the tables need to know of a result, its figures apart; seconds are of the making alone."""
    choice = task.choice
    return {
        "key": task.key,
        "kind": task.kind,
        "benchmark": task.benchmark,
        "protocol": task.draw.protocol,
        "draw": task.draw.number,
        "train_seed": task.train_seed,
        "unlearn_seed": task.seed,
        "method": choice.method if choice else "original",
        "variant": choice.variant if choice else "default",
        "config": choice.parameters.model_dump(mode="json") if choice else config.train.model_dump(mode="json"),
        "counts": {role: len(getattr(sets, role)) for role in SETS},
        **clock.spent(),
        "device": str(compute.device),
        "precision": compute.precision,
        "threads": config.runtime.threads,
        "torch": torch.__version__,
        "resolution": config.data.resolution,
        "model": config.model.name,
    }
