"""Functions computed in processes of their own: stages, and the cells of comparisons.

PyTorch's initialisers and dropout draw from one generator a process, so two trainings in threads of one process would
disturb each other's bytes; and only a process of its own has a peak memory of its own. Workers are forked from a server
that has the stages imported, and end when the flow does, however it ends.
"""

import importlib
import multiprocessing
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from queue import Queue
from threading import Event, Thread
from typing import Any

from aru.compute.processes import portable, why_ended
from aru.core.progress import Progress

_PRELOAD = [
    "aru.core.rare_collection",  # first
    "aru.stages.prepare",
    "aru.stages.train",
    "aru.stages.attack",
    "aru.stages.mask",
    "aru.stages.finetune",
    "aru.stages.unlearn",
    "aru.stages.retrain",
    "aru.stages.evaluate",
    "aru.stages.audit",
    "aru.stages.report",
]


class WorkStopped(Exception):
    """The flow wants no more of this work."""


class WorkerDied(RuntimeError):
    """A worker ended without an answer: it was killed."""


@dataclass(frozen=True)
class Work:
    """A call of `function` (``"package.module:name"``) with these arguments and a `progress`; it leaves files."""

    label: str
    function: str
    arguments: tuple[Any, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    def do(self, progress: Progress) -> None:
        """Call it here."""
        module, _, name = self.function.partition(":")
        getattr(importlib.import_module(module), name)(*self.arguments, **self.options, progress=progress)


class Workers:
    """Processes that each compute one thing at a time, started when first needed."""

    def __init__(self, count: int = 2) -> None:
        self._idle: Queue[Worker | None] = Queue()
        for _ in range(count):
            self._idle.put(None)
        self._all: list[Worker] = []

    def run(self, work: Work, progress: Progress) -> None:
        """Do one piece of work; what it raises is raised here, and what `progress` raises stops it."""
        worker = self._idle.get()
        try:
            worker = worker or self._start()
            worker.run(work, progress)
        except WorkerDied:
            if worker is not None:
                self._all.remove(worker)
                worker.stop()
            worker = None
            raise
        finally:
            self._idle.put(worker)

    def stop(self) -> None:
        """End all processes; work that still runs is cut off, which leaves no file half written."""
        for worker in self._all:
            worker.stop()

    def _start(self) -> "Worker":
        worker = Worker()
        self._all.append(worker)
        return worker


@contextmanager
def workers(count: int = 2) -> Iterator[Workers]:
    """Workers for the length of a block."""
    pool = Workers(count)
    try:
        yield pool
    finally:
        pool.stop()


class Worker:
    """One process and the pipe to it."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(_PRELOAD)
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()

    def run(self, work: Work, progress: Progress) -> None:
        """Do one piece of work and pass its progress on."""
        try:
            self._pipe.send(work)
            failure = self._follow(progress)
        except (EOFError, ConnectionError) as error:
            self._process.join()
            raise WorkerDied(
                f"the process of {work.label} ended with code {self._process.exitcode}: {why_ended(self._process.exitcode)}"
            ) from error
        if failure is not None:
            raise failure

    def _follow(self, progress: Progress) -> BaseException | None:
        stopped: BaseException | None = None
        while True:
            kind, content = self._pipe.recv()
            if kind == "end":
                return stopped or content
            if stopped is None:
                try:
                    progress(*content)
                except BaseException as error:
                    stopped = error
                    self._pipe.send("stop")

    def stop(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.join()
        self._pipe.close()


def _serve(pipe: Connection) -> None:
    """Do one piece of work after another until the other end of the pipe is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the flow decides, and sends "stop"
    jobs: Queue[Work] = Queue()
    stopped = Event()
    Thread(target=_listen, args=(pipe, jobs, stopped), daemon=True).start()

    def progress(done: int, total: int, text: str) -> None:
        pipe.send(("progress", (done, total, text)))
        if stopped.is_set():
            raise WorkStopped

    while True:
        work = jobs.get()
        stopped.clear()
        failure = None
        try:
            work.do(progress)
        except Exception as error:
            failure = portable(error)
        pipe.send(("end", failure))


def _listen(pipe: Connection, jobs: Queue[Work], stopped: Event) -> None:
    """Take orders. When the flow is gone, even by a kill, end at once: a later flow must find nobody writing."""
    while True:
        try:
            order = pipe.recv()
        except (EOFError, OSError):
            os._exit(1)
        if order == "stop":
            stopped.set()
        else:
            jobs.put(order)
