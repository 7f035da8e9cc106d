"""`python -m tests.helpers.flow_process ARGUMENTS...` is `aru ARGUMENTS...` with stand-in stages and without MLflow."""

import signal
import sys

from aru.core.progress import Progress
from flows.cli.app import main
from flows.pipeline.workers import Work, Workers
from flows.tracking import publishing
from tests.helpers.project import run_stage


def run(self: Workers, work: Work, progress: Progress) -> None:
    """A stage by its stand-in; says when it begins, so that a test knows when to interrupt."""
    print(f"begin {work.arguments[0]}", flush=True)
    run_stage(*work.arguments, work.options["root"], progress)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite in a shell's background has it ignored
    Workers.run = run  # type: ignore[method-assign]
    publishing.publish = lambda *arguments: publishing.Published("run", "model", "1", "pass", ("candidate",), new=True)
    publishing.summary = lambda *arguments: "results"
    main(sys.argv[1:])
