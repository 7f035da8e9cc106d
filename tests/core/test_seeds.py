"""Global generators for a block: the same draws from the same seed, and the caller's as they were."""

import random

import numpy as np
import pytest
import torch

from aru.core.seeds import draw_seed, seeded


def draws() -> tuple[float, float, float]:
    return torch.rand(()).item(), random.random(), np.random.rand()


@pytest.mark.parametrize("seed", [0, draw_seed(1, "any"), 2**32 + 5])
def test_a_block_draws_by_its_seed_and_leaves_the_callers_streams(seed):
    start = torch.get_rng_state(), random.getstate(), np.random.get_state()
    expected = draws()
    torch.set_rng_state(start[0])
    random.setstate(start[1])
    np.random.set_state(start[2])
    with seeded(seed):
        first = draws()
    with pytest.raises(ZeroDivisionError), seeded(seed):
        assert draws() == first
        raise ZeroDivisionError
    with seeded(seed + 1):
        assert all(one != other for one, other in zip(draws(), first, strict=True))
    assert draws() == expected
