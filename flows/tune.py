"""The search for every method's parameters: equal trials, equal cost caps; and `python -m flows.tune` without servers.

Optuna's sampler is seeded and is told the same scores in the same order, so a search that was cut off asks for the same
parameters again and finds its results in the comparison's store.
"""

import argparse
import multiprocessing
import os
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: idle OpenMP threads spin

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from aru.comparison.choices import nested, parse_choice
from aru.comparison.keys import digest
from aru.comparison.pool import run_tasks
from aru.comparison.spaces import Choices, Int, Range, Space, space_of, tunable
from aru.comparison.trials import WORST, Outcome, Setting, caps_of, missing_base, run_trial, trial_tasks
from aru.comparison.tuning import Trial, curve, frozen, merged, meta_of, write_tuned
from aru.config import Config, load_config
from aru.errors import InputError, TrainingError
from aru.files import write_json
from aru.progress import silent

Run = Callable[[int, Mapping[str, Any]], Outcome]
"""(number of the trial, dotted parameters) -> what came of it."""
_RANDOM_TRIALS = 4
"""Trials drawn at random before the sampler learns from them."""


def tune_method(method: str, setting: Setting, config: Config, run: Run, *, over: Callable[[], bool] = lambda: False,
                told: Callable[[int, Trial], None] = lambda number, trial: None) -> list[Trial]:
    """Ask for parameters and tell the scores, `setting.trials` times, or fewer where `over` says so.

    Trial 0 is the defaults as they are. Where these lie outside the space (many are longer than the cap allows), trial 1
    is the point of the space nearest to them. A trial without a score counts as the worst, so that the search turns away.
    """
    space = space_of(method, config)
    study = _study(method, setting)
    distributions = {name: _distribution(range_) for name, range_ in space.items()}
    defaults = _defaults(method, config, space)
    start = {name: _nearest(range_, defaults[name]) for name, range_ in space.items()}
    inside = start == defaults
    trials: list[Trial] = []
    while len(trials) < setting.trials and not over():
        number, asked, parameters = len(trials), None, {}
        if number == 1 and not inside:
            study.enqueue_trial(start)
        if number > 0:
            asked = study.ask(distributions)
            parameters = {name: asked.params[name] for name in sorted(asked.params)}
        trial = Trial(parameters, run(number, parameters))
        score = WORST if trial.outcome.score is None else trial.outcome.score
        if asked is not None:
            study.tell(asked, score)
        elif inside:
            study.add_trial(optuna.trial.create_trial(params=start, distributions=distributions, value=score))
        trials.append(trial)
        told(number, trial)
    return trials


def _study(method: str, setting: Setting) -> optuna.Study:
    """A seeded search, kept in memory: what is worth keeping is in the comparison's store."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.TPESampler(seed=int(digest([setting.seed, method])[:8], 16), n_startup_trials=_RANDOM_TRIALS)
    return optuna.create_study(direction="maximize", sampler=sampler)


def _distribution(range_: Range) -> BaseDistribution:
    if isinstance(range_, Choices):
        return CategoricalDistribution(range_.values)
    if isinstance(range_, Int):
        return IntDistribution(range_.low, range_.high, log=range_.log)
    return FloatDistribution(range_.low, range_.high, log=range_.log)


def _defaults(method: str, config: Config, space: Space) -> dict[str, Any]:
    """The default values of the parameters of the space."""
    values = parse_choice(method, config).parameters.model_dump(mode="json")
    found = {}
    for name in space:
        value: Any = values
        for part in name.split("."):
            value = value[part]
        found[name] = value
    return found


def _nearest(range_: Range, value: Any) -> Any:
    """The value itself where it is in the range, else the nearest bound or the first choice."""
    if range_.holds(value):
        return value
    return range_.values[0] if isinstance(range_, Choices) else min(max(value, range_.low), range_.high)


def search(method: str, setting: Setting, config: Config, work: Path, caps: Mapping[Any, float],
           deadline: float | None = None) -> list[Trial]:
    """`tune_method` with every trial computed in this process; prints a line a trial."""
    def run(number: int, parameters: Mapping[str, Any]) -> Outcome:
        tasks = trial_tasks(setting, config, work / "prepared", method, nested(parameters), number)
        return run_trial(tasks, caps, config, work, progress=silent)

    def told(number: int, trial: Trial) -> None:
        print(line(method, number, setting, trial), flush=True)

    return tune_method(method, setting, config, run, told=told, over=lambda: deadline is not None and time.time() > deadline)


def line(method: str, number: int, setting: Setting, trial: Trial) -> str:
    """A trial in one line."""
    outcome = trial.outcome
    said = f"{outcome.score:.4f}" if outcome.score is not None else outcome.state
    values = ", ".join(f"{key}={value:.3g}" if isinstance(value, float) else f"{key}={value}"
                       for key, value in trial.parameters.items())
    return f"{method:<17} {number + 1:>3}/{setting.trials} {outcome.cpu_seconds:7.1f} s  {said:<12} {values or 'defaults'}"


def finish(setting: Setting, config: Config, work: Path, found: Mapping[str, list[Trial]], target: Path) -> list[str]:
    """Write the curves, and the frozen file with the methods that had all their trials; returns the others."""
    write_json(work / "comparison" / "tuning.json", {name: curve(trials) for name, trials in sorted(found.items())})
    whole = {name: trials for name, trials in found.items() if len(trials) == setting.trials}
    if whole:
        write_tuned(target, merged(target, frozen(meta_of(setting, config, work), whole)))
    return [name for name in found if name not in whole]


def main(arguments: list[str] | None = None) -> int:
    """Tune without Prefect and MLflow, in processes of this machine."""
    parser = argparse.ArgumentParser(prog="python -m flows.tune", description=__doc__)
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
    from aru.stages import run as run_stage

    names = ("benchmark", "trials", "cap", "draws", "seeds", "seed")
    setting = Setting(**{name: getattr(options, name) for name in names})
    config, work = load_config(Path("params.yaml"), setting.benchmark), Path("work") / setting.benchmark
    methods, left_out = tunable(options.methods, config)
    target = Path("tuned") / f"{setting.benchmark}.yaml"
    deadline = time.time() + 60 * options.budget_minutes if options.budget_minutes else None
    if not (work / "prepared" / "manifest.csv").is_file():
        run_stage("prepare", setting.benchmark)
    merged(target, frozen(meta_of(setting, config, work), {}))  # refused before work starts, not after
    for sentence in left_out:
        print(sentence)
    run_tasks(missing_base(setting, config, work), config, work, workers=options.workers,
              done=lambda task, number, total: print(f"{number}/{total} {task.label}", flush=True))
    missing_base(setting, config, work)  # an original that diverged ends it here
    caps, context = caps_of(setting, config, work), multiprocessing.get_context("forkserver")
    for draw, seconds in caps.items():
        print(f"cap on draw {draw.number}: {seconds:.1f} CPU seconds", flush=True)
    with ProcessPoolExecutor(options.workers, mp_context=context) as pool:
        futures = {method: pool.submit(search, method, setting, config, work, caps, deadline) for method in methods}
        found = {method: future.result() for method, future in futures.items()}
    unfinished = finish(setting, config, work, found, target)
    print(f"{', '.join(unfinished)}: trials are left, run the same command again" if unfinished else f"complete: {target}")
    return 0


if __name__ == "__main__":
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    sys.exit(main())
