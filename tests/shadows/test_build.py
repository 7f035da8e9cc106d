"""The jobs of a pool."""

import pytest

from aru.core.config import load_config
from aru.core.errors import InputError
from aru.shadows.build import Build, PoolRequest
from aru.shadows.pool import drop_weights
from tests.helpers.shadow_pools import plan, store_of

pytest_plugins = ["tests.helpers.shadow_fixtures"]


def test_a_build_that_needs_dropped_weights_is_refused_before_it_starts(root):
    config, work = load_config(root / "params.yaml", "small"), root / "work" / "small"
    for shadow in plan(root, 2):
        drop_weights(store_of(root), shadow.key)
    with pytest.raises(InputError, match="--restore-weights"):
        Build(PoolRequest(models=4, unlearn="finetune"), config, work)
    assert len(Build(PoolRequest(models=4, unlearn="finetune", restore_weights=True), config, work).trainings()) == 4
    assert len(Build(PoolRequest(models=4), config, work).trainings()) == 2
