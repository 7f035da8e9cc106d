"""Processes of this machine that work for one parent and end with it."""

import multiprocessing
import os
import pickle
import signal
import traceback
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from threading import Thread

from aru.core.errors import InputError


def process_pool(workers: int, preload: Sequence[str] = ()) -> ProcessPoolExecutor:
    """Worker processes; `preload` are modules that are imported once for all.

    PyTorch's initialisers and dropout share one generator a process, so threads would not do. A parent that is killed
    takes its workers along: they would go on unseen for hours otherwise, beside those of the next run.
    """
    if workers < 1:
        raise InputError(f"{workers} workers: at least one is needed")
    context = multiprocessing.get_context("forkserver")
    if preload:
        context.set_forkserver_preload(["aru.core.rare_collection", *preload])
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with_parent)


def _end_with_parent() -> None:
    Thread(target=_wait_for_its_end, daemon=True).start()


def _wait_for_its_end() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # files are written whole or not at all


def why_ended(code: int | None) -> str:
    """What most often ends a process with this exit code before it could say so itself, and the remedy."""
    if code == -signal.SIGBUS:
        return "what it had mapped could not be written or read, most often because the disk is full; free some and run again"
    if code is not None and code > 0:
        return "it could not begin, or end; its own output above says why"
    return "it was killed, most often for want of memory; free some, or lower the batch size, and run again"


def portable(error: Exception) -> Exception:
    """The error as another process can take it, with its traceback as a note."""
    error.add_note(traceback.format_exc())
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # whatever its constructor wants that pickle does not keep
        return RuntimeError("".join(traceback.format_exception(error)))
    return error
