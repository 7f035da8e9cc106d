"""How a trained model is written: weights, and the history of its training. Weights of somebody else are left alone."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from aru.core.errors import InputError, TrainingError
from aru.core.files import read_meta, write_json
from aru.nets.models import save_model
from aru.stages.job import Job
from aru.train.history import History

WEIGHTS = "model.safetensors"


@contextmanager
def of_model(which: str) -> Iterator[None]:
    """Say in a TrainingError which model could not be made."""
    try:
        yield
    except TrainingError as error:
        raise TrainingError(f"{which} model: {error}") from error


def write_model(
    job: Job,
    stage: str,
    which: str,
    model: torch.nn.Module,
    history: History,
    *,
    outputs: int,
    made: Mapping[str, Any] | None = None,
) -> None:
    """Write work/BENCHMARK/`which`/model.safetensors, marked as the stage's own, and history.json.

    `made`: how the model came to be, written beside the history of its training: of an unlearned one its `method`.
    """
    folder = job.work / which
    save_model(
        folder / WEIGHTS,
        model,
        name=job.config.model.name,
        outputs=outputs,
        resolution=job.config.data.resolution,
        stage=stage,
    )
    write_json(folder / "history.json", {"epochs": history, **(made or {})})


def user_supplied(weights: Path) -> bool:
    """Whether a weights file was supplied by the user: it can be read, and no stage of this project marked it as its own.

    A file that cannot be read is a stage's that was damaged: nobody could work with it.
    """
    try:
        return "stage" not in read_meta(weights)
    except InputError:
        return False


def refuse_to_overwrite(job: Job, stage: str, which: str) -> None:
    """Raise InputError where the stage would write over weights that the user supplied."""
    weights = job.work / which / WEIGHTS
    if user_supplied(weights):
        raise InputError(overwrite_message(stage, job.benchmark, weights))


def overwrite_message(stage: str, benchmark: str, weights: Path) -> str:
    """Why a stage does not write over weights, and what can be done."""
    return (
        f"{weights} was supplied by you: no stage wrote it, and the stage {stage!r} does not write over it. Move it away; an "
        f"original of your own comes in by `aru model import FILE --arch NAME --benchmark {benchmark}` (docs/operation.md)"
    )
