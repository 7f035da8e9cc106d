"""Build the pool of shadow models; with --unlearn, unlearn those that were trained on the people.

Its entries lie where `aru shadows` looks for them.
"""

import argparse
import time
from pathlib import Path

from aru.core.leftovers import locked_folder


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
    from aru.compute.jobs import Job, run_locally
    from aru.core.config import load_config
    from aru.shadows.build import Build, PoolRequest, table
    from aru.stages.runner import run as run_stage

    config, work = load_config(Path("params.yaml"), options.benchmark), Path("work") / options.benchmark
    if not (work / "prepared" / "manifest.csv").is_file():
        run_stage("prepare", options.benchmark)
    build = Build(
        PoolRequest(options.models, options.protocol, options.unlearn, options.draws, options.restore_weights), config, work
    )
    for row in table(build.entries()):
        print("  ".join(row), flush=True)
    if options.status:
        return 0
    trainings = build.trainings()
    minutes = build.seconds() / max(1, options.workers) / 60
    print(f"{len(trainings)} of {len(build.shadows)} models to train: about {minutes:.0f} min", flush=True)
    began = time.monotonic()

    def compute(jobs: list[Job]) -> int:
        """Run the jobs in what is left of the budget; returns how many were not begun."""
        phase = time.monotonic()

        def report(job: Job, number: int) -> None:
            minutes = (time.monotonic() - phase) / number * (len(jobs) - number) / 60
            print(f"{number}/{len(jobs)}  {job.label}  about {minutes:.0f} min left", flush=True)

        budget = None if options.budget_minutes is None else 60 * options.budget_minutes - (phase - began)
        return len(
            run_locally(jobs, workers=options.workers, preload=["aru.shadows.build"], budget_seconds=budget, done=report)
        )

    with locked_folder(work / "shadows"):
        left = compute(trainings) or compute(build.unlearnings())
    if options.drop_weights:
        print(build.drop_weights(), flush=True)
    print(f"{left} left for the next time" if left else "complete", flush=True)
    return 0
