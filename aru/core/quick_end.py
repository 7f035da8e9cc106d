"""A program's quick start and end.

Python takes modules apart object by object when it ends. For PyTorch, SciPy and pandas that takes more than a second after
everything has been said and done, and some four with MLflow and Prefect, so the process is ended as soon as the exit handlers
have run.
"""

import atexit
import os
import sys
from collections.abc import Callable

import aru.core.rare_collection  # noqa: F401 - before all that is slow to import


def run_to_a_quick_end(main: Callable[[], object]) -> None:
    """Run a program; the exit codes are its own. An error that nobody caught ends as Python ends it."""
    codes: list[int] = []
    atexit.register(_end_at_once, codes)  # registered before all others, so it runs after them
    try:
        main()
        codes.append(0)
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            codes.append(error.code or 0)
        raise


def _end_at_once(codes: list[int]) -> None:
    if codes:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(codes[0])
