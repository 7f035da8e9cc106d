"""Jobs on the workers of a Dask cluster: one that is there already, or one of this machine.

A job goes to a worker through Dask, which moves it as a pickle: scheduler and workers are trusted as this process is.
Workers need neither Prefect nor its server. Without a store they need the project at the same path, on a disk that they share.
"""

import os
import pickle
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from aru.compute.jobs import Job
from aru.core.errors import InputError
from aru.core.progress import Progress
from aru.core.reimport import forget_modules
from aru.nets.own_code import use_project_code

if TYPE_CHECKING:
    from distributed import Client

    from aru.compute.remote_jobs import Files, Parcel, RemoteJobs

_LOOK_EVERY_SECONDS = 0.5
_REPORT_EVERY_SECONDS = 1.0


class JobStopped(Exception):
    """The flow wants no more of this job, or is gone."""


class Cluster:
    """Runs jobs on the workers that a client leads to, with their files through a store where `remote` is given."""

    def __init__(self, client: "Client", remote: "RemoteJobs | None") -> None:
        self._client, self._remote = client, remote
        self._seen: dict[str, tuple[int, int, str]] = {}
        self._topic = f"aru-{uuid4().hex}"
        client.subscribe_topic(self._topic, self._note)

    def run(self, job: Job, progress: Progress) -> None:
        """Do a job on a worker; what it raises is raised here, and what `progress` raises stops it.

        A job whose worker dies is given to another one by Dask; InputError where that has happened too often.
        """
        parcel = self._remote.send(job) if self._remote else None
        made = self._remote.found(parcel) if self._remote and parcel else None
        if made is None:
            made = self._computed(job, parcel, progress)
        if self._remote and made is not None:
            self._remote.fetch(job, made)

    def _computed(self, job: Job, parcel: "Parcel | None", progress: Progress) -> "Files | None":
        from distributed import KilledWorker

        name, call = uuid4().hex, pickle.dumps((job, parcel))
        future = self._client.submit(do_on_worker, call, self._topic, name, pure=False, key=f"aru-{name}")
        try:
            while not future.done():
                progress(*self._seen.get(name) or (0, 1, self._awaited()))
                time.sleep(_LOOK_EVERY_SECONDS)
            return future.result()
        except KilledWorker as error:
            raise InputError(
                f"{job.label}: the worker that computed it died, and so did the next ones, the last of them "
                f"{error.last_worker.address}: look into the workers' logs, most often their memory is too small"
            ) from None
        finally:
            future.cancel()
            self._seen.pop(name, None)

    def _awaited(self) -> str:
        """What is shown of a job that no worker has reported on yet."""
        known = self._client.scheduler_info()
        return "on the cluster" if known["workers"] else f"no workers there: dask worker {known['address']} --nthreads 1"

    def _note(self, event: tuple[float, dict[str, Any]]) -> None:
        message = event[1]
        self._seen[message["name"]] = message["done"], message["total"], message["text"]


def check_dask() -> None:
    """Raise InputError where Dask is not installed."""
    try:
        import distributed  # noqa: F401 - what is needed is that it can be
    except ImportError:
        raise InputError("the Dask runner is an extra: pip install 'aru[dask]', or choose --runner threads") from None


@contextmanager
def cluster(count: int, address: str | None = None, remote: "RemoteJobs | None" = None) -> Iterator[Cluster]:
    """The cluster at an address or, without one, of `count` processes of this machine for the length of the block."""
    from distributed import Client, LocalCluster

    if address is not None:
        with Client(address, set_as_default=False) as client:
            yield Cluster(client, remote)
        return
    # A worker computes one thing at a time: initialisers and dropout share one generator a process.
    with (
        LocalCluster(n_workers=count, threads_per_worker=1, dashboard_address="127.0.0.1:0", host="127.0.0.1") as local,
        Client(local, set_as_default=False) as client,
    ):
        yield Cluster(client, remote)


def do_on_worker(call: bytes, topic: str, name: str) -> "Files | None":
    """Do a job, `call` with its parcel, in a worker of Dask, which calls this; returns the files that it has stored.

    What it keeps lies in the worker's own folder (`dask worker --local-directory`), which Dask removes when the worker ends.
    """
    from distributed import get_worker

    worker = get_worker()
    if worker.state.nthreads != 1:
        raise InputError(
            f"the worker {worker.address} has {worker.state.nthreads} threads, and PyTorch's random numbers are one "
            "sequence a process: start it by `dask worker --nthreads 1`"
        )
    # Unpickled in this thread: the imports that it takes would hold the worker's event loop up for many seconds.
    job, parcel = pickle.loads(call)
    progress = _reporting(worker, topic, name)
    if parcel is not None:
        from aru.compute.remote_jobs import compute

        return compute(job, parcel, Path(worker.local_directory) / "aru", progress=progress)
    if job.work is not None:
        _use_own_code(job.work.parents[1], job)
    job.do(progress)
    return None


def _use_own_code(root: Path, job: Job) -> None:
    """Let the own code of a job be imported as its files are now: a worker outlives many flows.

    Evicted are the modules and packages of these files alone: the project's folder may hold aru and installed packages.
    """
    use_project_code(root)
    mine = {Path(file).parts[0].removesuffix(".py") for file in job.files.own_code} if job.files else set()
    below = f"{Path(root).resolve()}{os.sep}"
    forget_modules(lambda name, place: name.partition(".")[0] in mine and place.startswith(below))


def _reporting(worker: Any, topic: str, name: str) -> Progress:
    """Tells the flow about once a second how far a job is, and stops it when the flow has given it up."""
    last = 0.0

    def report(done: int, total: int, text: str) -> None:
        nonlocal last
        task = worker.state.tasks.get(f"aru-{name}")
        if task is None or task.state == "cancelled":
            raise JobStopped
        if time.monotonic() - last >= _REPORT_EVERY_SECONDS:
            last = time.monotonic()
            worker.log_event(topic, {"name": name, "done": done, "total": total, "text": text})

    return report
