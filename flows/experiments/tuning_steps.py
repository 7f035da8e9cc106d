"""The steps of tuning, with Prefect (`flows.experiments.tuning`) and without (`flows.experiments.plain_tuning`)."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from aru.comparison.choices import nested
from aru.comparison.draws import Draw
from aru.comparison.plan import MethodTask
from aru.comparison.trials import Setting, caps_of, run_trial, trial_job, trial_tasks
from aru.comparison.tuning import Trial, TrialRow, curve, frozen, merged, meta_of, write_tuned
from aru.compute.jobs import Job
from aru.compute.work_queue import Pending, never, run_queue
from aru.core.config import Config
from aru.core.files import read_json, write_json
from aru.reporting.comparison.tuning_figures import write_tuning_figures
from flows.experiments.search import Search


def run_searches(
    searches: Sequence[Search],
    caps: Mapping[Draw, float],
    config: Config,
    work: Path,
    *,
    submit: Callable[[Job], Pending],
    at_once: int,
    on_trial: Callable[[Search, Trial], None],
    over: Callable[[], bool] = never,
    stop: Callable[[], None] = lambda: None,
) -> None:
    """Run the trials of several searches, one trial of a search at a time: it learns from every trial before the next.

    A published setting is run to its end whatever it costs; the caps are for what the search asks for.

    submit: starts the job of a trial elsewhere, which leaves its results in the comparison's store, and returns its future.
    over: whether no further trial is to be started; trials that run are waited for. stop: called on an interrupt.
    """
    waiting = list(searches)

    def next_trial() -> tuple[Search, list[MethodTask]] | None:
        if not waiting:
            return None
        search = waiting.pop(0)
        changes = nested(search.ask())
        return search, trial_tasks(search.setting, config, work / "prepared", search.method, changes, len(search.trials))

    def caps_for(search: Search) -> Mapping[Draw, float]:
        return dict.fromkeys(caps, math.inf) if search.at_published else caps

    def start(running: tuple[Search, list[MethodTask]]) -> Pending:
        search, tasks = running
        return submit(trial_job(f"{search.method} {len(search.trials)}", tasks, caps_for(search), config, work))

    def settle(running: tuple[Search, list[MethodTask]], future: Any) -> None:
        future.result()
        search, tasks = running
        trial = search.tell(run_trial(tasks, caps_for(search), config, work))  # read from the store: nothing is computed here
        on_trial(search, trial)
        if not search.done:
            waiting.insert(0, search)

    run_queue(
        next_trial,
        start,
        settle,
        at_once=at_once,
        over=over,
        stop=stop,
    )


def check_frozen(setting: Setting, config: Config, work: Path, target: Path) -> None:
    """Raise InputError, before work starts, where the file of frozen parameters is of another setting."""
    merged(target, frozen(meta_of(setting, config, work), {}))


def format_trial(search: Search, trial: Trial) -> str:
    """The newest trial of a search in one line: method, number, CPU seconds, score or state, parameters."""
    outcome = trial.outcome
    result = f"{outcome.score:.4f}" if outcome.score is not None else outcome.state
    values = ", ".join(
        f"{key}={value:.3g}" if isinstance(value, float) else f"{key}={value}" for key, value in trial.parameters.items()
    )
    number = f"{len(search.trials):>3}/{search.setting.trials}"
    return f"{search.method:<17}{number} {outcome.cpu_seconds:7.1f} s  {result:<12} {values or 'defaults'}"


def write_tuning(setting: Setting, config: Config, work: Path, searches: Sequence[Search], target: Path) -> list[str]:
    """Write the curves with their figures, and the frozen file with the methods that had all their trials.

    Curves of other methods, tuned in the same setting, stay beside those of these searches. Returns the methods that had not
    all: only equal tuning is frozen.
    """
    if any(search.trials for search in searches):
        _write_curves(setting, config, work, {search.method: curve(search.trials) for search in searches if search.trials})
    complete = {search.method: search.trials for search in searches if search.done}
    if complete:
        affordable = setting.seeds * sum(caps_of(setting, config, work).values())
        write_tuned(target, merged(target, frozen(meta_of(setting, config, work), complete, affordable)))
    return [search.method for search in searches if not search.done]


def _write_curves(setting: Setting, config: Config, work: Path, curves: Mapping[str, list[TrialRow]]) -> None:
    path, made_for = (work / "comparison" / name for name in ("tuning.json", "tuning_setting.json"))
    meta = meta_of(setting, config, work)
    same = path.is_file() and made_for.is_file() and read_json(made_for) == meta
    together = dict(sorted({**(read_json(path) if same else {}), **curves}.items()))
    write_json(path, together)
    write_json(made_for, meta)
    write_tuning_figures(work / "comparison" / "figures", together)
