"""Training from scratch, the same for the original and for the retrained model."""

from aru.data.images import ImageSet
from aru.stages.job import Job
from aru.stages.outputs import of_model, refuse_to_overwrite, write_model
from aru.stages.resume import checkpoint_of
from aru.train.from_scratch import fit_from_scratch


def train_stage(job: Job, stage: str, which: str, data: ImageSet, rows: str) -> int:
    """Train a fresh model on `data` by the benchmark's recipe and write it; returns images seen.

    `rows` is the file in prepared/ that says which images `data` has.
    """
    refuse_to_overwrite(job, stage, which)
    prepared = job.work / "prepared"
    checkpoint = checkpoint_of(
        job, stage, job.config.model, job.config.train, inputs=[prepared / rows, prepared / "images.npy"]
    )
    with of_model(which):
        model, history = fit_from_scratch(
            data,
            job.config,
            stage,
            seed=job.config.runtime.seed,
            compute=job.compute,
            progress=job.progress,
            checkpoint=checkpoint,
        )
    write_model(job, stage, which, model, history, outputs=data.outputs)
    checkpoint.remove()
    return len(data) * job.config.train.epochs
