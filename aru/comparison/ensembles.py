"""Unlearned against retrained models of many seeds: epsilon and KLoM, from the logits that a comparison stored.

One model pair shows a gap; whether unlearning is retraining in law shows in ensembles alone. The models of a side have to be
independent draws. So the unlearned ones are either one from each training seed, or, where one original has been unlearned
with more seeds than there are training seeds, all of that original, and then the figures speak of that original alone.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import numpy as np
import torch

from aru.comparison.cell import CellRecord, open_store
from aru.comparison.choices import parse_choice, parse_choices
from aru.comparison.draws import Protocol, draw_of, load_draw
from aru.comparison.parameter_sets import DEFAULT
from aru.comparison.plan import EvaluatedTask, MethodTask, RetrainedTask, make_plan
from aru.comparison.store import Store
from aru.compute.device import make_compute
from aru.core.config import Config
from aru.core.errors import InputError
from aru.core.names import FORGET, SETS
from aru.data.manifest import read_manifest
from aru.metrics.distance.klom import LEAST_ORACLES, Edge, KlomFigures, ensemble_margins, klom_figures
from aru.metrics.membership.epsilon import Cuts
from aru.metrics.membership.epsilon_figures import EpsilonFigures, epsilon_figures
from aru.metrics.membership.signals import logit_confidence

FEW_MODELS, FEW_BINS, BINS = 32, 10, 20
"""Below so many models a side KLoM takes 10 bins: with 20 its null is far from 0 (`aru.metrics.distance.klom.klom`)."""
CUTS = {"every": "every cut", "competition": "the competition's cuts"}
EDGES = {"closed": "last bin closed", "open": "last bin open, as in public code"}
OF_TRAINING, OF_UNLEARNING = "training and unlearning", "unlearning of one original"


@dataclass(frozen=True)
class EnsembleRequest:
    """method: as a comparison takes it. seeds, unlearn_seeds: how many of each are looked for in the store.

    cuts: of epsilon's estimate (`epsilon_estimates`); edge: of KLoM's last bin (`klom`). Public code has `competition` and
    `open`.
    """

    benchmark: str
    method: str
    protocol: Protocol = "official"
    draw: int = 0
    seeds: int = 64
    unlearn_seeds: int = 64
    cuts: Cuts = "every"
    edge: Edge = "closed"


class EnsembleFigures(TypedDict):
    """randomness: what the unlearned models differ by, `OF_TRAINING` or `OF_UNLEARNING`; klom: by set."""

    benchmark: str
    method: str
    protocol: str
    draw: int
    randomness: str
    unlearned: list[str]
    retrained: list[str]
    epsilon: EpsilonFigures
    klom: dict[str, KlomFigures]


def ensemble_figures(request: EnsembleRequest, config: Config, work: Path) -> EnsembleFigures:
    """Epsilon on the forget set and KLoM on all sets; `unlearned` and `retrained` are the keys of the models.

    Nothing is computed but figures. Raises InputError where the store has fewer than 2 unlearned or 4 retrained models.
    """
    draw = draw_of(request.protocol, request.draw)
    choice, store = parse_choice(request.method, config), open_store(work)
    if choice.method in ("retrain", "nothing"):
        raise InputError(f"{choice.method} is no unlearning method: name one, such as aru")
    plan = make_plan(
        request.benchmark,
        config,
        work / "prepared",
        parse_choices(f"retrain,{request.method}", config),
        [draw],
        seeds=request.seeds,
        unlearn_seeds=request.unlearn_seeds,
        compute=make_compute(config.runtime),
    )
    there = [task for task in plan.cells if store.has(task.key) and store.failure(task.key) is None]
    retrained = [task for task in there if isinstance(task, RetrainedTask) and task.choice.variant == DEFAULT]
    made = (choice.method, choice.variant)
    randomness, unlearned = independent(
        [task for task in there if isinstance(task, MethodTask) and (task.choice.method, task.choice.variant) == made]
    )
    if len(unlearned) < 2 or len(retrained) < LEAST_ORACLES:
        raise InputError(
            f"{len(unlearned)} independent models unlearned by {request.method} and {len(retrained)} retrained ones are in "
            f"the store: 2 and {LEAST_ORACLES} or more are needed; `aru benchmark --benchmark {request.benchmark} --protocol "
            f"{request.protocol} --methods 'retrain,{request.method}' --draws {request.draw + 1} --seeds N` makes one of each "
            "for a seed"
        )
    sets = load_draw(work / "prepared", draw, config)[0]
    subject = read_manifest(work / "prepared" / "manifest.csv").set_index("row")["subject"]
    sides = [_logits(store, tasks) for tasks in (unlearned, retrained)]
    klom: dict[str, KlomFigures] = {}
    seed = config.runtime.seed
    bins = BINS if min(len(unlearned), len(retrained) // 2) >= FEW_MODELS else FEW_BINS
    for role in SETS:
        data = getattr(sets, role)
        klom[role] = klom_figures(
            *(ensemble_margins([logits[role] for logits in side], data.targets) for side in sides),
            groups=subject.reindex(data.rows).to_numpy(dtype=str),
            resamples=config.evaluate.resamples,
            seed=seed,
            bins=bins,
            edge=request.edge,
        )
    phi = [np.stack([logit_confidence(logits[FORGET], sets.forget.targets) for logits in side]) for side in sides]
    return {
        "benchmark": request.benchmark,
        "method": request.method,
        "protocol": request.protocol,
        "draw": request.draw,
        "randomness": randomness,
        "unlearned": [task.key for task in unlearned],
        "retrained": [task.key for task in retrained],
        "epsilon": epsilon_figures(
            phi[0], phi[1], subject.reindex(sets.forget.rows).to_numpy(dtype=str), seed=seed, cuts=request.cuts
        ),
        "klom": klom,
    }


def independent(tasks: Iterable[MethodTask]) -> tuple[str, list[MethodTask]]:
    """The larger of: one model for each training seed, with its lowest unlearning seed, or all models of one original."""
    by_original: dict[int, list[MethodTask]] = defaultdict(list)
    for task in tasks:
        by_original[task.train_seed].append(task)
    firsts = [min(group, key=lambda task: task.seed) for _, group in sorted(by_original.items())]
    largest = max(by_original.values(), key=len, default=[])
    return (OF_UNLEARNING, largest) if len(largest) > len(firsts) else (OF_TRAINING, firsts)


def format_ensembles(found: EnsembleFigures) -> list[str]:
    """The figures as lines of text."""
    epsilon, person = found["epsilon"], found["epsilon"]["person"]
    image, request = epsilon["image"], epsilon["request"]
    edge = EDGES[found["klom"][FORGET]["edge"]]
    confidence = f"{100 * epsilon['confidence']:.0f} %"
    lines = [
        f"{found['method']} on {found['benchmark']}, {found['protocol']} draw {found['draw']}: "
        f"{len(found['unlearned'])} unlearned and {len(found['retrained'])} retrained models, independent by "
        f"{found['randomness']}",
        f"epsilon, estimate ({CUTS[image['cuts']]}): mean {image['estimate_mean']:.3f} (largest measurable "
        f"{image['estimate_largest_measurable']:.3f}), forgetting quality {image['forgetting_quality']:.3f}",
        f"epsilon, {confidence} lower bound: request {request['bound']:.3f} (largest measurable "
        f"{request['largest_measurable']:.3f}), people above 0: {100 * person['bound_above_zero']:.1f} %",
        f"{'KLoM':8} {'matched':>8} {'null':>8} {'excess':>8}  95 % interval over people ({edge})",
    ]
    for role, figures in found["klom"].items():
        bounds = figures["excess"]["interval"]
        shown = f"[{bounds[0]:.3f}, {bounds[1]:.3f}]" if bounds else "none"
        lines.append(
            f"{role:8} {figures['matched']['mean']:8.3f} {figures['null']['mean']:8.3f} {figures['excess']['mean']:8.3f}  "
            f"{shown}"
        )
    return lines


def _logits(store: Store[CellRecord], tasks: Sequence[EvaluatedTask]) -> list[dict[str, torch.Tensor]]:
    return [store.logits(task.key) for task in tasks]
