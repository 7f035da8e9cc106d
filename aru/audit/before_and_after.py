"""An attacker who holds the original beside the unlearned model: what the change between the two tells of who was forgotten.

Source: Chen et al. 2021 (CCS, arXiv 2005.02205), who attack by the difference of the two versions' answers. An exactly
retrained model is no defence: where the original remembers, its answers change most on the people who were taken out. So the
figures stand beside those of a retrained model and of the original alone, and have no limit: what helps against this attacker
is that nobody has the original any more.
"""

from collections.abc import Mapping

import numpy as np
import torch

from aru.audit.audit_file import BothModels, ChangeFigures
from aru.audit.case import AUDITED, Case
from aru.audit.quick import Draws, Sides, attack_figure, found_by_person, loss_scores, matched_attack, ranks_among_unseen
from aru.audit.verdicts import Measurement, NotRun
from aru.core.errors import InputError
from aru.core.names import FORGET, ORIGINAL, RETRAINED, UNSEEN
from aru.metrics.distance.gaps import js_divergence
from aru.metrics.membership.combined import combined_scores
from aru.metrics.resampling import draw_sets
from aru.metrics.utility import per_example_loss

ALONE = "loss, the original alone"
LEARNED = "all of it, learned"
DECIMALS = 12
"""Of a divergence, so that the last bits of a sum are no sign of a change."""


def both_models(case: Case) -> BothModels:
    """What finds forgotten photos, and people, among unseen ones, by model and signal; empty without unseen images."""
    if not len(case.sets.unseen):
        return {}
    roles = (FORGET, UNSEEN)
    draws = draw_sets(
        {role: case.targets[role] for role in roles},
        {role: case.people(role) for role in roles},
        resamples=case.resamples,
        seed=case.seed,
    )
    found: BothModels = {ORIGINAL: {ALONE: _figures(case, loss_scores(case, ORIGINAL), draws)}}
    for name, later in _later(case).items():
        signals = _changes(case, later)
        found[name] = {signal: _figures(case, scores, draws) for signal, scores in signals.items()}
        found[name][LEARNED] = _learned(case, [loss_scores(case, ORIGINAL), *signals.values()], draws)
    return found


Later = Mapping[str, torch.Tensor] | Mapping[str, np.ndarray]
"""Logits, or for another task losses, by set."""


def _later(case: Case) -> dict[str, Later]:
    """The audited model's answers, and a retrained model's where there is one that is not the audited one."""
    known: Mapping[str, Later] = case.logits if case.losses is None else case.losses
    beside = known.get(RETRAINED) or next(iter(case.references), None)
    found = {AUDITED: known[AUDITED]}
    if beside is not None and any(not np.array_equal(known[AUDITED][role], beside[role]) for role in (FORGET, UNSEEN)):
        found[RETRAINED] = beside
    return found


def _changes(case: Case, later: Later) -> dict[str, Sides]:
    """What changed on forget and unseen images, higher where more. Shape: ((F,), (U,)) each."""
    before = loss_scores(case, ORIGINAL)
    if case.losses is not None:
        return {"rise of the loss": (before[0] + later[FORGET], before[1] + later[UNSEEN])}
    answers = [(case.logits[ORIGINAL][role], torch.as_tensor(later[role]), case.targets[role]) for role in (FORGET, UNSEEN)]
    rises = [side + per_example_loss(after, targets) for side, (_, after, targets) in zip(before, answers, strict=True)]
    apart = [js_divergence(one, other, multi_label=targets.dim() == 2).round(DECIMALS) for one, other, targets in answers]
    return {"rise of the loss": (rises[0], rises[1]), "divergence of the answers": (apart[0], apart[1])}


def _learned(case: Case, signals: list[Sides], draws: Draws) -> ChangeFigures:
    """An attack that learns on some people from all signals and is asked about the others."""
    people = case.people(FORGET), case.people(UNSEEN)
    try:
        scores = combined_scores([ranks_among_unseen(case, sides) for sides in signals], people, seed=case.seed)
    except InputError as error:
        return {"photos": attack_figure(NotRun(str(error))), "people": attack_figure(NotRun(str(error)))}
    return _figures(case, scores, draws)


def _figures(case: Case, scores: Sides, draws: Draws) -> ChangeFigures:
    people: Measurement | NotRun = found_by_person(case, scores).auc
    return {"photos": attack_figure(matched_attack(case, scores, draws)["auc"]), "people": attack_figure(people)}
