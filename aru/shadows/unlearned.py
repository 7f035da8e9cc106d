"""What a request does to the shadow models: those that saw the people are unlearned, the others are left alone.

A request is a draw's forget people. In a shadow its forget set is all that the shadow saw of them, and its retain set the
rest of what it saw; so no retain set holds a photo of a forgotten person.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from aru.code import code_digest
from aru.comparison.choices import Choice
from aru.comparison.draws import Draw, load_draw
from aru.comparison.keys import digest
from aru.comparison.store import Store
from aru.compute import choose
from aru.config import Config
from aru.data.images import ImageSet, Sets
from aru.errors import InputError, TrainingError
from aru.methods import find
from aru.progress import Progress, silent
from aru.shadows.pool import Shadow, logits_of, open_pool
from aru.shadows.population import load_population, manifest_of, once
from aru.training import predict


@dataclass(frozen=True, eq=False)
class Request:
    """The photos of a draw that shadows are asked about, each once.

    forget: the draw's forget set; unseen, test: those of its sets that show nobody who is in a shadow. people: whom to
    forget; photos, subjects, files, roles: (M,) of forget, unseen and test in this order.
    """

    draw: Draw
    forget: ImageSet
    unseen: ImageSet
    test: ImageSet
    people: tuple[str, ...]
    photos: np.ndarray
    subjects: np.ndarray
    files: np.ndarray
    roles: np.ndarray

    @property
    def sets(self) -> tuple[ImageSet, ImageSet, ImageSet]:
        """The sets in the order of the photos."""
        return self.forget, self.unseen, self.test

    @property
    def targets(self) -> torch.Tensor:
        """The labels in the order of the photos."""
        return torch.cat([data.targets for data in self.sets])


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
        """One signal of `aru.evaluation.signals` before and after. Shape: (K, M) each."""
        targets = self.request.targets
        before, after = (np.stack([signal(logits, targets) for logits in side]) for side in (self.before, self.after))
        return before, after


def open_answers(work: Path) -> Store:
    """What unlearning made of the shadows: logits alone."""
    return Store(Path(work) / "shadows" / "unlearned")


def load_request(draw: Draw, config: Config, prepared: Path) -> Request:
    """The photos that a draw asks about."""
    sets, _, _ = load_draw(prepared, draw, config)
    manifest, population = manifest_of(prepared), load_population(prepared, draw.protocol, config)
    chosen = [once(data, manifest) for data in (sets.forget, sets.unseen, sets.test)]
    inside = set(population.people)
    for place in (1, 2):
        strangers = ~manifest["subject"].iloc[chosen[place].rows].isin(inside).to_numpy()
        chosen[place] = chosen[place].take(np.flatnonzero(strangers))
    rows = manifest.iloc[np.concatenate([data.rows for data in chosen])]
    roles = np.repeat(["forget", "unseen", "test"], [len(data) for data in chosen])
    people = tuple(sorted(set(rows["subject"].to_numpy()[roles == "forget"])))
    return Request(draw, *chosen, people, *(rows[name].to_numpy() for name in ("photo", "subject", "digest")), roles)


def saw(shadow: Shadow, request: Request, config: Config, prepared: Path) -> bool:
    """Whether a shadow was trained on anyone of a request."""
    population = load_population(prepared, shadow.protocol, config)
    return bool(np.isin(population.people[shadow.sees], request.people).any())


def sets_of_shadow(shadow: Shadow, request: Request, config: Config, prepared: Path) -> Sets:
    """The unlearning problem of one shadow: what it saw of the request's people, and what it saw of the others."""
    population = load_population(prepared, shadow.protocol, config)
    asked = np.isin(population.subjects[shadow.positions], request.people)
    forget, retain = (population.train.take(shadow.positions[side]) for side in (asked, ~asked))
    if not len(retain):
        raise InputError(f"shadow {shadow.number} saw nobody but the {len(request.people)} people to forget: nothing is "
                         "left to retain; ask for fewer")
    return Sets(forget, retain, request.test, request.unseen)


def answers_key(shadow: Shadow, request: Request, choice: Choice) -> str:
    """The key of what a method makes of a shadow, and of its answers to the request's photos."""
    module = find(choice.method).function.__module__
    return digest(["unlearned shadow", shadow.key, choice.method, choice.parameters.model_dump(mode="json"), shadow.number,
                   list(request.people), request.files.tolist(), code_digest(module)])


