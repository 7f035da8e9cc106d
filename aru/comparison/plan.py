"""The cells of a comparison: methods x training seeds x unlearning seeds x forget draws, and the work that they need."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

from aru.comparison.choices import Choice
from aru.comparison.draws import Draw, distinct_draws
from aru.comparison.keys import method_key, original_key, retrained_key
from aru.comparison.parameter_sets import setting_name
from aru.comparison.store import Store
from aru.compute.device import Compute
from aru.core.config import Config
from aru.core.errors import InputError
from aru.methods.registry import find

_SEED_STEP = 1000
"""Distance of the unlearning seeds of one training seed; the first of them is the training seed itself."""


@dataclass(frozen=True, kw_only=True)
class _Model:
    """What the tasks of all kinds have. train_seed: of the original; seed: of the task's own training or unlearning."""

    key: str
    benchmark: str
    draw: Draw
    train_seed: int
    seed: int
    keep_weights: bool = True

    @property
    def after(self) -> str | None:
        """The key of the task that has to be done before this one."""
        return None

    def _labelled(self, name: str) -> str:
        return f"{name}, {self.draw.protocol} draw {self.draw.number}, seed {self.seed}"


@dataclass(frozen=True, kw_only=True)
class OriginalTask(_Model):
    """Train a model on forget and retain."""

    kind: ClassVar[Literal["original"]] = "original"

    @property
    def label(self) -> str:
        """The task in a few words."""
        return self._labelled("original")


@dataclass(frozen=True, kw_only=True)
class _Chosen(_Model):
    choice: Choice

    @property
    def label(self) -> str:
        """The task in a few words."""
        return self._labelled(setting_name(self.choice.method, self.choice.variant))


@dataclass(frozen=True, kw_only=True)
class RetrainedTask(_Chosen):
    """Train a model on retain alone, by the recipe in the choice's parameters."""

    kind: ClassVar[Literal["retrained"]] = "retrained"


@dataclass(frozen=True, kw_only=True)
class MethodTask(_Chosen):
    """Unlearn the original model whose key is `original`."""

    original: str
    kind: ClassVar[Literal["method"]] = "method"

    @property
    def after(self) -> str | None:
        """The key of the original."""
        return self.original


EvaluatedTask = RetrainedTask | MethodTask
"""A task that is a row of the tables."""
Task = OriginalTask | EvaluatedTask
AnyTask = TypeVar("AnyTask", OriginalTask, RetrainedTask, MethodTask)


@dataclass(frozen=True)
class Plan:
    """The work of a comparison, each once, in the order in which it is started, and the rows of its tables.

    cells: all tasks but the originals, which stand there as the method ``nothing``; where two settings are the same work, such
    as a preset that is the defaults, each is a row, and they share a key. left_out: sentences about what is no row.
    """

    tasks: list[Task]
    cells: list[EvaluatedTask]
    left_out: list[str]

    def missing(self, store: Store[Any]) -> list[Task]:
        """The tasks that have to be computed."""
        wanted = [task for task in self.tasks if not store.complete(task.key, model=task.keep_weights)]
        needed = {task.original for task in wanted if isinstance(task, MethodTask)}
        return [task for task in wanted if not isinstance(task, OriginalTask) or task.key in needed]


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
    if first_seed < 0:
        raise InputError(f"training seed {first_seed}: seeds count from 0")
    if unlearn_seeds > 1 and first_seed + seeds > _SEED_STEP:
        raise InputError(f"training seed {first_seed + seeds - 1} meets the unlearning seeds: choose it below {_SEED_STEP}")
    chosen, left_out = _fitting(choices, config)
    distinct, again = distinct_draws(prepared, draws, config)
    planned = [
        task
        for seed in range(first_seed, first_seed + seeds)
        for draw, sets in distinct.items()
        for task in _tasks(benchmark, config, sets, chosen, draw, seed, unlearn_seeds, compute, keep_weights)
    ]
    tasks: dict[str, Task] = {}
    for task in planned:
        tasks.setdefault(task.key, task)
    cells = [task for task in planned if not isinstance(task, OriginalTask)]
    return Plan(list(tasks.values()), cells, [*left_out, *again])


def _tasks(
    benchmark: str,
    config: Config,
    sets: dict[str, str],
    choices: list[Choice],
    draw: Draw,
    seed: int,
    unlearn_seeds: int,
    compute: Compute,
    keep_weights: bool,
) -> Iterable[Task]:
    def keyed(task: AnyTask) -> AnyTask:
        return replace(task, key=expected_key(task, config, sets, compute))

    original = keyed(OriginalTask(key="", benchmark=benchmark, draw=draw, train_seed=seed, seed=seed))
    yield original
    for choice in choices:
        if choice.method == "retrain":
            yield keyed(RetrainedTask(key="", benchmark=benchmark, draw=draw, train_seed=seed, seed=seed, choice=choice))
            continue
        for number in range(1 if find(choice.method).deterministic else unlearn_seeds):
            yield keyed(
                MethodTask(
                    key="",
                    benchmark=benchmark,
                    draw=draw,
                    train_seed=seed,
                    seed=seed + _SEED_STEP * number,
                    choice=choice,
                    original=original.key,
                    keep_weights=keep_weights,
                )
            )


def expected_key(task: Task, config: Config, sets: dict[str, str], compute: Compute) -> str:
    """The key of a task's result by the code, parameters, data and arithmetic of this process; `sets` are digests."""
    if isinstance(task, RetrainedTask):
        return retrained_key(config.model_copy(update={"train": task.choice.parameters}), task.seed, sets, compute)
    original = original_key(config, task.train_seed, sets, compute)
    if isinstance(task, OriginalTask):
        return original
    module = find(task.choice.method).function.__module__
    return method_key(original, module, task.choice.method, task.choice.parameters, task.seed, sets)


def _fitting(choices: Iterable[Choice], config: Config) -> tuple[list[Choice], list[str]]:
    """The choices that are defined for the task, and a sentence for each that is not."""
    multilabel = config.data.multilabel
    chosen, left_out = [], []
    for choice in choices:
        if multilabel and not find(choice.method).multilabel:
            left_out.append(f"{choice.method} is not defined for the multi-label task and is left out")
        else:
            chosen.append(choice)
    return chosen, left_out
