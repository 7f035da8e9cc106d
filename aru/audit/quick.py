"""The quick level: attacks on the loss and its kin, exposure by person, utility, uniformity and weights.

It needs no shadow model, no retraining and no training: forward passes over the sets of `QUICK_SETS`, and resampling.
"""

from collections.abc import Mapping
from functools import partial

import numpy as np
import torch
from torch import nn

from aru.audit.audit_file import AttackFigure, Details, StandingOut
from aru.audit.beside_original import likeness, remaining
from aru.audit.case import AUDITED, Case
from aru.audit.criteria import COMPARED
from aru.audit.exposed_people import PeopleFound, not_compared, people_found
from aru.audit.few_people import bootstrap_only, of_set, over_people
from aru.audit.verdicts import Found, Measurement, NotRun, measured, worst_of
from aru.compute.copying import copied
from aru.core.errors import InputError
from aru.core.names import FORGET, ORIGINAL, TEST, UNSEEN
from aru.data.manifest import people_are_classes
from aru.metrics.distance.weights import weight_distance
from aru.metrics.membership.combined import combined_scores
from aru.metrics.membership.matched import MatchedAttack, matched_auc
from aru.metrics.membership.plain_attacks import BASELINES, class_ranks, ranks_among_others
from aru.metrics.membership.signals import gradient_norm
from aru.metrics.people.individuals import individuals
from aru.metrics.resampling import draw_sets
from aru.metrics.utility import per_example_loss, utility_columns
from aru.nets.models import classifier

QUICK_SETS = (FORGET, TEST, UNSEEN)
"""The sets it looks at; retain is the largest by far."""

Draws = Mapping[str, np.ndarray]
Sides = tuple[np.ndarray, np.ndarray]
NO_ANSWERS = "defined by the answers of a classifier"
PEOPLE_ARE_CLASSES = "people are the classes: unseen images show the forgotten themselves, and no stranger to hold them to"
NOBODY_UNSEEN = "no unseen image shows anybody who was not trained on or forgotten: there is nobody to compare with"


def quick(case: Case) -> tuple[Found, Details]:
    """The measurements by criterion; details: `attacks`, every signal's figures, and `people` with the most exposed ones.

    What cannot be tested on so few people or images, or without a classifier's answers, says why, and does not stop the rest.
    """
    draws = draw_people(case)
    compared, details = _compared(case, draws) if len(case.sets.unseen) else _nobody()
    beside: Found = {"weights": weights(case)}
    if case.losses is None:
        beside |= {"test_accuracy": loss_of_accuracy(case, TEST, draws[TEST]), "likeness": likeness(case)}
    else:
        beside |= dict.fromkeys(("test_accuracy", "likeness"), NotRun(NO_ANSWERS))
    return compared | beside, details


def _compared(case: Case, draws: Draws) -> tuple[Found, Details]:
    """All that holds forget images to unseen ones."""
    signals = attack_signals(case)
    found = {name: matched_attack(case, sides, draws) for name, sides in signals.items()}
    people = found_by_person(case, signals["loss"])
    alone, one_by_one = _one_by_one(case)
    of_answers: Found = dict.fromkeys(("combined", "uniformity"), NotRun(NO_ANSWERS))
    if case.losses is None:
        of_answers = {
            "combined": _combined(case, signals, draws),
            "uniformity": matched_attack(case, _entropies(case), draws)["auc"],
        }
    measurements = {
        "forgetting": found["loss"]["auc"],
        "attacks": worst_of(figures["auc"] for figures in found.values()),
        "attacks_at_1pct": worst_of(figures["tpr"] for figures in found.values()),
        "remaining": _remaining(case, draws),
        "people": people.auc,
        "people_at_5pct": people.share,
        "individuals": alone,
        **of_answers,
    }
    attacks = {name: {key: attack_figure(one) for key, one in figures.items()} for name, figures in found.items()}
    return measurements, {"attacks": attacks, "people": {**people.details, **one_by_one}}


def attack_figure(found: Measurement | NotRun) -> AttackFigure:
    """A measurement as the audit's file has it."""
    bounds = found.interval if isinstance(found, Measurement) else None
    return {"figure": found.figure, "interval": list(bounds or ())}


