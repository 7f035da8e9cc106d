"""The jobs of a pool."""

import pytest

from aru.core.config import load_config
from aru.core.errors import InputError
from aru.shadows.build import Build, PoolRequest
from aru.shadows.pool import drop_weights, open_pool
from aru.shadows.unlearned import open_answers
from tests.helpers.elsewhere import compute_elsewhere
from tests.helpers.shadow_pools import contents, plan, store_of

pytest_plugins = ["tests.helpers.shadow_fixtures"]


def test_a_build_that_needs_dropped_weights_is_refused_before_it_starts(root):
    config, work = load_config(root / "params.yaml", "small"), root / "work" / "small"
    for shadow in plan(root, 2):
        drop_weights(store_of(root), shadow.key)
    with pytest.raises(InputError, match="--restore-weights"):
        Build(PoolRequest(models=4, unlearn="finetune"), config, work)
    assert len(Build(PoolRequest(models=4, unlearn="finetune", restore_weights=True), config, work).trainings()) == 4
    assert len(Build(PoolRequest(models=4), config, work).trainings()) == 2


def test_jobs_elsewhere_leave_the_bytes_of_those_here(root, tmp_path):
    config, work = load_config(root / "params.yaml", "small"), root / "work" / "small"
    pool, shadows = open_pool(work), plan(root, 2)
    before = {shadow.key: contents(root, shadow) for shadow in shadows}
    pool.drop(shadows[0].key)
    build = Build(PoolRequest(models=2, unlearn="ssd"), config, work)
    (training,) = build.trainings()
    compute_elsewhere(training, tmp_path / "elsewhere")
    assert {shadow.key: contents(root, shadow) for shadow in shadows} == before
    (unlearning,) = build.unlearnings()
    compute_elsewhere(unlearning, tmp_path / "elsewhere")
    assert build.unlearnings() == []
    (key,) = open_answers(work).keys()
    logits = open_answers(work).at(key) / "logits.safetensors"
    there = logits.read_bytes()
    open_answers(work).drop(key)
    unlearning.do()
    assert logits.read_bytes() == there


def test_weights_are_dropped_when_nothing_is_left_to_be_unlearned_and_not_before(root):
    config, work = load_config(root / "params.yaml", "small"), root / "work" / "small"
    request = PoolRequest(models=2, unlearn="ssd")
    build = Build(request, config, work)  # as when the budget is over after the trainings
    assert build.drop_weights().startswith("the weights stay: 1 models are still to be unlearned")
    assert {entry.state for entry in build.entries()} == {"present"}
    for job in Build(request, config, work).unlearnings():
        job.do()
    assert build.drop_weights() == "the weights are dropped"
    assert {entry.state for entry in build.entries()} == {"weights dropped"}
