"""Sets with masks or dictionaries as targets."""

import numpy as np
import pytest
import torch
from PIL import Image

from aru.core.errors import InputError
from aru.data import datasets
from aru.data.structured import structured_sets

CPU = torch.device("cpu")


def masked(count: int, start: int = 0) -> list[tuple[Image.Image, np.ndarray]]:
    return [
        (Image.fromarray(np.full((4, 6, 3), start + n, np.uint8)), np.full((4, 6), (start + n) % 3, np.uint8))
        for n in range(count)
    ]


def boxed(count: int, start: int = 0) -> list[tuple[torch.Tensor, dict[str, torch.Tensor]]]:
    return [
        (torch.zeros(3, 8, 8), {"boxes": torch.tensor([[0.0, 0, n + 1, 2]] * n), "labels": torch.ones(n, dtype=torch.int64)})
        for n in range(start, start + count)
    ]


def test_masks_come_as_a_tensor_in_the_order_of_positions() -> None:
    sets = structured_sets(masked(2), masked(3, start=2), outputs=3)
    images, targets = sets.retain.batch(torch.tensor([2, 0]), CPU)
    assert images.shape == (2, 3, 4, 6) and targets.dtype == torch.int64
    assert targets[:, 0, 0].tolist() == [4 % 3, 2]
    assert (images[:, 0, 0, 0] * 255).round().tolist() == [4, 2]
    assert sets.retain.shape == (3, 4, 6) and len(sets.test) == 0


def test_masks_follow_take_and_the_training_set() -> None:
    sets = structured_sets(masked(2), masked(3, start=2), outputs=3)
    assert sets.retain.take(np.array([1])).batch(torch.tensor([0]), CPU)[1][0, 0, 0] == 0
    assert sets.train.batch(torch.arange(5), CPU)[1][:, 0, 0].tolist() == [0, 1, 2, 0, 1]


def test_dictionaries_come_as_a_list() -> None:
    sets = structured_sets(boxed(2), boxed(2, start=2), outputs=2)
    for data, positions, counts in ((sets.retain, [1, 0], [3, 2]), (sets.train, [0, 3], [0, 3])):
        _, targets = data.batch(torch.tensor(positions), CPU)
        assert [len(target["boxes"]) for target in targets] == counts
        assert all(target["boxes"].shape[1] == 4 for target in targets)
    assert len(sets.retain.take(np.array([1])).batch(torch.tensor([0]), CPU)[1][0]["labels"]) == 3


@pytest.mark.parametrize(("made", "limit"), [(masked, datasets.IN_MEMORY), (boxed, 0)])
def test_worker_processes_give_the_targets_that_one_gives(made, limit, monkeypatch) -> None:
    expected = structured_sets(made(2), made(5, start=2), outputs=3).train.batch(torch.arange(7), CPU)
    monkeypatch.setattr(datasets, "IN_MEMORY", limit)
    found = structured_sets(made(2), made(5, start=2), outputs=3, workers=2).train.batch(torch.arange(7), CPU)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


@pytest.mark.parametrize(
    "items,message",
    [
        ([(torch.zeros(3, 4, 4), torch.full((4, 4), 7))], "classes are from 7 to 7, the model has 3"),
        ([(torch.zeros(3, 4, 4), torch.zeros(4, 4))], "give whole numbers"),
        ([(torch.zeros(3, 4, 4), {"box": 1})], "boxes and labels are needed"),
        (
            [(torch.zeros(3, 4, 4), {"boxes": torch.tensor([[2.0, 0, 1, 1]]), "labels": torch.tensor([1])})],
            "left < right and top < bottom",
        ),
        (
            [(torch.zeros(3, 4, 4), torch.zeros(4, 4, dtype=torch.int64)), (torch.zeros(3, 4, 4), torch.zeros(2, 2).long())],
            "targets have different shapes",
        ),
    ],
)
def test_bad_targets_are_named(items: list, message: str) -> None:
    with pytest.raises(InputError, match=message):
        structured_sets(items, items, outputs=3)


def test_masks_and_dictionaries_do_not_mix() -> None:
    with pytest.raises(InputError, match="some targets are masks and some are dictionaries"):
        structured_sets(masked(1), [(Image.new("RGB", (6, 4)), boxed(1, start=1)[0][1])], outputs=3)
