"""Where an interrupted training of a stage goes on."""

from pathlib import Path

from aru.compute.keys import arithmetic, key_of
from aru.core.config import Section
from aru.core.files import file_md5
from aru.core.leftovers import remove_leftovers
from aru.data.classes import outputs_of, read_classes
from aru.stages.job import Job
from aru.train.checkpoint import Checkpoint


def checkpoint_of(job: Job, stage: str, *parameters: Section, inputs: list[Path]) -> Checkpoint:
    """The stage's checkpoint, good for these sections of parameters and input files, its seed, code and arithmetic.

    The outputs of the model belong to it: a class that only test has adds one and changes no input file of training.
    """
    config = job.config
    processes = [job.group.size] if job.group.size > 1 else []
    key = key_of(
        stage,
        [section.model_dump(mode="json") for section in parameters],
        config.data.resolution,
        config.data.task,
        outputs_of(read_classes(job.work / "prepared"), config.data.task),
        config.runtime.seed,
        [file_md5(path) for path in inputs],
        arithmetic(config.runtime, job.compute) + processes,
        module=f"aru.stages.{stage}",
    )
    path = job.work / "checkpoints" / f"{stage}.pt"
    remove_leftovers(path.parent, of=f"{path.name}.*")
    return Checkpoint(path, key, clock=job.clock)
