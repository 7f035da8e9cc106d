"""`python -P dask_workers.py ADDRESS FOLDER...`: a `dask worker` in each folder, until it is told to end.

They are forked from one process that has imported and digested what they need, which takes longer than what tests compute.
"""

import os
import signal
import sys
from pathlib import Path

import aru.core.rare_collection

OPTIONS = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", ".", "--host", "127.0.0.1")


def start(address: str, folder: Path) -> int:
    """A worker process; returns its number."""
    if number := os.fork():
        return number
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    os.chdir(folder)
    log = os.open("log", os.O_WRONLY | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    try:
        main([address, *OPTIONS], prog_name="dask-worker")
    finally:
        os._exit(0)


if __name__ == "__main__":
    import s3fs  # noqa: F401
    from distributed.cli.dask_worker import main

    import aru.comparison.cell  # noqa: F401
    import flows.experiments.cluster  # noqa: F401
    from aru.core.source_code import code_digest

    code_digest("aru.comparison.cell")

    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    workers = [start(sys.argv[1], Path(folder)) for folder in sys.argv[2:]]
    signal.sigwait({signal.SIGTERM})
    for worker in workers:
        os.kill(worker, signal.SIGTERM)  # one that died is not collected before, and can be told
    for worker in workers:
        os.waitpid(worker, 0)
    os._exit(0)  # taking four thousand modules apart takes seconds
