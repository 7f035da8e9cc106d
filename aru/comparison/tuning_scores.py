"""Settings scored on the tuning people, so that one of them can be chosen without a look at who is reported."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aru.comparison.cell import figures_of, open_store
from aru.comparison.choices import parse_choices
from aru.comparison.draws import draws_of, load_draw
from aru.comparison.parameter_sets import setting_name
from aru.comparison.plan import EvaluatedTask, make_plan
from aru.comparison.records import cost_of
from aru.comparison.trials import objective
from aru.compute.device import make_compute
from aru.core.config import Config
from aru.core.errors import InputError

PROTOCOL = "tuning"


@dataclass(frozen=True)
class Score:
    """Of one setting: the objective of `aru tune` by draw, the mean of the seeds of each, and means over all models.

    score: of the draws that differ, 0 to 1, 1 is best. share: the cost as a part of retraining's
    (`aru.comparison.records.cost_of`). models: how many were read.
    """

    name: str
    score: float
    by_draw: tuple[float, ...]
    accuracy: float
    auc: float
    share: float
    models: int


def tuning_scores(benchmark: str, methods: str, config: Config, work: Path, *, draws: int, seeds: int) -> list[Score]:
    """The settings by falling score; `methods` as a comparison takes them. Nothing is trained: logits are in the store.

    Raises InputError where a model is not there, or where one failed.
    """
    plan = make_plan(
        benchmark,
        config,
        work / "prepared",
        parse_choices(methods, config),
        draws_of(PROTOCOL, draws),
        seeds=seeds,
        compute=make_compute(config.runtime),
    )
    store = open_store(work)
    if missing := plan.missing(store):
        raise InputError(
            f"{len(missing)} of {len(plan.tasks)} models are not there, first {missing[0].label}: `python -m aru compare "
            f"{benchmark} --protocol {PROTOCOL} --draws {draws} --seeds {seeds} --methods '{methods}'` makes them"
        )
    settings: dict[str, list[EvaluatedTask]] = {}
    for task in plan.cells:
        settings.setdefault(setting_name(task.choice.method, task.choice.variant), []).append(task)
    problems = list(dict.fromkeys(task.draw for task in plan.cells))
    sets = {draw: load_draw(work / "prepared", draw, config)[0] for draw in problems}
    figures, seconds = {}, {}
    for task in plan.cells:
        record = store.record(task.key)
        figures[task.key] = {} if "failed" in record else figures_of(store, task, sets[task.draw])
        seconds[task.key] = cost_of(record)
        if failure := record.get("failed") or figures[task.key].get("failed"):
            raise InputError(f"{task.label} has no score ({failure}): leave it out")
    retraining = sum(seconds[task.key] for task in settings["retrain"])
    found = []
    for name, tasks in settings.items():
        of_draws = [[objective(figures[task.key]) for task in tasks if task.draw == draw] for draw in problems]
        by_draw = tuple(float(np.mean(scores)) for scores in of_draws)
        found.append(
            Score(
                name=name,
                score=float(np.mean(by_draw)),
                by_draw=by_draw,
                accuracy=float(np.mean([figures[task.key]["test/accuracy"] for task in tasks])),
                auc=float(np.mean([figures[task.key]["mia_matched/auc"] for task in tasks])),
                share=sum(seconds[task.key] for task in tasks) / retraining,
                models=len(tasks),
            )
        )
    return sorted(found, key=lambda one: -one.score)
