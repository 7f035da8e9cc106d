"""Retained people under LiRA, before unlearning and after: who became more exposed, by person and by subgroup.

Taking some people out can move others to where a model gives them away (Carlini et al. 2022, "The privacy onion effect",
arXiv 2206.10469), and fine-tuning on those who stay has them learned once more. Both models are attacked by the same shadows;
those that never saw a person say what is usual for that person's photos. Unseen people, whom no shadow saw, are the measure.
"""

import numpy as np
import torch

from aru.audit import variants
from aru.audit.audit_file import Details, MoreExposed, RetainedExposure
from aru.audit.audited_model import AuditedModel
from aru.audit.case import AUDITED, Case
from aru.audit.exposed_people import more_exposed
from aru.audit.full import Pool, load_pool
from aru.core.errors import InputError
from aru.core.names import ORIGINAL, RETAIN, RETRAINED, UNLEARNED, UNSEEN
from aru.metrics.membership.signals import logit_confidence
from aru.metrics.people.bystander_exposure import exposure_figures
from aru.metrics.people.bystanders import MINIMUM_PEOPLE
from aru.metrics.people.subgroups import find_bystanders
from aru.metrics.shadow_attacks.lira import lira_offline
from aru.metrics.shadow_attacks.shadow_signals import PoolSignals
from aru.shadows.pool import logits_of, open_pool
from aru.shadows.population import load_population


def report_retained(case: Case, audited: AuditedModel, details: Details) -> None:
    """Add `retained` to the details, or why it is not there."""
    try:
        details["retained"] = retained_people(case, audited, load_pool(case, audited))
    except InputError as error:
        details["retained"] = {"not_run": str(error)}


def retained_people(case: Case, audited: AuditedModel, pool: Pool) -> RetainedExposure:
    """The attack's figures on retained people who were not forgotten; copies of a photo count once.

    Raises InputError where a photo has no shadows that never saw it, or where too few people are there.
    """
    rows = case.manifest[case.manifest["role"] == RETAIN]
    once = ~rows["photo"].duplicated().to_numpy()
    found = find_bystanders(case.manifest.drop(rows.index[~once]), RETAIN)
    places = np.flatnonzero(once)[found.kept]
    people = case.people(RETAIN)[places]
    models = {UNLEARNED: AUDITED, ORIGINAL: ORIGINAL} | ({RETRAINED: RETRAINED} if RETRAINED in case.logits else {})
    shadows = _shadows(case, audited, pool, places)
    unseen, strangers = pool.held_to(logit_confidence, UNSEEN), pool.people(UNSEEN)
    retained_scores = {name: _scores(shadows, _confidence(case, which, RETAIN, places)) for name, which in models.items()}
    where = _unseen_places(case, pool)
    unseen_scores = {name: _scores(unseen, _confidence(case, which, UNSEEN, where)) for name, which in models.items()}
    groups = {name: chosen for name, chosen in found.groups.items() if found.people(name) >= MINIMUM_PEOPLE}
    exposure = exposure_figures(
        {name: -scores for name, scores in retained_scores.items()},
        {name: -scores for name, scores in unseen_scores.items()},
        (np.zeros(len(people), dtype=np.int64), np.zeros(len(strangers), dtype=np.int64)),
        (people, strangers),
        groups,
        model=UNLEARNED,
        references=tuple(name for name in models if name != UNLEARNED),
        resamples=case.resamples,
        seed=case.seed,
    )
    pairs = [(scores[ORIGINAL], scores[UNLEARNED]) for scores in (retained_scores, unseen_scores)]
    listed: list[MoreExposed] = []
    standing_out, tested = 0, len(set(people))
    try:
        listed, standing_out = more_exposed(*pairs[0], people, pairs[1], strangers)
    except InputError:
        tested = 0  # too few strangers, or none who moved, say how far a score moves by chance
    return {
        "auc": exposure["auc"],
        "rise": exposure["rise"],
        "people": {name: found.people(name) for name in groups},
        "shadows": len(pool.shadows),
        "variant": variants.lira_offline(~shadows.seen, ~unseen.seen),
        "tested": tested,
        "standing_out": standing_out,
        "more_exposed": listed,
    }


def _shadows(case: Case, audited: AuditedModel, pool: Pool, places: np.ndarray) -> PoolSignals:
    """The shadows' confidence on these retained photos, and which of them saw the person; without a target."""
    protocol, prepared = audited.request.protocol, audited.work / "prepared"
    store, population = open_pool(audited.work), load_population(prepared, protocol, audited.config)
    files, people = (case.column(RETAIN, name)[places] for name in ("digest", "subject"))
    targets = case.targets[RETAIN][torch.from_numpy(places)]
    values = [logit_confidence(logits_of(store, shadow.key, files.tolist()), targets) for shadow in pool.shadows]
    seen = [np.isin(people, population.people[shadow.sees]) for shadow in pool.shadows]
    return PoolSignals(np.stack(values), np.stack(seen), np.zeros(len(places)))


def _unseen_places(case: Case, pool: Pool) -> np.ndarray:
    """Where the pool's unseen photos stand in the audited unseen set."""
    place = {row: number for number, row in enumerate(case.sets.unseen.rows.tolist())}
    return np.array([place[row] for row in pool.request.unseen.rows.tolist()])


def _confidence(case: Case, model: str, role: str, places: np.ndarray) -> np.ndarray:
    chosen = torch.from_numpy(places)
    return logit_confidence(case.logits[model][role][chosen], case.targets[role][chosen])


def _scores(shadows: PoolSignals, target: np.ndarray) -> np.ndarray:
    """Offline LiRA, higher for members. Shape: (M,)."""
    return lira_offline(shadows._replace(target=target))
