"""The audit's first line: is the model nearer to retrained models than to the original, on the people who were forgotten?"""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import torch

from aru.audit.audit_file import Answer, NearnessFigures, Relative
from aru.audit.case import AUDITED, Case
from aru.audit.quick import answer_entropy
from aru.audit.texts import permuted
from aru.audit.verdicts import Measurement, NotRun
from aru.core.names import FORGET, ORIGINAL, RETRAINED, UNSEEN
from aru.metrics.membership.plain_attacks import class_ranks
from aru.metrics.membership.signals import modified_entropy
from aru.metrics.utility import per_example_loss, utility_columns
from aru.stats.relative_test import Nearness, Ranks, relative_test

COLUMNS: dict[str, Callable[[torch.Tensor, torch.Tensor], np.ndarray]] = {
    "loss": per_example_loss,
    "modified entropy": modified_entropy,
    "evenness": lambda logits, targets: answer_entropy(logits, multi_label=targets.dim() == 2),
    "accuracy": lambda logits, targets: utility_columns(logits, targets).means["accuracy"],
}
"""The figures that are compared, each of a model's answer to an image."""
Answers = str | Mapping[str, torch.Tensor]
"""A model of the case, or logits by set."""
Figures = dict[str, np.ndarray]
ERROR = 0.01
"""Chance that an exactly retrained model is called nearer to the original; so one of a hundred of them fails by it at most."""
NO_REFERENCE = "there is no retrained model beside it, so nobody knows what a model that never saw these people answers"
NOBODY_UNSEEN = "no unseen image shows anybody who was not trained on or forgotten"
ITSELF = "it is the retrained reference itself, and there is no other one"


def relative(case: Case) -> Relative:
    """The test of three samples, by figure and of all together; `not_run` says why there is none."""
    if not len(case.sets.unseen):
        return {"not_run": NOBODY_UNSEEN}
    audited, original = (_figures(case, name) for name in (AUDITED, ORIGINAL))
    references = [_figures(case, answers) for answers in _retrained(case)]
    others: list[Figures] = []
    for one in references:  # the same model may be there twice, from a run and from a comparison
        others += [] if any(_alike(one, known) for known in (audited, *others)) else [one]
    if not others:
        return {"not_run": ITSELF if references else NO_REFERENCE}
    sides, units = ([of(role) for role in (FORGET, UNSEEN)] for of in (case.people, case.kin))
    found = relative_test(
        {name: Ranks(audited[name], original[name], np.stack([one[name] for one in others])) for name in audited},
        np.concatenate(units),
        np.repeat([True, False], [len(side) for side in sides]),
        seed=case.seed,
        resamples=case.resamples,
    )
    return {
        "answer": _answer(found.overall),
        "error": ERROR,
        "references": len(others),
        "people": {role: len(set(side)) for role, side in zip((FORGET, UNSEEN), sides, strict=True)},
        "units": len(set(np.concatenate(units).tolist())),
        "overall": _row(found.overall),
        "figures": {name: _row(one) for name, one in found.figures.items()},
        "permutations": found.permutations,
        "complete": found.complete,
    }


def as_criterion(found: Relative) -> Measurement | NotRun:
    """The p-value of the model's being nearer to the original, an exact one."""
    if "overall" not in found:
        return NotRun(found["not_run"])
    return Measurement(found["overall"]["p_original"], None, exact=permuted(found))


def _retrained(case: Case) -> Iterator[Answers]:
    """Answers of retrained models, those beside the audited one first."""
    if RETRAINED in (case.logits if case.losses is None else case.losses):
        yield RETRAINED
    yield from case.references


def _figures(case: Case, answers: Answers) -> Figures:
    """Ranks within the model, and within the class, of its figures on forget and then unseen images. Shape: (F + U,) each."""
    strata = np.concatenate([case.strata(role) for role in (FORGET, UNSEEN)])
    if case.losses is not None:
        columns = {"loss": [case.losses[str(answers)][role] for role in (FORGET, UNSEEN)]}
    else:
        logits = case.logits[answers] if isinstance(answers, str) else answers
        columns = {
            name: [column(logits[role], case.targets[role]) for role in (FORGET, UNSEEN)] for name, column in COLUMNS.items()
        }
    values = {name: np.concatenate(sides) for name, sides in columns.items()}
    return {name: class_ranks(one, strata, one, strata) for name, one in values.items()}


def _alike(one: Figures, other: Figures) -> bool:
    return all(np.array_equal(one[name], other[name]) for name in one)


def _answer(found: Nearness) -> Answer:
    if found.p_original <= ERROR:
        return "original"
    return "retrained" if found.p_retrained <= ERROR else "undecided"


def _row(found: Nearness) -> NearnessFigures:
    return {
        "position": found.position,
        "interval": found.interval,
        "p_retrained": found.p_retrained,
        "p_original": found.p_original,
    }