def _nobody() -> tuple[Found, Details]:
    why = NotRun(NOBODY_UNSEEN)
    return dict.fromkeys(COMPARED, why), {"attacks": {}, "people": not_compared(why).details}


def draw_people(case: Case) -> Draws:
    """How often every image of every set is drawn in each resample of people; the same for all figures of a case."""
    groups = {role: case.people(role) for role in case.targets}
    return draw_sets(case.targets, groups, resamples=case.resamples, seed=case.seed)


def attack_signals(case: Case) -> dict[str, Sides]:
    """What plain attackers see of forget and unseen images, higher for members: name -> ((F,), (U,))."""
    if case.losses is not None:
        return {"loss": loss_scores(case, AUDITED)}
    logits, targets = case.logits[AUDITED], case.targets
    found: dict[str, Sides] = {
        name: (signal(logits[FORGET], targets[FORGET]), signal(logits[UNSEEN], targets[UNSEEN]))
        for name, signal in BASELINES.items()
    }
    forget, unseen = (
        gradient_norm(case.models[AUDITED], data, compute=case.compute) for data in (case.sets.forget, case.sets.unseen)
    )
    return found | {"gradient_norm": (-forget, -unseen)}


def answer_entropy(logits: torch.Tensor, *, multi_label: bool) -> np.ndarray:
    """Entropy of each answer in nats, over the labels the mean; ln C is uniform. Shape: (M, C) or (M, L); result (M,)."""
    values = logits.detach().cpu().double()
    if multi_label:
        values = torch.stack((torch.zeros_like(values), values), dim=2)
    log_p = values.log_softmax(dim=-1)
    entropy = -(log_p.exp() * log_p).sum(dim=-1)
    return (entropy.mean(dim=1) if multi_label else entropy).numpy()


def weights(case: Case) -> Measurement:
    """Distance to the original over the original's norm, without the classifier: what lies before the answers."""
    apart = weight_distance(*(_without_classifier(case.models[name]) for name in (AUDITED, ORIGINAL)))["total"]
    return Measurement(apart["relative"] or 0.0, None, exact="the weights themselves")


def matched_attack(case: Case, scores: Sides, draws: Draws) -> Found:
    """Class-matched AUC and TPR at 1 % FPR of an attack's scores as `auc` and `tpr`, with their intervals over people."""
    try:
        auc, tpr = matched_figures(case, scores, draws)
    except InputError as error:
        return {"auc": NotRun(str(error)), "tpr": NotRun(str(error))}
    return {
        "auc": over_people(case, auc[0], lambda: measured(auc), partial(stand_in_auc, case, scores[1])),
        "tpr": bootstrap_only(case, tpr[0], lambda: measured(tpr)),
    }


def stand_in_auc(case: Case, unseen: np.ndarray, standing: np.ndarray, others: np.ndarray) -> float:
    """Class-matched AUC of unseen images (U,) that stand for the forget images, held to other unseen ones (indices)."""
    strata = case.strata(UNSEEN)
    return matched_auc(-unseen[standing], strata[standing], -unseen[others], strata[others])


def matched_figures(case: Case, scores: Sides, draws: Draws) -> Sides:
    """Class-matched AUC and TPR at 1 % FPR of an attack's scores, in whole and in every resample of people of both sides.

    Shape: result ((1 + R,), (1 + R,)).
    """
    forget, unseen = (case.strata(role) for role in (FORGET, UNSEEN))
    attack = MatchedAttack(-scores[0], forget, -scores[1], unseen)
    counts = (np.vstack((np.ones(len(side)), draws[role])) for role, side in zip((FORGET, UNSEEN), scores, strict=True))
    found = attack.resampled(*counts)
    return found["auc"], found["tpr_at_1pct_fpr"]


def found_by_person(case: Case, scores: Sides) -> PeopleFound:
    """Who is found by the ranks of the scores among unseen images of the same class."""
    if people_are_classes(case.manifest):
        return not_compared(NotRun(PEOPLE_ARE_CLASSES, asked=False))
    ranks = ranks_among_unseen(case, scores)
    try:
        return people_found(
            ranks[0], case.people(FORGET), ranks[1], case.people(UNSEEN), resamples=case.resamples, seed=case.seed
        )
    except InputError as error:
        return not_compared(NotRun(str(error)))


