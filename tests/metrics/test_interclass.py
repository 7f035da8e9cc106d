"""The interclass confusion test: what is swapped, what is counted, and who is caught."""

import copy
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from aru.core.config import TrainConfig
from aru.core.errors import InputError
from aru.data.images import ImageSet, Sets
from aru.metrics.interclass import confuse, interclass_test, largest_classes, residual_confusion, with_swapped_labels
from aru.train.loop import fit
from tests.helpers.toys import CPU, generator, sets
from tests.helpers.untouched import untouched

CLASSES = (2, 5)


def labelled(counts: dict[int, int], *, people: int, test: int = 40, seed: int = 0) -> tuple[Sets, np.ndarray]:
    """Sets whose training images have these classes, shown by a bright stripe; some people for all rows."""
    rng, train = np.random.default_rng(seed), sum(counts.values())
    labels = np.concatenate(
        [rng.permutation(np.repeat(list(counts), list(counts.values()))), rng.choice(CLASSES, test), rng.integers(0, 8, 10)]
    )
    data = sets(forget=train // 4, retain=train - train // 4, test=test, unseen=10)
    images = data.forget.images // 4
    images[np.arange(len(labels)), 2 * labels] = 255
    targets = torch.from_numpy(labels)
    parts = {
        name: replace(part, images=images, targets=targets[torch.from_numpy(part.rows)]) for name, part in vars(data).items()
    }
    return Sets(**parts), rng.integers(0, people, len(labels))


def truth_of(data: Sets) -> dict[int, int]:
    return dict(zip(data.train.rows.tolist(), data.train.targets.tolist(), strict=True))


def test_half_of_each_class_is_swapped_and_the_rest_stays() -> None:
    data, _ = labelled({2: 30, 5: 20, 0: 50}, people=1)
    confused = confuse(data, CLASSES, 24, seed=0)
    truth = truth_of(data)
    swapped = {row: label for row, label in zip(confused.forget.rows.tolist(), confused.forget.targets.tolist(), strict=True)}
    assert len(swapped) == 24
    assert sum(truth[row] == 2 and label == 5 for row, label in swapped.items()) == 12
    assert sum(truth[row] == 5 and label == 2 for row, label in swapped.items()) == 12
    assert sorted([*swapped, *confused.retain.rows]) == sorted(truth)
    assert all(
        truth[row] == label for row, label in zip(confused.retain.rows.tolist(), confused.retain.targets.tolist(), strict=True)
    )
    assert confused.test is data.test and confused.unseen is data.unseen
    assert truth_of(data) == truth  # the sets that were given are not changed


def test_who_is_swapped_follows_from_the_seed() -> None:
    data, people = labelled({2: 30, 5: 30, 0: 20}, people=30)
    first, again, other = (confuse(data, CLASSES, 20, seed=seed, subjects=people).forget.rows for seed in (0, 0, 1))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


@pytest.mark.parametrize("seed", range(5))
def test_nobody_stands_on_both_sides_within_the_classes(seed: int) -> None:
    data, people = labelled({2: 60, 5: 60, 0: 80}, people=50, seed=seed)
    confused = confuse(data, CLASSES, 40, seed=seed, subjects=people)
    within = confused.retain.rows[np.isin(confused.retain.targets.numpy(), CLASSES)]
    assert not np.intersect1d(people[confused.forget.rows], people[within]).size
    assert np.isin(confused.forget.targets.numpy(), CLASSES).all()
    for label in CLASSES:
        count = int((confused.forget.targets == label).sum())
        assert 16 <= count <= 20, "people come whole, and neither half is overrun"


def test_swapping_twice_changes_nothing() -> None:
    data, _ = labelled({2: 10, 5: 10, 0: 10}, people=1)
    once = with_swapped_labels(data.train, CLASSES)
    assert ((once.targets != data.train.targets) == torch.isin(data.train.targets, torch.tensor(CLASSES))).all()
    assert torch.equal(with_swapped_labels(once, CLASSES).targets, data.train.targets)


def test_largest_classes_by_count() -> None:
    data, _ = labelled({2: 12, 5: 25, 0: 12, 7: 3}, people=1)
    assert largest_classes(data) == (5, 0)


def test_residual_confusion_by_hand() -> None:
    said = torch.tensor([2, 5, 0, 5, 2, 2, 7, 5])
    truth = torch.tensor([2, 2, 2, 5, 5, 0, 0, 7])
    places, swapped, wrong = residual_confusion(torch.eye(8)[said], truth, CLASSES)
    assert places.tolist() == [0, 1, 2, 3, 4]
    assert swapped.tolist() == [False, True, False, False, True]  # 2 answered as 0 is wrong but no confusion
    assert wrong.tolist() == [False, True, True, False, True]


class Reader(nn.Module):
    """Learns the stripe at once, and exceptions by heart."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(4)
            self.hidden, self.fc = nn.Linear(3 * 16 * 16, 128), nn.Linear(128, 8)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.fc(torch.relu(self.hidden(images.flatten(1) - 0.3)))


def train(data: ImageSet) -> nn.Module:
    model = Reader()
    fit(
        model,
        data,
        TrainConfig(epochs=30, lr=0.05, schedule="constant", augment=False, batch_size=16),
        generator=generator(0),
        compute=CPU,
    )
    return model


def test_doing_nothing_is_caught_and_retraining_passes() -> None:
    data, people = labelled({2: 40, 5: 40, 0: 20}, people=200)
    seen: list[tuple[nn.Module, Sets]] = []

    def keep(model: nn.Module, confused: Sets) -> nn.Module:
        seen.append((model, confused))
        return copy.deepcopy(model)

    settings = {"count": 40, "train": train, "compute": CPU, "seed": 0, "subjects": people, "classes": CLASSES}
    nothing = interclass_test(data, unlearn=keep, **settings)
    whole = interclass_test(data, unlearn=lambda _, confused: train(confused.retain), **settings)
    assert nothing["classes"] == [2, 5] and nothing["images"] == len(seen[0][1].forget) >= 38
    kept = nothing["forget"]["confusion"]
    assert kept["original"]["share"] == kept["unlearned"]["share"] > 0.9  # the swapped labels are known by heart
    assert kept["retrained"]["share"] < 0.1 and kept["unlearned"]["gap_interval"][0] > 0.8
    assert nothing["test"]["confusion"]["original"]["gap"] > 0.1
    assert whole["forget"]["confusion"]["unlearned"]["gap"] == whole["test"]["error"]["unlearned"]["gap"] == 0
    assert whole["forget"]["confusion"]["original"] == kept["original"]  # deterministic


def test_the_largest_classes_are_taken_by_default_and_models_are_left_alone() -> None:
    data, _ = labelled({2: 12, 5: 25, 0: 13}, people=1)
    model = Reader()
    with untouched(model):
        result = interclass_test(data, count=8, train=lambda _: model, unlearn=lambda given, _: given, compute=CPU, seed=0)
    assert json.loads(json.dumps(result, allow_nan=False)) == result  # a file can hold it
    assert result["classes"] == [5, 0] and result["images"] == 8
    assert result["test"]["confusion"]["unlearned"]["gap"] == 0


@pytest.mark.parametrize(
    "classes, count, words",
    [
        ((2, 2), 4, "two different"),
        ((2, 8), 4, "from 0 to 7"),
        ((2, 5), 1, "choose 2 to 18"),
        ((2, 5), 20, "choose 2 to 18"),
        ((2, 7), 4, "0 training images: choose larger classes"),
    ],
)
def test_what_cannot_be_confused_is_named(classes: tuple[int, int], count: int, words: str) -> None:
    data, _ = labelled({2: 30, 5: 10, 0: 50}, people=1)
    with pytest.raises(InputError, match=words):
        confuse(data, classes, count, seed=0)


def test_people_too_large_for_a_half_are_named() -> None:
    data, _ = labelled({2: 30, 5: 30, 0: 10}, people=1)
    with pytest.raises(InputError, match="nobody has few enough images"):
        confuse(data, CLASSES, 4, seed=0, subjects=np.zeros(200, dtype=int))


def test_multi_label_tasks_are_refused() -> None:
    data, _ = labelled({2: 30, 5: 30, 0: 10}, people=1)
    many = Sets(**{name: replace(part, targets=torch.zeros(len(part), 3)) for name, part in vars(data).items()})
    for call in (lambda: confuse(many, (0, 1), 4, seed=0), lambda: largest_classes(many)):
        with pytest.raises(InputError, match="multi-label"):
            call()
