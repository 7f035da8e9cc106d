"""Models that a stage does not train: an original that was imported, a reference that is not wanted."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from aru.core.config import ModelConfig
from aru.core.errors import InputError
from aru.core.files import file_md5, load_tensors, read_meta, save_tensors, write_json
from aru.core.names import ORIGINAL, RETRAINED
from aru.nets.models import NO_MODEL, load_model, save_model
from aru.stages.job import Job
from aru.stages.outputs import WEIGHTS, refuse_to_overwrite

IMPORTED = "imported"
NO_REFERENCE = "evaluate.retrained is false, so that no reference was trained; set it to true and run again"


@dataclass(frozen=True)
class NotTrained:
    """What a stage returns in place of the number of images that it passed over; `why` is written into cost.json."""

    why: str


def place_original(job: Job) -> NotTrained:
    """Write the imported original as original/model.safetensors, with an empty history.

    Raises InputError where its file is missing, is not that of the digest in the parameters, or does not fit the data.
    """
    from aru.data.classes import outputs_of, read_classes

    model, root = job.config.model, job.work.parents[1]
    if model.original is None:
        raise InputError("model.original is not set: import an original with `aru model import`")
    refuse_to_overwrite(job, "train", ORIGINAL)
    path = root / model.original
    check_file(path, model.original_md5, "model.original", f"`dvc pull {model.original}.dvc` or `dvc checkout` brings it back")
    meta, outputs = read_meta(path), outputs_of(read_classes(job.work / "prepared"), job.config.data.task)
    side = job.config.data.resolution
    wanted: dict[str, Any] = {"name": model.name, "outputs": outputs, "resolution": side} | _normalisation(model)
    for key, value in wanted.items():
        if meta.get(key) != value:
            raise InputError(
                f"{path} holds a model whose {key} is {meta.get(key)!r}, parameters and data need {value!r}: import one that "
                "fits with `aru model import`, or go back to what it was imported for"
            )
    folder = job.work / ORIGINAL
    save_model(folder / WEIGHTS, load_model(path), name=model.name, outputs=outputs, resolution=side, stage="train")
    write_json(folder / "history.json", {"epochs": [], IMPORTED: {"file": model.original, "md5": model.original_md5}})
    return NotTrained(IMPORTED)


def _normalisation(model: ModelConfig) -> dict[str, list[float] | None]:
    """Mean and std as a weights file has them: in float32; None where pixels stay as they are."""
    if model.mean is None and model.std is None:
        return {"mean": None, "std": None}
    return {"mean": torch.tensor(model.mean or (0.0,)).tolist(), "std": torch.tensor(model.std or (1.0,)).tolist()}


def leave_out_reference(job: Job) -> NotTrained:
    """Write a retrained/model.safetensors that says why it holds no model."""
    refuse_to_overwrite(job, "retrain", RETRAINED)
    folder = job.work / RETRAINED
    save_tensors(folder / WEIGHTS, {}, {NO_MODEL: NO_REFERENCE, "stage": "retrain"})
    write_json(folder / "history.json", {"epochs": []})
    return NotTrained(NO_REFERENCE)


def check_file(path: Path, digest: str | None, name: str, remedy: str) -> None:
    """Raise InputError where a weights file is not there, or has not the MD5 of the parameters."""
    if not path.is_file():
        raise InputError(f"{path}, named by {name}, does not exist: {remedy}")
    if (found := file_md5(path)) != digest:
        raise InputError(f"{path} has the MD5 {found}, {name}_md5 is {digest}: {remedy}, or name the new file's digest")
    load_tensors(path)
