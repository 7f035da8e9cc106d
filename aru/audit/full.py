"""The full level: attacks that know from a pool of shadow models how hard each image is, by image and by person.

The shadows are of random halves of the people (`aru.shadows`). Those that never saw a person say what "never seen" looks like
on that person's photos; the unseen people are in no shadow and are the false alarms.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from aru.audit import variants
from aru.audit.audit_file import Further, Value
from aru.audit.audited_model import AuditedModel
from aru.audit.case import AUDITED, Case
from aru.audit.criteria import FULL
from aru.audit.exposed_people import not_compared, people_found
from aru.audit.few_people import auc_over_people, too_few
from aru.audit.quick import PEOPLE_ARE_CLASSES
from aru.audit.verdicts import Found, Measurement, NotRun, from_interval, measured, named, worst_of
from aru.comparison.choices import parse_choice
from aru.core.errors import InputError
from aru.core.names import FORGET, ORIGINAL, TEST, UNLEARNED, UNSEEN
from aru.core.progress import Progress, silent
from aru.data.manifest import people_are_classes
from aru.methods.registry import find
from aru.metrics.interclass import interclass_test
from aru.metrics.membership.signals import confidence, logit_confidence
from aru.metrics.shadow_attacks.iam import iam
from aru.metrics.shadow_attacks.lira import lira_offline, u_lira
from aru.metrics.shadow_attacks.rmia import rmia, tune_a
from aru.metrics.shadow_attacks.shadow_signals import LEAST, PoolSignals, held_out, in_place_of_each
from aru.shadows.pool import Shadow, logits_of, open_pool, shadows_of
from aru.shadows.population import Population, load_population
from aru.shadows.status import models_there, status
from aru.shadows.unlearn_requests import Request, load_request
from aru.shadows.unlearned import answers
from aru.stats.intervals import draw_counts
from aru.stats.roc import auc, auc_interval
from aru.stats.stand_ins import LEAST_PEOPLE
from aru.train.from_scratch import fit_from_scratch

ASK = "it takes two more trainings and is made with --interclass"
UNKNOWN_METHOD = "the method that made this model is not known: the shadows cannot be unlearned alike"
INTERCLASS_SHARE = 0.1
_HALVES = 20_240_108
"""Seed of the halves of the shadows to which unseen people are held."""


Signal = Callable[[torch.Tensor, torch.Tensor], np.ndarray]
"""Of logits (M, C) and targets (M,): (M,), higher for members."""


@dataclass(frozen=True, eq=False)
class Pool:
    """The shadows that are there, and what they and the audited models answer to a request's photos.

    logits (K, M, C); seen (K, M); own and original (M, C), the audited model's and the original's; the photos are those of
    forget, unseen and test in this order.
    """

    shadows: list[Shadow]
    request: Request
    logits: torch.Tensor
    seen: np.ndarray
    own: torch.Tensor
    original: torch.Tensor

    def signals(self, signal: Signal, role: str) -> PoolSignals:
        """One signal of the photos of a role, under shadows and audited model."""
        chosen = self.request.roles == role
        targets = self.request.targets[torch.from_numpy(chosen)]
        values = [signal(logits[torch.from_numpy(chosen)], targets) for logits in (*self.logits, self.own)]
        return PoolSignals(np.stack(values[:-1]), self.seen[:, chosen], values[-1])

    def held_to(self, signal: Signal, role: str) -> PoolSignals:
        """The same for an attack by the shadows that never saw a photo, which are as many for an unseen person.

        No shadow saw an unseen person, and some half of them never saw a forgotten one. A mean over all of them is surer than
        one over half, so the forgotten would score wider, and by their highest photos higher, with nothing to find. So each
        unseen person is held to a half as well: one of each two shadows, drawn, as the shadows' own people are.
        """
        found = self.signals(signal, role)
        if role != UNSEEN:
            return found
        _, person = np.unique(self.people(role), return_inverse=True)
        first = np.random.default_rng(_HALVES).integers(0, 2, ((len(found.seen) + 1) // 2, int(person.max()) + 1), dtype=bool)
        passed_over = np.stack((first, ~first), axis=1).reshape(-1, first.shape[1])[: len(found.seen), person.reshape(-1)]
        return found._replace(seen=passed_over)

    def people(self, role: str) -> np.ndarray:
        """The person of every photo of a role."""
        return self.request.subjects[self.request.roles == role]


def full(case: Case, audited: AuditedModel, *, progress: Progress = silent) -> tuple[Found, Further]:
    """The measurements by criterion and further figures; what the pool cannot answer is not run, and says why."""
    found: Found = {"interclass": _interclass(case, audited, progress)}
    try:
        pool = load_pool(case, audited)
        attacked, figures = offline_attacks(case, pool)
    except InputError as error:
        return found | dict.fromkeys((name for name in FULL if name != "interclass"), NotRun(str(error))), {}
    found |= attacked | {"u_lira": _u_lira(pool, audited, case)}
    progress(1, 1, "audit, shadow models")
    return found, {"Shadow models": {"shadow models": len(pool.shadows), **figures}}


def offline_attacks(case: Case, pool: Pool) -> tuple[Found, dict[str, Value]]:
    """What needs no shadow to be unlearned: offline LiRA, RMIA, IAM, and by person the worse of the first two."""
    scores, figures = _offline(pool)
    never = [~pool.held_to(logit_confidence, role).seen for role in (FORGET, UNSEEN)]
    which = {"lira_offline": variants.lira_offline(*never), "rmia": variants.RMIA}
    aucs = {name: named(_auc(case, pool, sides), which[name]) for name, sides in scores.items()}
    people = (pool.people(FORGET), pool.people(UNSEEN))
    found = [
        not_compared(NotRun(PEOPLE_ARE_CLASSES, asked=False))
        if people_are_classes(case.manifest)
        else people_found(sides[0], people[0], sides[1], people[1], resamples=case.resamples, seed=case.seed)
        for sides in scores.values()
    ]
    return aucs | {
        "iam": _iam(case, pool),
        "worst_people": worst_of(one.auc for one in found),
        "worst_people_at_5pct": worst_of(one.share for one in found),
    }, figures


def load_pool(case: Case, audited: AuditedModel) -> Pool:
    """The shadows that are trained and scored; InputError where there are too few, or they are of other people."""
    protocol, prepared, store = audited.request.protocol, audited.work / "prepared", open_pool(audited.work)
    count = models_there(store, protocol)
    build = f"`aru shadows build --benchmark {audited.benchmark} --protocol {protocol}`"
    if not count:
        raise InputError(f"there are no shadow models of the protocol {protocol}: {build} trains them")
    population = load_population(prepared, protocol, audited.config)
    entries = status(shadows_of(population, audited.config, case.compute, count), store, population.scored)
    shadows = [entry.shadow for entry in entries if entry.state in ("present", "weights dropped")]
    if not shadows:
        raise InputError(f"all {count} shadow models are stale: {build} trains them anew")
    request = load_request(audited.request, audited.config, prepared)
    places = [_places(case, role, rows.rows) for role, rows in zip((FORGET, UNSEEN, TEST), request.sets, strict=True)]
    own, original = (
        torch.cat([case.logits[model][role][place] for role, place in zip((FORGET, UNSEEN, TEST), places, strict=True)])
        for model in (AUDITED, ORIGINAL)
    )
    return _checked(
        Pool(
            shadows,
            request,
            torch.stack([logits_of(store, shadow.key, request.files.tolist()) for shadow in shadows]),
            _seen(shadows, population, request),
            own,
            original,
        ),
        build,
    )


def _seen(shadows: list[Shadow], population: Population, request: Request) -> np.ndarray:
    return np.stack([np.isin(request.subjects, population.people[shadow.sees]) for shadow in shadows])


def _places(case: Case, role: str, rows: np.ndarray) -> torch.Tensor:
    """Where the request's photos stand in the audited set."""
    place = {row: number for number, row in enumerate(getattr(case.sets, role).rows.tolist())}
    missing = [row for row in rows.tolist() if row not in place]
    if missing:
        raise InputError(
            f"{len(missing)} {role} photos of the shadow pool's request are not in the audited {role} set: the "
            "pool asks about other people; audit a draw of its protocol"
        )
    return torch.tensor([place[row] for row in rows.tolist()])


