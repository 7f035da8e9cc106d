"""Tuning: equal trials and equal cost caps for every method; `python -m flows.experiments.plain_tuning` needs no server."""

import argparse
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: idle OpenMP threads spin

from aru.comparison.cell import task_job
from aru.comparison.spaces import tunable
from aru.comparison.trials import Setting, caps_of, missing_base, tuning_draws
from aru.comparison.tuning import tuned_file
from aru.compute.jobs import run_locally
from aru.compute.processes import process_pool
from aru.core.config import load_config
from aru.core.errors import InputError, TrainingError
from flows.experiments.search import Search
from flows.experiments.tuning_steps import check_frozen, format_trial, run_searches, write_tuning


def main(arguments: list[str] | None = None) -> int:
    """Tune without Prefect and MLflow, in processes of this machine."""
    parser = argparse.ArgumentParser(prog="python -m flows.experiments.plain_tuning", description=__doc__)
    parser.add_argument("benchmark")
    parser.add_argument("--methods", default="all")
    for name in ("trials", "draws", "seeds", "seed"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Setting, name))
    parser.add_argument("--cap", type=float, default=Setting.cap)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--budget-minutes", type=float)
    options = parser.parse_args(arguments)
    try:
        setting = Setting(options.benchmark, options.trials, options.cap, options.draws, options.seeds, options.seed)
        budget_seconds = None if options.budget_minutes is None else 60 * options.budget_minutes
        return _tune(setting, options.methods, options.workers, budget_seconds)
    except (InputError, TrainingError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _tune(setting: Setting, methods: str, workers: int, budget_seconds: float | None) -> int:
    from aru.stages.runner import run as run_stage

    deadline = None if budget_seconds is None else time.monotonic() + budget_seconds
    config, work = load_config(Path("params.yaml"), setting.benchmark), Path("work") / setting.benchmark
    names, left_out = tunable(methods, config)
    target = tuned_file(Path("."), setting.benchmark, config)
    if not (work / "prepared" / "manifest.csv").is_file():
        run_stage("prepare", setting.benchmark)
    check_frozen(setting, config, work, target)
    for sentence in (*left_out, *tuning_draws(setting, config, work / "prepared")[1]):
        print(sentence)
    base = missing_base(setting, config, work)
    left = run_locally(
        [task_job(task, config, work) for task in base],
        workers=workers,
        budget_seconds=budget_seconds,
        done=lambda job, number: print(f"{number}/{len(base)} {job.label}", flush=True),
    )
    searches = [Search(name, setting, config) for name in names]
    if not left:
        caps = caps_of(setting, config, work)
        for draw, seconds in caps.items():
            print(f"cap on tuning draw {draw.number}: {seconds:.1f} CPU seconds", flush=True)
        with process_pool(workers) as pool:
            run_searches(
                searches,
                caps,
                config,
                work,
                submit=lambda job: pool.submit(job.do),
                at_once=workers,
                on_trial=lambda search, trial: print(format_trial(search, trial), flush=True),
                over=lambda: deadline is not None and time.monotonic() > deadline,
            )
    unfinished = write_tuning(setting, config, work, searches, target)
    print(f"not all trials are done, run the same again: {', '.join(unfinished)}" if unfinished else f"complete: {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