def _remaining(case: Case, draws: Draws) -> Measurement | NotRun:
    """What is left of the original's gap in the loss attack; who never saw anybody has no gap, so that nobody can stand in."""
    try:
        aucs = [matched_figures(case, loss_scores(case, name), draws)[0] for name in (AUDITED, ORIGINAL)]
    except InputError as error:
        return NotRun(str(error))
    return bootstrap_only(case, np.nan, lambda: remaining(*aucs), within=(-np.inf, np.inf))


def _combined(case: Case, signals: Mapping[str, Sides], draws: Draws) -> Measurement | NotRun:
    """Class-matched AUC of all signals in one attack, that of the answers' evenness among them."""
    forget, unseen = _entropies(case)
    ranks = [ranks_among_unseen(case, sides) for sides in (*signals.values(), (-forget, -unseen))]
    try:
        scores = combined_scores(ranks, (case.people(FORGET), case.people(UNSEEN)), seed=case.seed)
    except InputError as error:
        return NotRun(str(error))
    return matched_attack(case, scores, draws)["auc"]


def _one_by_one(case: Case) -> tuple[Measurement | NotRun, StandingOut]:
    """The share of the forgotten people who stand out one by one, and how many do, could, and do under the original."""
    if people_are_classes(case.manifest):
        return NotRun(PEOPLE_ARE_CLASSES, asked=False), {}
    people = (case.people(FORGET), case.people(UNSEEN))
    found = []
    for name in (AUDITED, ORIGINAL):
        ranks = ranks_among_unseen(case, loss_scores(case, name))
        try:
            found.append(individuals(ranks[0], people[0], ranks[1], people[1]))
        except InputError as error:
            return NotRun(str(error)), {}
    testable = int(found[0].testable.sum())
    counts: StandingOut = {
        "standing_out": int(found[0].found.sum()),
        "standing_out_in_the_original": int(found[1].found.sum()),
        "testable": testable,
    }
    if not testable:
        return NotRun(
            f"not tested at this size: photos that all rank first would not show one person among {len(found[0].ids)}"
        ), counts
    return Measurement(
        float(found[0].found.mean()), None, exact="a test of every person, wrong about anybody in 1 % of audits"
    ), counts


def loss_scores(case: Case, model: str) -> Sides:
    """What the loss attack sees of forget and unseen images, higher for members. Shape: ((F,), (U,))."""
    if case.losses is not None:
        return -case.losses[model][FORGET], -case.losses[model][UNSEEN]
    forget, unseen = (-per_example_loss(case.logits[model][role], case.targets[role]) for role in (FORGET, UNSEEN))
    return forget, unseen


def ranks_among_unseen(case: Case, scores: Sides) -> Sides:
    """Ranks of both sides' scores among the unseen images of the class, of an unseen one among the others."""
    forget, unseen = (case.strata(role) for role in (FORGET, UNSEEN))
    return class_ranks(scores[0], forget, scores[1], unseen), ranks_among_others(scores[1], unseen)


def _entropies(case: Case) -> Sides:
    forget, unseen = (
        answer_entropy(case.logits[AUDITED][role], multi_label=case.targets[role].dim() == 2) for role in (FORGET, UNSEEN)
    )
    return forget, unseen


def loss_of_accuracy(case: Case, role: str, counts: np.ndarray) -> Measurement | NotRun:
    """Accuracy of the original minus that of the audited model; above 0 is a loss."""
    columns = [utility_columns(case.logits[name][role], case.targets[role]).means["accuracy"] for name in (ORIGINAL, AUDITED)]
    weights = np.vstack((np.ones(counts.shape[1]), counts))
    lost = weights @ (columns[0] - columns[1]) / weights.sum(axis=1)
    return of_set(case, role, lost[0], lambda: measured(lost))


def _without_classifier(model: nn.Module) -> nn.Module:
    rest = copied(model)
    rest.set_submodule(classifier(model), nn.Identity())
    return rest
