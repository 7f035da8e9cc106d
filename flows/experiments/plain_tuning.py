"""Tuning: equal trials and equal cost caps for every method; `python -m flows.experiments.plain_tuning` needs no server."""

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: idle OpenMP threads spin

from aru.comparison.choices import nested
from aru.comparison.draws import Draw
from aru.comparison.local_runs import run_tasks
from aru.comparison.spaces import tunable
from aru.comparison.trials import Outcome, Setting, caps_of, missing_base, run_trial, trial_tasks
from aru.comparison.tuning import Trial, curve, frozen, merged, meta_of, write_tuned
from aru.compute.processes import process_pool
from aru.core.config import Config, load_config
from aru.core.errors import InputError, TrainingError
from aru.core.files import write_json
from aru.reporting.comparison.tuning_figures import write_tuning_figures
from flows.experiments.search import Search

Run = Callable[[int, Mapping[str, Any]], Outcome]
"""(number of the trial, dotted parameters) -> what came of it."""


def tune_method(
    method: str,
    setting: Setting,
    config: Config,
    run: Run,
    *,
    over: Callable[[], bool] = lambda: False,
    told: Callable[[int, Trial], None] = lambda number, trial: None,
) -> list[Trial]:
    """Ask, run and tell until all trials are done, or `over` says that the time is."""
    search = Search(method, setting, config)
    while not search.done and not over():
        number = len(search.trials)
        told(number, search.tell(run(number, search.ask())))
    return search.trials


def target_of(root: Path, benchmark: str) -> Path:
    """The benchmark's file of frozen parameters."""
    return Path(root) / "tuned" / f"{benchmark}.yaml"


def check(setting: Setting, config: Config, work: Path, target: Path) -> None:
    """Refuse, before work starts, what could not be written at its end."""
    merged(target, frozen(meta_of(setting, config, work), {}))


def line(method: str, number: int, setting: Setting, trial: Trial) -> str:
    """A trial in one line."""
    outcome = trial.outcome
    said = f"{outcome.score:.4f}" if outcome.score is not None else outcome.state
    values = ", ".join(
        f"{key}={value:.3g}" if isinstance(value, float) else f"{key}={value}" for key, value in trial.parameters.items()
    )
    return f"{method:<17}{number + 1:>3}/{setting.trials} {outcome.cpu_seconds:7.1f} s  {said:<12} {values or 'defaults'}"


def finish(setting: Setting, config: Config, work: Path, found: Mapping[str, list[Trial]], target: Path) -> list[str]:
    """Write the curves with their figures, and the frozen file with the methods that had all their trials.

    Returns those that had not: only equal tuning is frozen.
    """
    curves = {name: curve(trials) for name, trials in sorted(found.items()) if trials}
    write_json(work / "comparison" / "tuning.json", curves)
    write_tuning_figures(work / "comparison" / "figures", curves)
    whole = {name: trials for name, trials in found.items() if len(trials) == setting.trials}
    if whole:
        write_tuned(target, merged(target, frozen(meta_of(setting, config, work), whole)))
    return [name for name in found if name not in whole]


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
        return _run(options)
    except (InputError, TrainingError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _run(options: argparse.Namespace) -> int:
    from aru.stages.runner import run as run_stage

    names = ("benchmark", "trials", "cap", "draws", "seeds", "seed")
    setting = Setting(**{name: getattr(options, name) for name in names})
    config, work = load_config(Path("params.yaml"), setting.benchmark), Path("work") / setting.benchmark
    methods, left_out = tunable(options.methods, config)
    target = target_of(Path("."), setting.benchmark)
    deadline = time.time() + 60 * options.budget_minutes if options.budget_minutes else None
    if not (work / "prepared" / "manifest.csv").is_file():
        run_stage("prepare", setting.benchmark)
    check(setting, config, work, target)
    for sentence in left_out:
        print(sentence)
    run_tasks(
        missing_base(setting, config, work),
        config,
        work,
        workers=options.workers,
        done=lambda task, number, total: print(f"{number}/{total} {task.label}", flush=True),
    )
    caps = caps_of(setting, config, work)
    for draw, seconds in caps.items():
        print(f"cap on tuning draw {draw.number}: {seconds:.1f} CPU seconds", flush=True)
    with process_pool(options.workers) as pool:
        futures = {method: pool.submit(_search, method, setting, config, work, caps, deadline) for method in methods}
        found = {method: future.result() for method, future in futures.items()}
    unfinished = finish(setting, config, work, found, target)
    print(f"not all trials are done, run the same again: {', '.join(unfinished)}" if unfinished else f"complete: {target}")
    return 0


def _search(
    method: str, setting: Setting, config: Config, work: Path, caps: Mapping[Draw, float], deadline: float | None
) -> list[Trial]:
    """`tune_method` with every trial computed in this process, a line for each."""

    def run(number: int, parameters: Mapping[str, Any]) -> Outcome:
        tasks = trial_tasks(setting, config, work / "prepared", method, nested(parameters), number)
        return run_trial(tasks, caps, config, work)

    return tune_method(
        method,
        setting,
        config,
        run,
        over=lambda: deadline is not None and time.time() > deadline,
        told=lambda number, trial: print(line(method, number, setting, trial), flush=True),
    )


if __name__ == "__main__":
    sys.exit(main())
