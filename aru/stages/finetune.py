"""Original model and mask -> reset -> fine-tuned on retain: the unlearned model."""

from collections.abc import Mapping

import numpy as np
import torch

from aru.core.files import load_tensors
from aru.core.names import ARU, ORIGINAL, UNLEARNED
from aru.methods.aru.finetuning import finetune as train_on_retain
from aru.methods.aru.resetting import reset
from aru.stages.inputs import read_model, read_sets
from aru.stages.job import Job
from aru.stages.outputs import of_model, refuse_to_overwrite, write_model
from aru.stages.resume import checkpoint_of
from aru.train.history import Layer

_QUANTILES = (0.1, 0.5, 0.9)


def finetune(job: Job) -> int:
    """Write unlearned/model.safetensors; returns images seen. The forget set is not opened."""
    refuse_to_overwrite(job, "finetune", UNLEARNED)
    retain, model = read_sets(job).retain, read_model(job, ORIGINAL)
    path = job.work / "mask" / "mask.safetensors"
    tensors, _ = load_tensors(path)
    marked = {name.removeprefix("mask/"): part for name, part in tensors.items() if name.startswith("mask/")}
    prepared, config = job.work / "prepared", job.config
    checkpoint = checkpoint_of(
        job,
        "finetune",
        config.model,
        config.reset,
        config.finetune,
        inputs=[path, job.work / ORIGINAL / "model.safetensors", prepared / "manifest.csv", prepared / "images.npy"],
    )
    seed = config.runtime.seed
    with of_model(UNLEARNED):
        unlearned = reset(model, marked, config.reset, seed=seed, example=retain.example())
        history = train_on_retain(
            unlearned,
            model,
            retain,
            config.finetune,
            seed=seed,
            compute=job.compute,
            progress=job.progress,
            checkpoint=checkpoint,
            group=job.group,
        )
    if job.group.rank > 0:
        return 0
    made = {"method": ARU, "layers": layers_of(tensors)}
    write_model(job, "finetune", UNLEARNED, unlearned, history, outputs=retain.outputs, made=made)
    checkpoint.remove()
    return len(retain) * config.finetune.epochs


def layers_of(tensors: Mapping[str, torch.Tensor]) -> dict[str, Layer]:
    """What the mask did to each layer, as the report shows it; `tensors` are those of mask.safetensors."""
    layers: dict[str, Layer] = {}
    for name in (key.removeprefix("mask/") for key in tensors if key.startswith("mask/")):
        marked, scores = tensors[f"mask/{name}"], tensors[f"score/{name}"].double().flatten().numpy()
        quantiles = np.quantile(scores, _QUANTILES).tolist()
        layers[name] = {"units": marked.numel(), "reset": int(marked.sum()), "scores": quantiles}
    return layers
