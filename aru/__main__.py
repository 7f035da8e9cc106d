"""`python -m aru STAGE BENCHMARK` runs one stage: what dvc.yaml calls, without any server.

DVC's commands do not have the benchmark in them, because a shell reads them: DVC tells it by the environment.
"""

import argparse
import errno
import logging
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: idle OpenMP threads spin

from aru.core.errors import InputError, TrainingError, explained

_LINE_EVERY_SECONDS = 10.0
log = logging.getLogger("aru")


class LoggedProgress:
    """Progress as plain lines, at most one every ten seconds."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self, done: int, total: int, text: str) -> None:
        if time.monotonic() - self._last >= _LINE_EVERY_SECONDS:
            self._last = time.monotonic()
            log.info("%s: %d of %d (%.0f %%)", text, done, total, 100 * done / max(1, total))


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, run the stage, and turn bad input into one clear message and exit code 2."""
    from aru.stages.runner import STAGES, run

    parser = argparse.ArgumentParser(prog="python -m aru", description="Run one stage of one benchmark.")
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("benchmark", nargs="?", help="an active benchmark of params.yaml; under DVC that of its stage")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        run(options.stage, options.benchmark or _benchmark_of_dvc(options.stage), root=Path("."), progress=LoggedProgress())
    except (InputError, TrainingError) as error:
        print(f"error: {explained(error)}", file=sys.stderr)
        return 2
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        print(f"error: the disk is full ({error}): free some space and run it again", file=sys.stderr)
        return 2
    return 0


def _benchmark_of_dvc(stage: str) -> str:
    """The benchmark of the stage that DVC runs, such as train@faces."""
    _, found, benchmark = os.environ.get("DVC_STAGE", "").partition(f"{stage}@")
    if not found:
        raise InputError(f"name a benchmark: `python -m aru {stage} faces`")
    return benchmark


if __name__ == "__main__":
    sys.exit(main())
