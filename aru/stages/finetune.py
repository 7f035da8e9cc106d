"""Original model and mask -> reset -> fine-tuned on retain: the unlearned model."""

from aru.core.files import load_tensors
from aru.methods.aru.pipeline import reset_and_finetune
from aru.stages.inputs import read_model, read_sets
from aru.stages.job import Job
from aru.stages.outputs import of_model, spare_brought, write_model
from aru.stages.resume import checkpoint_of


def finetune(job: Job) -> int:
    """Write unlearned/model.safetensors; returns images seen. The forget set is not opened."""
    spare_brought(job, "finetune", "unlearned")
    retain, model = read_sets(job).retain, read_model(job, "original")
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
        inputs=[path, job.work / "original" / "model.safetensors", prepared / "manifest.csv", prepared / "images.npy"],
    )
    with of_model("unlearned"):
        unlearned, history = reset_and_finetune(
            model, marked, retain, config, compute=job.compute, progress=job.progress, checkpoint=checkpoint
        )
    write_model(job, "finetune", "unlearned", unlearned, history, outputs=retain.outputs)
    checkpoint.remove()
    return len(retain) * config.finetune.epochs
