"""The global generators, seeded for a block: the same draws from the same seed, the caller's as they were; of GPUs its own."""

import random

import numpy as np
import pytest
import torch

from aru.core.seeds import draw_seed, reseed, seeded


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


@pytest.fixture
def reseeded(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What is asked of CUDA's generators."""
    asked: list[object] = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", lambda seed: asked.append("all"))
    monkeypatch.setattr(torch.cuda, "manual_seed", lambda seed: asked.append(seed))
    return asked


def test_a_block_draws_what_manual_seed_gives_and_leaves_the_generator_as_it_was(reseeded: list[object]) -> None:
    torch.default_generator.manual_seed(7)
    expected = torch.rand(5)
    before = torch.get_rng_state()
    with seeded(7):
        assert torch.equal(torch.rand(5), expected)
    assert torch.equal(torch.get_rng_state(), before) and reseeded == []


def test_of_several_gpus_the_one_that_computes_is_seeded(reseeded: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    current = []

    class Current:
        def __init__(self, device: torch.device) -> None:
            current.append(device)

        def __enter__(self) -> None: ...

        def __exit__(self, *error: object) -> None: ...

    monkeypatch.setattr(torch.cuda, "device", Current)
    reseed(3, torch.device("cuda", 1))
    reseed(4, torch.device("cpu"))
    assert reseeded == [3] and current == [torch.device("cuda", 1)]
