"""What a request does to the shadow models: those that saw the people are unlearned, the others are left alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from aru.comparison.choices import Choice
from aru.comparison.draws import Draw
from aru.comparison.store import Store, StoredRecord
from aru.compute.device import make_compute
from aru.compute.keys import digest
from aru.core.config import Config
from aru.core.errors import InputError, TrainingError
from aru.core.progress import Progress, silent
from aru.core.source_code import code_digest
from aru.core.stopwatch import Stopwatch
from aru.methods.registry import find
from aru.shadows.pool import Shadow, check_weights, logits_of, not_trained, open_pool, packed_logits
from aru.shadows.population import load_population
from aru.shadows.unlearn_requests import Request, load_request, sets_of_shadow, trained_on_any
from aru.train.loop import predict_placed


class UnlearnedRecord(StoredRecord):
    """The record of an unlearned shadow; `shadow` is the key of the trained one, `counts` are of images."""

    key: str
    shadow: str
    number: int
    protocol: str
    draw: int
    method: str
    variant: str
    config: dict[str, Any]
    counts: dict[str, int]
    seconds: float
    cpu_seconds: float


@dataclass(frozen=True, eq=False)
class Answers:
    """Logits of K shadows about the M photos of a request, before and after unlearning.

    before, after: (K, M, C) float32. seen: (K, M) bool, whether a shadow was trained on the person. unlearned: (K,) bool,
    whether the shadow saw anyone of the request; where not, after is before. numbers: (K,) which shadows these are; failed:
    those left out because the method diverged on them.
    """

    request: Request
    before: torch.Tensor
    after: torch.Tensor
    seen: np.ndarray
    unlearned: np.ndarray
    numbers: np.ndarray
    failed: tuple[int, ...]

    def signals(self, signal: Callable[[torch.Tensor, torch.Tensor], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """One signal of `aru.metrics.membership.signals` before and after. Shape: (K, M) each."""
        targets = self.request.targets
        before, after = (np.stack([signal(logits, targets) for logits in side]) for side in (self.before, self.after))
        return before, after


def open_answers(work: Path) -> Store[UnlearnedRecord]:
    """The logits of unlearned shadows; their weights are not stored."""
    return Store(Path(work) / "shadows" / "unlearned")


def answers_key(shadow: Shadow, request: Request, choice: Choice) -> str:
    """The key of what a method makes of a shadow, and of its answers to the request's photos."""
    module = find(choice.method).function.__module__
    return digest(
        [
            "unlearned shadow",
            shadow.key,
            choice.method,
            choice.parameters.model_dump(mode="json"),
            shadow.number,
            list(request.people),
            request.files.tolist(),
            request.pixels.tolist(),
            code_digest(module),
        ]
    )


def unlearn_shadow(
    shadow: Shadow, draw: Draw, choice: Choice, config: Config, work: Path, *, progress: Progress = silent
) -> None:
    """Unlearn one shadow, with its number as the seed, and store its logits; a result that exists is not computed again.

    A loss or logit that is not finite leaves a record with the reason: it is a result, and would be the same again.
    """
    store, prepared, compute = open_answers(work), Path(work) / "prepared", make_compute(config.runtime)
    request = load_request(draw, config, prepared)
    key = answers_key(shadow, request, choice)
    if store.has(key):
        return
    sets = sets_of_shadow(shadow, request, config, prepared)
    clock = Stopwatch()

    def record() -> UnlearnedRecord:
        return {
            "key": key,
            "shadow": shadow.key,
            "number": shadow.number,
            "protocol": draw.protocol,
            "draw": draw.number,
            "method": choice.method,
            "variant": choice.variant,
            "config": choice.parameters.model_dump(mode="json"),
            "counts": {"forget": len(sets.forget), "retain": len(sets.retain)},
            **clock.spent(),
        }

    finished: UnlearnedRecord | None = None
    try:
        model = find(choice.method).function(
            _model(shadow, work), sets, choice.parameters, seed=shadow.number, compute=compute, progress=progress
        )
        finished = record()
        placed = compute.placed_copy(model).eval()
        logits = packed_logits(
            torch.cat([predict_placed(placed, data, compute=compute) for data in request.sets if len(data)])
        )
    except TrainingError as error:
        store.write(key, {**(finished or record()), "failed": str(error)})
        return
    store.write(key, finished, logits={"logits": logits})


def not_unlearned(shadows: Sequence[Shadow], draw: Draw, choice: Choice, config: Config, work: Path) -> list[Shadow]:
    """The shadows that were trained on people of the request, or will be, and that are not unlearned yet."""
    if config.data.multilabel and not find(choice.method).multilabel:
        raise InputError(f"{choice.method} is not defined for the multi-label task: choose another method")
    prepared, store = Path(work) / "prepared", open_answers(work)
    request = load_request(draw, config, prepared)
    return [
        shadow
        for shadow in shadows
        if trained_on_any(shadow, request, config, prepared) and not store.has(answers_key(shadow, request, choice))
    ]


def answers(shadows: Sequence[Shadow], draw: Draw, choice: Choice, config: Config, work: Path) -> Answers:
    """The logits of a pool for a request, from what is there; InputError where something has to be computed first."""
    pool, store, prepared = open_pool(work), open_answers(work), Path(work) / "prepared"
    request = load_request(draw, config, prepared)
    population = load_population(prepared, draw.protocol, config)
    before, after, seen, unlearned, failed = [], [], [], [], []
    for shadow in shadows:
        if not pool.has(shadow.key):
            raise not_trained(shadow)
        key, affected = answers_key(shadow, request, choice), trained_on_any(shadow, request, config, prepared)
        if affected and not store.has(key):
            raise InputError(
                f"shadow {shadow.number} is not unlearned by {choice.method} for {draw.protocol} draw "
                f"{draw.number}: unlearn the pool first"
            )
        if affected and "failed" in store.record(key):
            failed.append(shadow.number)
            continue
        before.append(logits_of(pool, shadow.key, request.files.tolist()))
        after.append(store.logits(key)["logits"].float() if affected else before[-1])
        seen.append(np.isin(request.subjects, population.people[shadow.sees]))
        unlearned.append(affected)
    if not before:
        raise InputError(f"{choice.method} diverged on all {len(failed)} shadows: lower its learning rate")
    numbers = np.array([shadow.number for shadow in shadows if shadow.number not in failed])
    return Answers(
        request, torch.stack(before), torch.stack(after), np.stack(seen), np.array(unlearned), numbers, tuple(failed)
    )


def _model(shadow: Shadow, work: Path) -> torch.nn.Module:
    check_weights(shadow, work)
    return open_pool(work).model(shadow.key)
