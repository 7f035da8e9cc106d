"""`python -m aru STAGE BENCHMARK` runs one stage: what dvc.yaml calls, without any server."""

import argparse
import logging
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: idle OpenMP threads spin

from aru.errors import InputError, TrainingError, explained

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
    from aru.stages import STAGES, run

    parser = argparse.ArgumentParser(prog="python -m aru", description="Run one stage of one benchmark.")
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("benchmark", help="an active benchmark of params.yaml")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        run(options.stage, options.benchmark, root=Path("."), progress=LoggedProgress())
    except (InputError, TrainingError) as error:
        print(f"error: {explained(error)}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
