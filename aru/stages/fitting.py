"""Training from scratch, the same for the original and for the retrained model."""

from aru.data.images import ImageSet
from aru.stages.job import Job
from aru.stages.outputs import of_model, refuse_to_overwrite, write_model
from aru.stages.resume import checkpoint_of
from aru.train.from_scratch import fit_from_scratch
from aru.train.pretrained import read_init


def train_stage(job: Job, stage: str, which: str, data: ImageSet, rows: str) -> int:
    """Train a fresh model, or one from `model.init`, on `data` by the benchmark's recipe and write it; returns images seen.

    `rows` is the file in prepared/ that says which images `data` has.
    """
    refuse_to_overwrite(job, stage, which)
    prepared = job.work / "prepared"
    start = read_init(job.config, job.work.parents[1], data.outputs)
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
            start=start,
            group=job.group,
        )
    if job.group.rank > 0:
        return 0
    chosen = job.config.model
    made = {"init": {"file": chosen.init, "md5": chosen.init_md5}} if chosen.init else None
    write_model(job, stage, which, model, history, outputs=data.outputs, made=made)
    checkpoint.remove()
    return len(data) * job.config.train.epochs
