"""Unlearned shadows: only those trained on the people, with their own sets and seeds."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from aru.comparison.draws import Draw
from aru.core.config import load_config
from aru.core.errors import InputError
from aru.core.progress import Progress, silent
from aru.data.prepared import manifest_of
from aru.methods.registry import find
from aru.metrics.membership.signals import logit_confidence
from aru.shadows.pool import logits_of
from aru.shadows.population import load_population
from aru.shadows.unlearned import answers, not_unlearned, open_answers, unlearn_shadow
from tests.helpers.prepared_images import turn_images
from tests.helpers.shadow_pools import build, choice, contents, plan, store_of, unlearn, write_params

pytest_plugins = ["tests.helpers.shadow_fixtures"]


def test_only_the_shadows_that_saw_the_person_are_unlearned(root):
    config, work, draw = load_config(root / "params.yaml", "small"), root / "work" / "small", Draw("official")
    shadows = build(root, 4)
    before = [contents(root, shadow) for shadow in shadows]
    with pytest.raises(InputError, match="is not unlearned by finetune"):
        answers(shadows, draw, choice(config), config, work)
    unlearn(root, shadows, draw, choice(config))
    assert not_unlearned(shadows, draw, choice(config), config, work) == []
    assert [contents(root, shadow) for shadow in shadows] == before

    found = answers(shadows, draw, choice(config), config, work)
    (person,) = found.request.people
    population = load_population(work / "prepared", "official", config)
    sees = np.array([person in population.people[shadow.sees] for shadow in shadows])
    assert sees.sum() == 2 and (found.unlearned == sees).all()
    assert len(list(open_answers(work).keys())) == 2
    same = np.array([torch.equal(one, other) for one, other in zip(found.before, found.after, strict=True)])
    assert (same == ~sees).all()
    forget = found.request.roles == "forget"
    assert (found.seen[:, forget] == sees[:, None]).all() and not found.seen[:, ~forget].any()
    assert set(found.request.subjects[forget]) == {person} and forget.sum() == 4  # two names, one person, each photo once
    one, other = found.signals(logit_confidence)
    assert one.shape == other.shape == found.seen.shape == (4, len(found.request.files))
    assert (one[~sees] == other[~sees]).all() and (one[sees] != other[sees]).any(axis=1).all()
    for number, shadow in enumerate(shadows):
        assert torch.equal(found.before[number], logits_of(store_of(root), shadow.key, found.request.files))


def test_a_method_sees_the_sets_of_its_shadow_and_its_own_seed(root, monkeypatch):
    config, work, draw = load_config(root / "params.yaml", "small"), root / "work" / "small", Draw("official")
    seen: list[tuple[int, int, int]] = []
    method = find("finetune")

    def watched(model: Any, sets: Any, parameters: Any, *, seed: int, compute: Any, progress: Progress = silent) -> Any:
        seen.append((seed, len(sets.forget), len(sets.retain)))
        return model

    monkeypatch.setattr("aru.shadows.unlearned.find", lambda name: replace(method, function=_same_module(watched, method)))
    shadows = plan(root, 2)
    (affected,) = not_unlearned(shadows, draw, choice(config), config, work)
    unlearn_shadow(affected, draw, choice(config), config, work)
    assert seen == [(affected.number, 4, len(affected.positions) - 4)]


def _same_module(function: Callable, method: Any) -> Callable:
    function.__module__ = method.function.__module__
    return function


def test_a_method_that_diverges_is_left_out_and_named(root):
    config, work, draw = load_config(root / "params.yaml", "small"), root / "work" / "small", Draw("official")
    shadows, chosen = plan(root, 2), choice(config, "finetune{lr=1.0e+30,epochs=2}")
    (affected,) = not_unlearned(shadows, draw, chosen, config, work)
    unlearn(root, shadows, draw, chosen)
    found = answers(shadows, draw, chosen, config, work)
    assert found.failed == (affected.number,) and affected.number not in found.numbers and len(found.before) == 1
    assert not_unlearned(shadows, draw, chosen, config, work) == []
    with pytest.raises(InputError, match="diverged on all 1 shadows"):
        answers([affected], draw, chosen, config, work)


def test_another_request_or_parameter_has_other_answers_and_untrained_shadows_are_named(root):
    config, work = load_config(root / "params.yaml", "small"), root / "work" / "small"
    shadows, draw = plan(root, 2), Draw("official")
    unlearn(root, shadows, draw, choice(config))
    assert not_unlearned(shadows, draw, choice(config, "finetune{epochs=2}"), config, work)
    forget = write_params(root, {"data": {"forget": {"subjects": ["F0003/D"]}}})
    assert [shadow.key for shadow in plan(root, 2, config=forget)] == [shadow.key for shadow in shadows]
    assert not_unlearned(plan(root, 2, config=forget), draw, choice(forget), forget, work)
    with pytest.raises(InputError, match="shadow 2 of protocol official is not trained: build the pool first"):
        answers(plan(root, 4)[2:], draw, choice(config), config, work)


def test_photos_of_a_request_that_are_decoded_otherwise_are_answered_anew(root):
    config, work, draw = load_config(root / "params.yaml", "small"), root / "work" / "small", Draw("official")
    shadows, chosen = plan(root, 2), choice(config)
    unlearn(root, shadows, draw, chosen)
    manifest = manifest_of(work / "prepared")
    turn_images(work / "prepared", manifest.index[manifest["role"] == "unseen"])
    assert [shadow.key for shadow in plan(root, 2)] == [shadow.key for shadow in shadows]
    assert len(not_unlearned(shadows, draw, chosen, config, work)) == 1
