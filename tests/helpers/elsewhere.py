"""Jobs computed as on a machine that has nothing of the project, in this process."""

from pathlib import Path

from aru.compute.jobs import Job
from aru.compute.object_store import ObjectStore
from aru.compute.remote_jobs import RemoteJobs, compute


def compute_elsewhere(job: Job, folder: Path) -> None:
    """Send a job of a project, compute it in a folder of its own below `folder`, and take what it made into the project."""
    assert job.work is not None
    remote = RemoteJobs(job.work.parents[1], ObjectStore(str(folder / "store"), job.work.name))
    remote.fetch(job, compute(job, remote.send(job), folder / "cache"))