def unlearn_shadow(shadow: Shadow, draw: Draw, choice: Choice, config: Config, work: Path, *,
                   progress: Progress = silent) -> None:
    """Unlearn one shadow, with its number as the seed, and keep its logits; what is there already is left as it is.

    A loss that is not finite leaves a record that says so: it is a result, and would not go better again.
    """
    store, prepared, compute = open_answers(work), Path(work) / "prepared", choose(config.runtime)
    request = load_request(draw, config, prepared)
    key = answers_key(shadow, request, choice)
    if store.has(key):
        return
    sets = sets_of_shadow(shadow, request, config, prepared)
    record = {"key": key, "shadow": shadow.key, "number": shadow.number, "protocol": draw.protocol, "draw": draw.number,
              "method": choice.method, "variant": choice.variant, "config": choice.parameters.model_dump(mode="json"),
              "counts": {"forget": len(sets.forget), "retain": len(sets.retain)}}
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        model = find(choice.method).function(_model(shadow, work), sets, choice.parameters, seed=shadow.number,
                                             compute=compute, progress=progress)
    except TrainingError as error:
        store.write(key, record | _spent(wall, cpu) | {"failed": str(error)})
        return
    record |= _spent(wall, cpu)
    logits = torch.cat([predict(model, data, compute=compute) for data in request.sets if len(data)])
    store.write(key, record, logits={"logits": logits.half()})


def pending(shadows: Sequence[Shadow], draw: Draw, choice: Choice, config: Config, work: Path) -> list[Shadow]:
    """The shadows that a request needs unlearned and that are not; InputError where one of them has no weights."""
    if config.data.task == "multilabel" and not find(choice.method).multilabel:
        raise InputError(f"{choice.method} is not defined for the multi-label task: choose another method")
    prepared, store = Path(work) / "prepared", open_answers(work)
    request = load_request(draw, config, prepared)
    found = [shadow for shadow in shadows if saw(shadow, request, config, prepared)
             and not store.has(answers_key(shadow, request, choice))]
    for shadow in found:
        _check_weights(shadow, work)
    return found


def answers(shadows: Sequence[Shadow], draw: Draw, choice: Choice, config: Config, work: Path) -> Answers:
    """The logits of a pool for a request, from what is there; InputError where something has to be computed first."""
    pool, store, prepared = open_pool(work), open_answers(work), Path(work) / "prepared"
    request = load_request(draw, config, prepared)
    population = load_population(prepared, draw.protocol, config)
    before, after, seen, unlearned, failed = [], [], [], [], []
    for shadow in shadows:
        if not pool.has(shadow.key):
            raise InputError(_not_trained(shadow))
        key, asked = answers_key(shadow, request, choice), saw(shadow, request, config, prepared)
        if asked and not store.has(key):
            raise InputError(f"shadow {shadow.number} is not unlearned by {choice.method} for {draw.protocol} draw "
                             f"{draw.number}: unlearn the pool first")
        if asked and "failed" in store.record(key):
            failed.append(shadow.number)
            continue
        before.append(logits_of(pool, shadow.key, request.files.tolist()))
        after.append(store.logits(key)["logits"].float() if asked else before[-1])
        seen.append(np.isin(request.subjects, population.people[shadow.sees]))
        unlearned.append(asked)
    if not before:
        raise InputError(f"{choice.method} diverged on all {len(failed)} shadows: lower its learning rate")
    numbers = np.array([shadow.number for shadow in shadows if shadow.number not in failed])
    return Answers(request, torch.stack(before), torch.stack(after), np.stack(seen), np.array(unlearned), numbers,
                   tuple(failed))


def _model(shadow: Shadow, work: Path) -> torch.nn.Module:
    _check_weights(shadow, work)
    return open_pool(work).model(shadow.key)


def _check_weights(shadow: Shadow, work: Path) -> None:
    pool = open_pool(work)
    if not pool.has(shadow.key):
        raise InputError(_not_trained(shadow))
    if not pool.has(shadow.key, model=True):
        raise InputError(f"the weights of shadow {shadow.number} were dropped, and unlearning it needs them: build the pool "
                         "with --restore-weights")


def _not_trained(shadow: Shadow) -> str:
    return f"shadow {shadow.number} of protocol {shadow.protocol} is not trained: build the pool first"


def _spent(wall: float, cpu: float) -> dict[str, Any]:
    return {"seconds": round(time.perf_counter() - wall, 3), "cpu_seconds": round(time.process_time() - cpu, 3)}
