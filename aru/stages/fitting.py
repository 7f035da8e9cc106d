"""Training from scratch, the same for the original and for the retrained model."""

from aru.data.images import ImageSet
from aru.models import build
from aru.seeds import draw_seed, generator
from aru.stages.job import Job
from aru.stages.outputs import write_model
from aru.training import Checkpoint, fit


def fit_from_scratch(job: Job, stage: str, which: str, data: ImageSet) -> int:
    """Train a fresh model on `data` by the benchmark's recipe and write it; returns images seen."""
    prepared, seed = job.work / "prepared", job.config.runtime.seed
    key = job.key(prepared / "manifest.csv", prepared / "images.npy")
    checkpoint = Checkpoint(job.work / "checkpoints" / f"{stage}.pt", key)
    model = build(job.config.model.name, data.outputs, resolution=job.config.data.resolution,
                  seed=draw_seed(seed, f"{stage}/init"))
    history = fit(model, data, job.config.train, generator=generator(seed, stage), compute=job.compute,
                  progress=job.progress, text=stage, checkpoint=checkpoint)
    write_model(job, which, model, history, outputs=data.outputs)
    checkpoint.remove()
    return len(data) * job.config.train.epochs