def _checked(pool: Pool, build: str) -> Pool:
    least = int((~pool.seen).sum(axis=0).min())
    if least < LEAST + 1:
        raise InputError(
            f"some forgotten people have only {least} shadow models that never saw them: {LEAST + 1} or more are "
            f"needed; {build} with more --models"
        )
    return pool


def _offline(pool: Pool) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], dict[str, Value]]:
    """Offline LiRA and RMIA scores of forget and unseen photos, higher for members."""
    lira = tuple(lira_offline(pool.held_to(logit_confidence, role)) for role in (FORGET, UNSEEN))
    population = pool.signals(confidence, TEST)
    forget, unseen = (pool.signals(confidence, role) for role in (FORGET, UNSEEN))
    examples, paired = _tuning(forget, unseen)
    tuned = tune_a(examples, population, paired=paired)
    rmias = tuple(rmia(pool.held_to(confidence, role), population, a=tuned.a) for role in (FORGET, UNSEEN))
    return {"lira_offline": (lira[0], lira[1]), "rmia": (rmias[0], rmias[1])}, {"RMIA's a, tuned on a shadow": tuned.a}


def _tuning(forget: PoolSignals, unseen: PoolSignals) -> tuple[PoolSignals, int]:
    """What RMIA is tuned on: the forget photos, and the first shadow that saw some of the forgotten people and not all.

    Of one person every shadow saw all photos or none: then the unseen photos, which no shadow saw, stand beside.
    """
    share = forget.seen.mean(axis=1)
    split = np.flatnonzero((share > 0) & (share < 1))
    if split.size:
        return forget, int(split[0])
    knowing = np.flatnonzero(share == 1)
    if not knowing.size:
        raise InputError("no shadow model saw any of the forgotten people: RMIA cannot be tuned; build more of them")
    both = [np.concatenate(parts, axis=-1) for parts in zip(forget, unseen, strict=True)]
    return PoolSignals(*both), int(knowing[0])


