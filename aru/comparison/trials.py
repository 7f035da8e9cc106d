"""One trial of tuning: a method with changed parameters on the tuning draws, scored without any retrained model."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from aru.comparison.cell import figures_of, open_store, run_task, task_files
from aru.comparison.choices import changed_choice, parse_choice
from aru.comparison.draws import Draw, distinct_draws, draws_of, load_draw
from aru.comparison.plan import MethodTask, OriginalTask, RetrainedTask, Task, make_plan
from aru.comparison.store import Store, StoredRecord
from aru.compute.device import make_compute
from aru.compute.jobs import Job
from aru.compute.keys import digest
from aru.core.config import Config
from aru.core.errors import InputError, TrainingError
from aru.core.progress import Progress, silent

OBJECTIVE = "(test/accuracy + 1 - 2 |mia_matched/auc - 0.5|) / 2"
WORST = 0.0
"""The least value of the objective: the score that a search gets for a trial without one."""
State = Literal["done", "failed", "over the cap"]


@dataclass(frozen=True)
class Setting:
    """What is the same for every method: trials, the cap on each, and the problems they are scored on."""

    benchmark: str
    trials: int = 10
    cap: float = 0.25  # of the CPU seconds of retraining on the same draw
    draws: int = 1
    seeds: int = 1
    seed: int = 0  # of the search, and the first training seed

    def __post_init__(self) -> None:
        for name, least in (("trials", 1), ("draws", 1), ("seeds", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise InputError(f"{name} is {getattr(self, name)}: at least {least} is needed")
        if not 0 < self.cap < float("inf"):
            raise InputError(f"cap is {self.cap}: a share of retraining's cost above 0 is needed, such as 0.25")


@dataclass(frozen=True)
class Outcome:
    """The result of a trial; `message` is the reason where there is no score."""

    state: State
    score: float | None
    cpu_seconds: float
    message: str = ""


_OF_THE_METHOD = (ArithmeticError, AssertionError, LookupError, RuntimeError, TypeError, ValueError)
"""What a method raises with parameters that it cannot take: its trial failed. Disk, memory and a user who stops are not."""


class OverCap(Exception):
    """A method has used up its CPU seconds."""


class StoppedRecord(StoredRecord):
    """The record of a cell that was stopped at the cap, or whose method raised."""

    state: State
    message: str
    label: str
    cell: str
    cpu_seconds: float


def objective(figures: Mapping[str, float]) -> float:
    """NoMUS (arXiv 2311.02240) with the class-matched attack's AUC in place of the attack's accuracy; 0 to 1, 1 is best.

    It needs the unlearned model alone. The benchmark's own attack sees the difference in classes between forget and
    unseen, so that a method could gain by what labels alone give; within a class they give nothing, and the AUC of every
    model that treats both alike is 0.5. What it cannot see: how near the model is to a retrained one (whose AUC on this
    draw may differ from 0.5 by chance), single people at risk within the average, and whether parameters found on the
    tuning people, who are fewer and give fewer steps an epoch, serve a larger problem as well.
    """
    return (figures["test/accuracy"] + 1 - 2 * abs(figures["mia_matched/auc"] - 0.5)) / 2


def tuning_draws(setting: Setting, config: Config, prepared: Path) -> tuple[list[Draw], list[str]]:
    """The draws that methods are scored on, and a sentence for each that is an earlier one again."""
    found, left_out = distinct_draws(prepared, draws_of("tuning", setting.draws), config)
    return list(found), left_out


def base_tasks(setting: Setting, config: Config, prepared: Path) -> list[Task]:
    """What all methods share: the originals, and for each draw one retraining, for its cost."""
    plan = make_plan(
        setting.benchmark,
        config,
        prepared,
        [parse_choice("retrain", config)],
        draws_of("tuning", setting.draws),
        seeds=setting.seeds,
        first_seed=setting.seed,
        compute=make_compute(config.runtime),
    )
    return [task for task in plan.tasks if isinstance(task, OriginalTask) or task.train_seed == setting.seed]


def missing_base(setting: Setting, config: Config, work: Path) -> list[Task]:
    """The tasks of `base_tasks` that are not there yet."""
    store = open_store(work)
    missing = [task for task in base_tasks(setting, config, work / "prepared") if not store.has(task.key, model=True)]
    for task in missing:
        if reason := store.failure(task.key):
            raise TrainingError(f"{task.label}: {reason}")
    return missing


def caps_of(setting: Setting, config: Config, work: Path) -> dict[Draw, float]:
    """The CPU seconds that a method may use on each draw; of the retrained models nothing but their cost is read."""
    store = open_store(work)
    return {
        task.draw: setting.cap * store.record(task.key)["cpu_seconds"]
        for task in base_tasks(setting, config, work / "prepared")
        if isinstance(task, RetrainedTask)
    }


def trial_tasks(
    setting: Setting, config: Config, prepared: Path, method: str, changes: Mapping[str, Any], number: int
) -> list[MethodTask]:
    """The cells of a trial: the method with these (nested) changes of its defaults, on every draw and seed."""
    choice = changed_choice(method, config, changes, f"trial {number}")
    plan = make_plan(
        setting.benchmark,
        config,
        prepared,
        [choice],
        draws_of("tuning", setting.draws),
        seeds=setting.seeds,
        first_seed=setting.seed,
        compute=make_compute(config.runtime),
    )
    return [task for task in plan.tasks if isinstance(task, MethodTask)]


def run_trial(
    tasks: Sequence[MethodTask], caps: Mapping[Draw, float], config: Config, work: Path, *, progress: Progress = silent
) -> Outcome:
    """Compute a trial's cells and take the mean of the objective; the first that has no score ends the trial.

    Results come from the store where they are there, so that a search that was cut off finds what it had.
    """
    scores, spent = [], 0.0
    for task in tasks:
        outcome = _run_cell(task, caps[task.draw], config, work, progress)
        spent += outcome.cpu_seconds
        if outcome.score is None:
            return replace(outcome, cpu_seconds=round(spent, 3))
        scores.append(outcome.score)
    return Outcome("done", round(sum(scores) / len(scores), 6), round(spent, 3))


def trial_job(label: str, tasks: Sequence[MethodTask], caps: Mapping[Draw, float], config: Config, work: Path) -> Job:
    """`run_trial` as a job."""
    stopped = open_stopped(work)
    ends = [stopped.at(stopped_key(task, caps[task.draw])) for task in tasks]
    files = task_files(tasks, config, work, outputs=ends)
    return Job(label, label, "aru.comparison.trials:run_trial", (tasks, caps, config), work=work, files=files)


def open_stopped(work: Path) -> Store[StoppedRecord]:
    """The cells that were stopped, in a store of their own: results do not depend on caps."""
    return Store(Path(work) / "comparison" / "stopped")


def stopped_key(task: MethodTask, cap: float) -> str:
    """The key of a cell that was stopped at a cap."""
    return digest([task.key, cap])


def _run_cell(task: MethodTask, cap: float, config: Config, work: Path, progress: Progress) -> Outcome:
    """Compute one cell, or record that it was stopped."""
    store, stopped, key = open_store(work), open_stopped(work), stopped_key(task, cap)
    sets, _, _ = load_draw(work / "prepared", task.draw, config)
    if not store.has(task.key) and not stopped.has(key):
        began = time.process_time()
        try:
            run_task(task, config, work, progress=_capped(progress, cap))
        except (OverCap, *_OF_THE_METHOD) as error:
            state: State = "over the cap" if isinstance(error, OverCap) else "failed"
            message = str(error) if isinstance(error, OverCap) else _reason(error)
            stopped.write(
                key,
                {
                    "state": state,
                    "message": message,
                    "label": task.label,
                    "cell": task.key,
                    "cpu_seconds": round(time.process_time() - began, 3),
                },
            )
    if not store.has(task.key):
        ended = stopped.record(key)
        return Outcome(ended["state"], None, ended["cpu_seconds"], ended["message"])
    record = store.record(task.key)
    if record["cpu_seconds"] > cap:
        return Outcome("over the cap", None, record["cpu_seconds"], f"more than {cap:.1f} CPU seconds")
    figures = {} if "failed" in record else figures_of(store, task, sets)
    failure = record.get("failed") or figures.get("failed")
    if failure:
        return Outcome("failed", None, record["cpu_seconds"], failure)
    return Outcome("done", objective(figures), record["cpu_seconds"])


def _reason(error: Exception) -> str:
    """An error in a sentence; one that is not meant for users with its kind."""
    return str(error) if isinstance(error, InputError | TrainingError) else f"{type(error).__name__}: {error}"


def _capped(progress: Progress, seconds: float) -> Progress:
    """`progress` until this process has used up its CPU seconds, then OverCap."""
    end = time.process_time() + seconds

    def report(done: int, total: int, text: str) -> None:
        progress(done, total, text)
        if time.process_time() > end:
            raise OverCap(f"stopped after {seconds:.1f} CPU seconds at {done} of {total} ({text})")

    return report
