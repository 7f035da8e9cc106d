"""Build the pool of shadow models; with --unlearn, unlearn those that were trained on the people.

Its entries lie where `aru shadows` looks for them.
"""

import argparse
import time
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING

from aru.core.leftovers import locked_folder

if TYPE_CHECKING:
    from aru.shadows.build import Call


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which pool, and what is to be unlearned."""
    parser.add_argument("benchmark")
    parser.add_argument("--models", type=int, default=16, help="an even number")
    parser.add_argument("--protocol", default="official")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--budget-minutes", type=float, help="begin nothing after so many minutes")
    parser.add_argument("--unlearn", metavar="METHODS", default="", help="methods as `compare` takes them")
    parser.add_argument("--draws", type=int, default=1, help="forget the people of the first so many draws, one by one")
    parser.add_argument("--status", action="store_true", help="only show what is there")
    parser.add_argument("--drop-weights", action="store_true", help="afterwards; the logits stay")
    parser.add_argument("--restore-weights", action="store_true", help="train models again whose weights were dropped")


def run(options: argparse.Namespace) -> int:
    """Compute what is missing and print one line a model."""
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
    with locked_folder(work / "shadows"):
        left = run_all(calls, options.workers, end)
        left += 0 if left else run_all(build.unlearnings(), options.workers, end)
    if options.drop_weights:
        build.drop_weights()
    print(f"{left} left for the next time" if left else "complete", flush=True)
    return 0


def run_all(calls: Sequence["Call"], workers: int, end: float | None) -> int:
    """Make the calls in order, in processes; returns how many were not begun by `end`."""
    from aru.compute.processes import process_pool
    from aru.compute.work_queue import run_queue

    waiting, finished, began = list(calls), 0, time.monotonic()

    def settle(call: "Call", future: Future) -> None:
        nonlocal finished
        future.result()
        finished += 1
        rest = (time.monotonic() - began) / finished * (len(calls) - finished)
        print(f"{finished}/{len(calls)}  {call.label}  about {rest / 60:.0f} min left", flush=True)

    with process_pool(workers, preload=["aru.shadows.build"]) as pool:
        run_queue(
            lambda: waiting.pop(0) if waiting else None,
            lambda call: pool.submit(call.make),
            settle,
            at_once=workers,
            over=lambda: end is not None and time.monotonic() >= end,
        )
    return len(waiting)