def _auc(case: Case, pool: Pool, sides: tuple[np.ndarray, np.ndarray]) -> Measurement | NotRun:
    people = (pool.people(FORGET), pool.people(UNSEEN))
    return auc_over_people(*sides, people, resamples=case.resamples, seed=case.seed)


def _iam(case: Case, pool: Pool) -> Measurement | NotRun:
    """Mean score of the forget photos above that of the shadows that never saw them, each attacked by the others.

    The way from never seen to fitted is that of the original, which never saw the unseen people: they cannot stand in.
    """
    people = len(set(pool.people(FORGET)))
    if people < LEAST_PEOPLE:
        return NotRun(too_few(people, FORGET))
    signals = pool.signals(logit_confidence, FORGET)
    original = logit_confidence(pool.original, pool.request.targets)[pool.request.roles == FORGET]
    never = held_out(lambda one: iam(one, original), signals)
    usual = np.where(signals.seen, 0, never).sum(axis=0) / (~signals.seen).sum(axis=0)
    rise = iam(signals, original) - usual
    counts = draw_counts(len(rise), pool.people(FORGET), resamples=case.resamples, rng=np.random.default_rng([case.seed, 5]))
    found = measured(np.append(rise.mean(), counts @ rise / counts.sum(axis=1)))
    return named(found, variants.iam(~signals.seen))


def _u_lira(pool: Pool, audited: AuditedModel, case: Case) -> Measurement | NotRun:
    """Whether the model looks, on forget photos, more like shadows that unlearned them than like those that never saw them.

    Others are the scores that shadows without the person get when the rest attacks them; members, those of the model attacked
    by that same rest.
    """
    if audited.method is None:
        return NotRun(UNKNOWN_METHOD)
    people = pool.people(FORGET)
    if len(set(people)) < LEAST_PEOPLE:
        return NotRun(too_few(len(set(people)), FORGET))
    try:
        after = answers(
            pool.shadows, pool.request.draw, parse_choice(audited.method, audited.config), audited.config, audited.work
        )
        chosen = after.request.roles == FORGET
        values = after.signals(logit_confidence)[1][:, chosen]
        seen = after.seen[:, chosen]
        signals = PoolSignals(values, seen, pool.signals(logit_confidence, FORGET).target)
        scores, never = in_place_of_each(u_lira, signals), held_out(u_lira, signals)
    except InputError as error:
        return NotRun(str(error))
    members, others, whose = scores[~seen], never[~seen], np.broadcast_to(people, seen.shape)[~seen]
    interval = auc_interval(members, others, people=(whose, whose), resamples=case.resamples, seed=case.seed)
    return named(from_interval(auc(members, others), interval), variants.lira(seen, ~seen))


def _interclass(case: Case, audited: AuditedModel, progress: Progress) -> Measurement | NotRun:
    """Confusion that the method leaves where labels of two classes were swapped, above a model trained without them."""
    if not audited.interclass:
        return NotRun(ASK)
    if audited.method is None:
        return NotRun(UNKNOWN_METHOD)
    config, compute = audited.config, case.compute
    choice = parse_choice(audited.method, config)
    unlearn = find(choice.method).function
    subjects = case.manifest.set_index("row")["subject"].reindex(range(len(case.sets.retain.images)), fill_value="").to_numpy()
    try:
        result = interclass_test(
            case.sets,
            count=2 * round(INTERCLASS_SHARE * len(case.sets.train) / 2),
            subjects=subjects,
            compute=compute,
            seed=case.seed,
            resamples=case.resamples,
            train=lambda data: fit_from_scratch(
                data, config, "interclass", seed=case.seed, compute=compute, progress=progress
            )[0],
            unlearn=lambda model, sets: unlearn(
                model, sets, choice.parameters, seed=config.runtime.seed, compute=compute, progress=progress
            ),
        )
    except InputError as error:
        return NotRun(str(error))
    ours = result["forget"]["confusion"][UNLEARNED]
    return from_interval(ours["gap"], ours["gap_interval"])
