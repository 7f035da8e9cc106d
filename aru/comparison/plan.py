"""The cells of a comparison: methods x training seeds x unlearning seeds x forget draws, and the work that they need."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from aru.comparison.choices import Choice
from aru.comparison.draws import Draw, load_draw
from aru.comparison.keys import method_key, original_key, retrained_key
from aru.comparison.store import Store
from aru.compute.device import Compute
from aru.core.config import Config
from aru.core.errors import InputError
from aru.methods.registry import find

_SEED_STEP = 1000
"""Distance of the unlearning seeds of one training seed; the first of them is the training seed itself."""


@dataclass(frozen=True)
class Task:
    """One piece of work: an original, a retrained model, or what a method makes of an original."""

    key: str
    kind: Literal["original", "retrained", "method"]
    benchmark: str
    draw: Draw
    train_seed: int
    seed: int
    choice: Choice | None = None
    original: str | None = None
    keep_weights: bool = True

    @property
    def label(self) -> str:
        """The task in a few words."""
        what = self.choice.method if self.choice else self.kind
        variant = f" ({self.choice.variant})" if self.choice and self.choice.variant != "default" else ""
        return f"{what}{variant}, {self.draw.protocol} draw {self.draw.number}, seed {self.seed}"


@dataclass(frozen=True)
class Plan:
    """All tasks of a comparison in the order in which they are started; `cells` are the rows of its tables."""

    tasks: list[Task]
    left_out: list[str]

    @property
    def cells(self) -> list[Task]:
        """The tasks that are rows: all but the originals, which stand there as the method ``nothing``."""
        return [task for task in self.tasks if task.kind != "original"]

    def missing(self, store: Store) -> list[Task]:
        """The tasks that have to be computed."""
        wanted = [task for task in self.tasks if not store.complete(task.key, model=task.keep_weights)]
        needed = {task.original for task in wanted if task.original}
        return [task for task in wanted if task.kind != "original" or task.key in needed]


def make_plan(
    benchmark: str,
    config: Config,
    prepared: Path,
    choices: Iterable[Choice],
    draws: Iterable[Draw],
    *,
    seeds: int,
    compute: Compute,
    unlearn_seeds: int = 1,
    first_seed: int = 0,
    keep_weights: bool = False,
) -> Plan:
    """The tasks of a comparison, one training seed after another, so that what is done early can be read early.

    `keep_weights`: store the weights of all methods, not of originals and retrained models alone.
    """
    if seeds < 1 or unlearn_seeds < 1:
        raise InputError(f"{min(seeds, unlearn_seeds)} seeds: at least one is needed")
    if unlearn_seeds > 1 and first_seed + seeds > _SEED_STEP:
        raise InputError(f"training seed {first_seed + seeds - 1} meets the unlearning seeds: choose it below {_SEED_STEP}")
    chosen, left_out = _fitting(choices, config)
    tasks: dict[str, Task] = {}
    for seed in range(first_seed, first_seed + seeds):
        for draw in draws:
            for task in _tasks(benchmark, config, prepared, chosen, draw, seed, unlearn_seeds, compute, keep_weights):
                tasks.setdefault(task.key, task)
    return Plan(list(tasks.values()), left_out)


def _tasks(
    benchmark: str,
    config: Config,
    prepared: Path,
    choices: list[Choice],
    draw: Draw,
    seed: int,
    unlearn_seeds: int,
    compute: Compute,
    keep_weights: bool,
) -> Iterable[Task]:
    _, _, sets = load_draw(prepared, draw, config)

    def keyed(task: Task) -> Task:
        return replace(task, key=expected_key(task, config, sets, compute))

    original = keyed(Task("", "original", benchmark, draw, seed, seed))
    yield original
    for choice in choices:
        if choice.method == "retrain":
            yield keyed(Task("", "retrained", benchmark, draw, seed, seed, choice))
            continue
        for number in range(1 if find(choice.method).deterministic else unlearn_seeds):
            yield keyed(
                replace(
                    original,
                    kind="method",
                    seed=seed + _SEED_STEP * number,
                    choice=choice,
                    original=original.key,
                    keep_weights=keep_weights,
                )
            )


def expected_key(task: Task, config: Config, sets: dict[str, str], compute: Compute) -> str:
    """The key of a task's result by the code, parameters, data and arithmetic of this process; `sets` are digests."""
    if task.kind == "retrained":
        return retrained_key(config.model_copy(update={"train": task.choice.parameters}), task.seed, sets, compute)
    original = original_key(config, task.train_seed, sets, compute)
    if task.kind == "original":
        return original
    module = find(task.choice.method).function.__module__
    return method_key(original, module, task.choice.method, task.choice.parameters, task.seed, sets)


def _fitting(choices: Iterable[Choice], config: Config) -> tuple[list[Choice], list[str]]:
    """The choices that are defined for the task, and a sentence for each that is not."""
    multilabel = config.data.task == "multilabel"
    chosen, left_out = [], []
    for choice in choices:
        if multilabel and not find(choice.method).multilabel:
            left_out.append(f"{choice.method} is not defined for the multi-label task and is left out")
        else:
            chosen.append(choice)
    return chosen, left_out
