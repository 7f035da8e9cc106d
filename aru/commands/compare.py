"""Compare methods: methods x seeds x forget draws, in processes of this machine.

Its results lie where `aru benchmark` looks for them, and can be copied between machines of one kind.
"""

import argparse
import time
from pathlib import Path

from aru.comparison.parameter_sets import DEFAULT, PARAMETERS
from aru.core.leftovers import locked_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is compared, and how long it may take."""
    parser.add_argument("benchmark")
    parser.add_argument("--methods", default="all")
    parser.add_argument("--protocol", default="official")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--draws", type=int, default=1)
    parser.add_argument("--first-draw", type=int, default=0)
    parser.add_argument("--unlearn-seeds", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--budget-minutes", type=float)
    parser.add_argument("--parameters", choices=PARAMETERS, default=DEFAULT)
    parser.add_argument("--keep-weights", action="store_true")


def run(options: argparse.Namespace) -> int:
    """Compute what is missing and print one line a result."""
    from aru.comparison.cell import open_store, task_job
    from aru.comparison.choices import parse_choices
    from aru.comparison.draws import draws_of
    from aru.comparison.plan import make_plan
    from aru.comparison.tuning import chosen_parameters
    from aru.compute.device import make_compute
    from aru.compute.jobs import Job, run_locally
    from aru.core.config import load_config
    from aru.stages.runner import run as run_stage

    config, work = load_config(Path("params.yaml"), options.benchmark), Path("work") / options.benchmark
    draws = draws_of(options.protocol, options.draws, options.first_draw)  # refused before work starts
    if not (work / "prepared" / "manifest.csv").is_file():
        run_stage("prepare", options.benchmark)
    tuned = chosen_parameters(Path("."), options.benchmark, config, work, options.parameters, [options.protocol])
    plan = make_plan(
        options.benchmark,
        config,
        work / "prepared",
        parse_choices(options.methods, config, tuned),
        draws,
        seeds=options.seeds,
        first_seed=options.first_seed,
        unlearn_seeds=options.unlearn_seeds,
        compute=make_compute(config.runtime),
        keep_weights=options.keep_weights,
    )
    store, began = open_store(work), time.monotonic()
    missing = plan.missing(store)
    for sentence in plan.left_out:
        print(sentence, flush=True)
    print(f"{len(plan.tasks)} tasks, {len(missing)} to compute", flush=True)

    def report(job: Job, number: int) -> None:
        minutes = (time.monotonic() - began) / number * (len(missing) - number) / 60
        record = store.record(job.key)
        failed = f"  FAILED: {record['failed']}" if "failed" in record else ""
        print(
            f"{number}/{len(missing)} {record['seconds']:7.1f} s  {job.label}{failed}  about {minutes:.0f} min left",
            flush=True,
        )

    with locked_folder(work / "comparison"):
        left = run_locally(
            [task_job(task, config, work) for task in missing],
            workers=options.workers,
            done=report,
            budget_seconds=None if options.budget_minutes is None else 60 * options.budget_minutes,
        )
    print(f"{len(left)} left for the next time" if left else "complete", flush=True)
    return 0
