"""`python -m aru.commands.shadows BENCHMARK` builds the pool of shadow models without Prefect or MLflow.

Its entries lie where `aru shadows` looks for them. With --unlearn it goes on to unlearn those that saw the people.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: idle OpenMP threads spin

from aru.compute.processes import process_pool
from aru.compute.work_queue import work_off
from aru.core.errors import InputError, TrainingError
from aru.core.leftovers import alone

if TYPE_CHECKING:
    from aru.shadows.build import Call


def main(arguments: list[str] | None = None) -> int:
    """Compute what is missing and print one line a model."""
    parser = argparse.ArgumentParser(prog="python -m aru.commands.shadows", description=__doc__)
    parser.add_argument("benchmark")
    parser.add_argument("--models", type=int, default=16, help="an even number")
    parser.add_argument("--protocol", default="official")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--budget-minutes", type=float, help="begin nothing after so many minutes")
    parser.add_argument(
        "--unlearn", metavar="METHODS", default="", help="methods as `python -m aru.commands.compare` takes them"
    )
    parser.add_argument("--draws", type=int, default=1, help="forget the people of the first so many draws, one by one")
    parser.add_argument("--status", action="store_true", help="only say what is there")
    parser.add_argument("--drop-weights", action="store_true", help="afterwards; the logits stay")
    parser.add_argument("--restore-weights", action="store_true", help="train models again whose weights were dropped")
    options = parser.parse_args(arguments)
    try:
        return _run(options)
    except (InputError, TrainingError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _run(options: argparse.Namespace) -> int:
    from aru.core.config import load_config
    from aru.shadows.build import Asked, Build, table
    from aru.stages.runner import run as run_stage

    config, work = load_config(Path("params.yaml"), options.benchmark), Path("work") / options.benchmark
    if not (work / "prepared" / "manifest.csv").is_file():
        run_stage("prepare", options.benchmark)
    build = Build(
        Asked(options.models, options.protocol, options.unlearn, options.draws, options.restore_weights), config, work
    )
    for row in table(build.entries()):
        print("  ".join(row), flush=True)
    if options.status:
        return 0
    calls = build.trainings()
    minutes = build.seconds() / options.workers / 60
    print(f"{len(calls)} of {len(build.shadows)} models to train: about {minutes:.0f} min", flush=True)
    end = None if options.budget_minutes is None else time.monotonic() + 60 * options.budget_minutes
    with alone(work / "shadows"):
        left = run_all(calls, options.workers, end)
        left += 0 if left else run_all(build.unlearnings(), options.workers, end)
    if options.drop_weights:
        build.drop_weights()
    print(f"{left} left for the next time" if left else "complete", flush=True)
    return 0


def run_all(calls: Sequence["Call"], workers: int, end: float | None) -> int:
    """Make the calls in order, in processes; returns how many were not begun by `end`."""
    waiting, finished, began = list(calls), 0, time.monotonic()

    def settle(call: "Call", future: Future) -> None:
        nonlocal finished
        future.result()
        finished += 1
        rest = (time.monotonic() - began) / finished * (len(calls) - finished)
        print(f"{finished}/{len(calls)}  {call.label}  about {rest / 60:.0f} min left", flush=True)

    with process_pool(workers, preload=["aru.shadows.build"]) as pool:
        work_off(
            lambda: waiting.pop(0) if waiting else None,
            lambda call: pool.submit(call.make),
            settle,
            at_once=workers,
            over=lambda: end is not None and time.monotonic() >= end,
        )
    return len(waiting)


if __name__ == "__main__":
    sys.exit(main())
