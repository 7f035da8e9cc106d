"""Computing one task of a comparison: the function that workers run, whoever starts them."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NotRequired

import torch
from torch import nn

from aru.comparison.draws import load_draw
from aru.comparison.job_files import job_files
from aru.comparison.parameter_sets import DEFAULT
from aru.comparison.plan import EvaluatedTask, MethodTask, OriginalTask, RetrainedTask, Task, expected_key
from aru.comparison.store import Store, StoredModel, StoredRecord
from aru.compute.device import Compute, make_compute
from aru.compute.jobs import Job, JobFiles
from aru.core.config import Config, Section
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
from aru.train.loop import predict_sets


class CellRecord(StoredRecord):
    """The record of one task, its figures apart. seconds, cpu_seconds: of the training or unlearning alone.

    config: the parameters of the method, or the recipe of a training. counts: images by set. resumed: the seconds are of the
    last part of an interrupted training only; such records are from earlier versions.
    """

    key: str
    kind: str
    benchmark: str
    protocol: str
    draw: int
    train_seed: int
    unlearn_seed: int
    method: str
    variant: str
    config: dict[str, Any]
    counts: dict[str, int]
    seconds: float
    cpu_seconds: float
    device: str
    precision: str
    threads: int
    torch: str
    resolution: int
    model: str
    resumed: NotRequired[bool]


def run_task(task: Task, config: Config, work: Path, *, progress: Progress = silent) -> None:
    """Compute a task into the store under `work` (work/BENCHMARK/); a result that exists is not computed again.

    A loss that is not finite, a method that refuses its sets, and an original that diverged leave a record with the reason: it
    is a result, and computing it again would give the same.
    """
    store, compute = open_store(work), make_compute(config.runtime)
    if store.complete(task.key, model=task.keep_weights):
        return
    sets, _, digests = load_draw(work / "prepared", task.draw, config)
    if expected_key(task, config, digests, compute) != task.key:
        raise InputError(f"{task.label}: code, parameters or data have changed since it was planned; start again")
    checkpoint = Checkpoint(store.folder.parent / "checkpoints" / f"{task.key}.pt", task.key)
    try:
        model = _model(task, config, sets, store, compute, progress, checkpoint)
    except TrainingError as error:
        record = _record(task, config, sets, compute, checkpoint.clock)
        record["failed"] = str(error)
        store.write(task.key, record)
        checkpoint.remove()
        return
    record = _record(task, config, sets, compute, checkpoint.clock)
    logits: dict[str, torch.Tensor] | None = None
    if not isinstance(task, OriginalTask):
        logits = predict_sets(model, {role: getattr(sets, role) for role in SETS}, compute=compute)
    stored = StoredModel(model.cpu(), config.model.name, config.data.resolution, sets.retain.outputs)
    store.write(task.key, record, logits=logits, model=stored if task.keep_weights else None)
    checkpoint.remove()
    if not isinstance(task, OriginalTask):
        figures_of(store, task, sets)


def task_job(task: Task, config: Config, work: Path) -> Job:
    """`run_task` as a job; a method waits for its original."""
    return Job(
        task.key,
        task.label,
        "aru.comparison.cell:run_task",
        (task, config),
        after=task.after,
        work=work,
        files=task_files([task], config, work),
    )


def task_files(tasks: Sequence[Task], config: Config, work: Path, *, outputs: Iterable[Path] = ()) -> JobFiles:
    """The files of a job that computes these tasks; `outputs` are folders that it leaves beside theirs."""
    store = open_store(work)
    return job_files(
        config,
        work,
        [*(store.at(task.key) for task in tasks), *outputs],
        models=[store.at(task.original) for task in tasks if isinstance(task, MethodTask)],
        choices=[task.choice for task in tasks if not isinstance(task, OriginalTask)],
        variant="with weights" if any(task.keep_weights for task in tasks) else "",
    )


def open_store(work: Path) -> Store[CellRecord]:
    """The store of a benchmark."""
    return Store(Path(work) / "comparison" / "cells")


def figures_of(store: Store[CellRecord], task: EvaluatedTask, sets: Sets) -> dict[str, Any]:
    """The figures of a result, computed from its logits where the evaluation's code has changed."""
    path = store.derived(task.key, f"figures-{code_digest('aru.metrics.summary')[:16]}")
    if not path.is_file():
        targets: dict[str, torch.Tensor] = {role: getattr(sets, role).targets for role in SETS}
        try:
            write_json(path, rounded(model_figures(store.logits(task.key), targets)))
        except InputError as error:
            write_json(path, {"failed": str(error)})
    return read_json(path)


def references_of(store: Store[CellRecord], sets: Sets, digests: dict[str, str]) -> dict[str, float | None]:
    """What labels and chance alone give in a draw; computed once."""
    code = code_digest("aru.metrics.reference")[:16]
    path = store.folder.parent / "references" / f"{digests['forget'][:16]}-{digests['unseen'][:16]}-{code}.json"
    if not path.is_file():
        write_json(path, rounded(reference_figures(strata_of(sets.forget.targets), strata_of(sets.unseen.targets))))
    return read_json(path)


def _model(
    task: Task,
    config: Config,
    sets: Sets,
    store: Store[CellRecord],
    compute: Compute,
    progress: Progress,
    checkpoint: Checkpoint,
) -> nn.Module:
    """The model of a task. Raises TrainingError where it diverges, or where the method refuses the sets."""
    if isinstance(task, MethodTask):
        return _method(task, sets, store, compute, progress)
    if isinstance(task, RetrainedTask):
        data, purpose, recipe = sets.retain, "retrain", config.model_copy(update={"train": task.choice.parameters})
    else:
        data, purpose, recipe = sets.train, "train", config
    model, _ = fit_from_scratch(
        data, recipe, purpose, seed=task.seed, compute=compute, progress=progress, checkpoint=checkpoint
    )
    return model


def _method(task: MethodTask, sets: Sets, store: Store[CellRecord], compute: Compute, progress: Progress) -> nn.Module:
    """What a method makes of the original; where there is none, or the method refuses these sets, TrainingError says why."""
    reason = store.failure(task.original)
    if reason is not None:
        raise TrainingError(f"its original model diverged: {reason}")
    function, original = find(task.choice.method).function, store.model(task.original)
    try:
        return function(original, sets, task.choice.parameters, seed=task.seed, compute=compute, progress=progress)
    except InputError as error:
        raise TrainingError(str(error)) from error


def _record(task: Task, config: Config, sets: Sets, compute: Compute, clock: Stopwatch) -> CellRecord:
    """The record of a result, its figures apart."""
    parameters: Section = config.train
    method, variant = "original", DEFAULT
    if not isinstance(task, OriginalTask):
        method, variant, parameters = task.choice.method, task.choice.variant, task.choice.parameters
    return {
        "key": task.key,
        "kind": task.kind,
        "benchmark": task.benchmark,
        "protocol": task.draw.protocol,
        "draw": task.draw.number,
        "train_seed": task.train_seed,
        "unlearn_seed": task.seed,
        "method": method,
        "variant": variant,
        "config": parameters.model_dump(mode="json"),
        "counts": {role: len(getattr(sets, role)) for role in SETS},
        **clock.spent(),
        "device": str(compute.device),
        "precision": compute.precision,
        "threads": config.runtime.threads,
        "torch": torch.__version__,
        "resolution": config.data.resolution,
        "model": config.model.name,
    }
