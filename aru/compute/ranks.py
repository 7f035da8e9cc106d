"""The processes of one training on this machine, started by the process that has the work to do.

They are what `torchrun` would start, with its variables, but meet through a file of this user instead of a port that
listens on all networks, report their progress, and end with their parent, however it ends. `python -m aru.compute.ranks` is
one of them.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from threading import Thread
from typing import NamedTuple

import aru.core.rare_collection  # noqa: F401 - before all that is slow to import
from aru.compute.jobs import Job
from aru.compute.place import RENDEZVOUS
from aru.compute.processes import portable, why_ended
from aru.core.errors import InputError, TrainingError
from aru.core.progress import Progress
from aru.core.quick_end import run_to_a_quick_end
from aru.core.source_code import ROOT

_GRACE_SECONDS = 5.0  # after a failure, for the others to say what they ended of: one of them may know the cause
_LOOPBACK = ("lo", "lo0")


class _Failure(NamedTuple):
    """Why a process ended; the least is the cause, the others may only have missed it."""

    rank: int
    error: Exception
    when: float
    silent: bool

    @property
    def order(self) -> tuple[bool, bool, float]:
        return not isinstance(self.error, InputError | TrainingError), not self.silent, self.when


def run_ranks(job: Job, count: int, progress: Progress) -> None:
    """Make the call of `job` in `count` processes that are one group, and wait for all of them.

    The progress is that of the first. The first failure ends all of them and is raised here; so does what `progress` raises.
    """
    with tempfile.TemporaryDirectory(prefix="aru-") as folder, ExitStack() as stack:
        variables = _variables(count, Path(folder))
        ranks = [stack.enter_context(_Rank(job, number, variables)) for number in range(count)]
        failures = _followed(ranks, progress)
    if failures:
        failure = min(failures, key=lambda one: one.order)
        failure.error.add_note(f"in process {failure.rank + 1} of {count} of {job.label}; the others were ended")
        raise failure.error


def _followed(ranks: list["_Rank"], progress: Progress) -> list[_Failure]:
    """Pass on what the processes say until all have ended, or some have not ended in time after one has failed."""
    running, failures = {rank.pipe: rank for rank in ranks}, list[_Failure]()
    while running:
        rest = None if not failures else max(0.0, failures[0].when + _GRACE_SECONDS - time.monotonic())
        ready = wait(list(running), rest)
        if not ready:
            break
        for pipe in ready:
            assert isinstance(pipe, Connection)
            try:
                kind, content = pipe.recv()
            except (EOFError, ConnectionError):
                rank = running.pop(pipe)
                code = rank.process.wait()
                if code != 0 and all(failure.rank != rank.number for failure in failures):
                    error = RuntimeError(f"process {rank.number + 1} ended with code {code}: {why_ended(code)}")
                    failures.append(_Failure(rank.number, error, time.monotonic(), silent=True))
            else:
                if kind == "progress":
                    progress(*content)
                else:
                    error, when = content
                    failures.append(_Failure(running[pipe].number, error, when, silent=False))
    return failures


class _Rank:
    """One process, and the pipe to it; it ends with the block."""

    def __init__(self, job: Job, number: int, variables: dict[str, str]) -> None:
        self.number = number
        self.pipe, theirs = Pipe()
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "aru.compute.ranks", str(theirs.fileno())],
            env=variables | {"RANK": str(number), "LOCAL_RANK": str(number)},
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )
        theirs.close()
        self.pipe.send(job)

    def __enter__(self) -> "_Rank":
        return self

    def __exit__(self, *_: object) -> None:
        """Cut off what still runs, which leaves no file half written."""
        self.process.kill()
        self.process.wait()
        self.pipe.close()


def _variables(count: int, folder: Path) -> dict[str, str]:
    """The environment of the processes: this one's, with the number of the processes and where they meet."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    given = os.environ | {"PYTHONPATH": path, "WORLD_SIZE": str(count), RENDEZVOUS: f"file://{folder / 'rendezvous'}"}
    for _, name in socket.if_nameindex():
        if name in _LOOPBACK:  # all are on this machine: nothing of them is to listen on its networks
            given = {"GLOO_SOCKET_IFNAME": name, "NCCL_SOCKET_IFNAME": name} | given
    return given


def _work(descriptor: int) -> None:
    """Do what the parent asks for, as one of its processes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    parent = Connection(descriptor)
    job: Job = parent.recv()
    Thread(target=_end_with, args=(parent,), daemon=True).start()
    first = os.environ["RANK"] == "0"

    def progress(done: int, total: int, text: str) -> None:
        if first:
            parent.send(("progress", (done, total, text)))

    try:
        job.do(progress)
    except Exception as error:
        parent.send(("failed", (portable(error), time.monotonic())))
        sys.exit(1)


def _end_with(parent: Connection) -> None:
    try:
        parent.recv()
    except (EOFError, OSError):
        os._exit(1)  # files are written whole or not at all


if __name__ == "__main__":
    run_to_a_quick_end(lambda: _work(int(sys.argv[1])))
