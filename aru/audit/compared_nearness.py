"""The relative test on all models of a comparison: is each nearer to the retrained models of its draw, or to its original?"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import numpy as np

from aru.audit.audit_file import Answer, Relative
from aru.audit.case import AUDITED, make_case
from aru.audit.relative import relative
from aru.comparison.cell import open_store
from aru.comparison.choices import REFERENCES, Choice
from aru.comparison.command import choice as as_typed
from aru.comparison.draws import Draw, assign, load_draw
from aru.comparison.parameter_sets import PARAMETERS, setting_name
from aru.comparison.plan import RetrainedTask, make_plan
from aru.compute.device import make_compute
from aru.core.config import Config
from aru.core.errors import InputError
from aru.core.names import ORIGINAL
from aru.data.manifest import read_manifest

ANSWERS: tuple[Answer, ...] = ("retrained", "undecided", "original")


class ModelNearness(TypedDict):
    """The test of one model. seed: of its training, and of the original's."""

    method: str
    variant: str
    draw: int
    seed: int
    test: Relative


@dataclass(frozen=True)
class SettingNearness:
    """Of one setting, over its models.

    places: 0 at the retrained models' mean curve, 1 at the original's, one a model. within: how many have 0 in their 95 %
    interval over people.
    """

    name: str
    answers: dict[Answer, int]
    within: int
    places: tuple[float, ...]

    @property
    def place(self) -> float:
        """Their mean; NaN without one."""
        return float(np.mean(self.places)) if self.places else math.nan


def compared_nearness(
    benchmark: str,
    choices: Sequence[Choice],
    draws: Sequence[Draw],
    config: Config,
    work: Path,
    *,
    seeds: int,
    references: int = 0,
) -> list[ModelNearness]:
    """The relative test of every model of these settings, training seeds 0 to `seeds` - 1; nothing is trained.

    References are the retrained models of these seeds, or of so many where `references` are more, and of the same draw; of
    a retrained model the other ones. Raises InputError where a model is not there or failed, or where a draw has fewer
    than two retrained models: one of them would have no reference.
    """
    if seeds < 1:
        raise InputError(f"{seeds} seeds: at least one is needed")
    most = max(seeds, references)
    if most < 2:
        raise InputError(f"{most} seeds: at least two are needed, so that a retrained model has another one beside it")
    plan = make_plan(
        benchmark,
        config,
        work / "prepared",
        choices,
        draws,
        seeds=most,
        compute=make_compute(config.runtime),
    )
    store, tested = open_store(work), [task for task in plan.cells if task.train_seed < seeds]
    retrained = [task for task in plan.tasks if isinstance(task, RetrainedTask)]
    needed = list({task.key: task for task in (*tested, *retrained)}.values())
    if missing := [task for task in needed if not store.has(task.key)]:
        names = ",".join(as_typed(choice.method, choice.variant) for choice in choices if choice.method not in REFERENCES)
        tuned = next((f" --parameters {each.variant}" for each in choices if each.variant in PARAMETERS[1:]), "")
        raise InputError(
            f"{len(missing)} of {len(needed)} models are not there, first {missing[0].label}: `aru benchmark --benchmark "
            f"{benchmark} --methods '{names}' --protocol {draws[0].protocol} --seeds {most} --draws {len(draws)}"
            f"{f' --first-draw {draws[0].number}' * (draws[0].number > 0)}{tuned}` makes them"
        )
    if failed := next((task for task in needed if store.failure(task.key)), None):
        raise InputError(f"{failed.label} has no answers ({store.failure(failed.key)}): leave it out")
    manifest, found = read_manifest(work / "prepared" / "manifest.csv"), []
    originals = {(task.draw, task.train_seed): task.key for task in tested if task.choice.method == "nothing"}
    roles = {draw: assign(manifest, draw, config) for draw in draws}
    for task in tested:
        case = make_case(
            {},
            load_draw(work / "prepared", task.draw, config)[0],
            roles[task.draw],
            compute=make_compute(config.runtime),
            resamples=config.evaluate.resamples,
            seed=config.runtime.seed,
            logits={AUDITED: store.logits(task.key), ORIGINAL: store.logits(originals[task.draw, task.train_seed])},
            references=[store.logits(each.key) for each in retrained if each.draw == task.draw and each.key != task.key],
        )
        found.append(
            ModelNearness(
                method=task.choice.method,
                variant=task.choice.variant,
                draw=task.draw.number,
                seed=task.train_seed,
                test=relative(case),
            )
        )
    return found


def by_setting(found: Sequence[ModelNearness]) -> list[SettingNearness]:
    """One entry a setting, original and retrained first, the others by their place's distance from 0, without a place last."""
    settings: dict[tuple[str, str], list[Relative]] = {}
    for one in found:
        settings.setdefault((one["method"], one["variant"]), []).append(one["test"])
    entries = {
        (method, variant): _nearness(setting_name(method, variant), tests) for (method, variant), tests in settings.items()
    }

    def rank(key: tuple[str, str]) -> tuple[bool, float]:
        return key[0] not in REFERENCES, abs(entries[key].place) if entries[key].places else math.inf

    return [entries[key] for key in sorted(entries, key=rank)]


def _nearness(name: str, tests: Sequence[Relative]) -> SettingNearness:
    answers = Counter(test.get("answer") for test in tests)
    overall = [test["overall"] for test in tests if "overall" in test]
    return SettingNearness(
        name,
        {answer: answers[answer] for answer in ANSWERS},
        sum(one["interval"] is not None and one["interval"][0] <= 0 <= one["interval"][1] for one in overall),
        tuple(one["position"] for one in overall if one["position"] is not None),
    )
