"""How a trained model is written: weights, and the history of its training."""

import torch

from aru.files import write_json
from aru.models import save_model
from aru.stages.job import Job


def write_model(job: Job, which: str, model: torch.nn.Module, history: list[dict], *, outputs: int) -> None:
    """Write work/BENCHMARK/`which`/model.safetensors and history.json."""
    folder = job.work / which
    save_model(folder / "model.safetensors", model, name=job.config.model.name, outputs=outputs,
               resolution=job.config.data.resolution)
    write_json(folder / "history.json", {"epochs": history})
