"""Labels of a caller's own data are what the items have; what is neither a class nor 0 and 1 is refused."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset
from torchvision.datasets import CIFAR10, MNIST, ImageFolder

from aru.core.errors import InputError
from aru.data import datasets
from aru.data.datasets import own_sets
from aru.data.own_labels import labels_of, stored_labels


class Noisy(Dataset):
    """Five labels of twenty made wrong, none of them the first, the middle or the last; `targets` are the clean ones."""

    wrong = (1, 4, 7, 13, 16)

    def __init__(self) -> None:
        self.images, self.targets = torch.rand(20, 3, 4, 4), [0] * 20
        self.reads: list[int] = []

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int):
        self.reads.append(int(index))
        return self.images[index], 7 if index in self.wrong else self.targets[index]


@pytest.mark.parametrize(("limit", "workers"), [(datasets.IN_MEMORY, 0), (0, 0), (datasets.IN_MEMORY, 2)])
def test_labels_are_those_of_the_items_and_not_the_stored_ones(limit, workers, monkeypatch):
    monkeypatch.setattr(datasets, "IN_MEMORY", limit)
    noisy = Noisy()
    labels = own_sets(noisy, Noisy(), workers=workers).forget.targets
    assert labels.tolist() == [7 if index in Noisy.wrong else 0 for index in range(20)]
    if not workers:
        assert noisy.reads.count(5) == 1, "input and label are read in one pass"


def folder(root, *, count: int = 4) -> None:
    for name in ("cat", "dog"):
        (root / name).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (4, 4), (40 * number, 0, 0)).save(root / name / f"{number}.png")


def test_a_large_folder_of_torchvisions_is_not_decoded_for_its_labels(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "IN_MEMORY", 0)
    folder(tmp_path)
    opened = []

    def loader(path):
        opened.append(path)
        return Image.open(path).convert("RGB")

    data = ImageFolder(str(tmp_path), loader=loader)
    data.targets = [1] * 8  # no item reads them
    assert own_sets(data, data).retain.targets.tolist() == [0] * 4 + [1] * 4
    assert len(set(opened)) == 1, "the first photo alone is looked at"


def relabelled(kind: type) -> type:
    class Relabelled(kind):
        """Items with labels of their own."""

        def __getitem__(self, index):
            return super().__getitem__(index)[0], 5

    return Relabelled


def made(kind: type, **attributes):
    """A dataset of torchvision's without its files."""
    made = kind.__new__(kind)
    vars(made).update({"transform": None, "target_transform": None, **attributes})
    return made


@pytest.mark.parametrize(
    "kind, attributes",
    [
        (CIFAR10, {"data": np.zeros((3, 4, 4, 3), np.uint8), "targets": [2, 0, 1]}),
        (MNIST, {"data": torch.zeros(3, 4, 4, dtype=torch.uint8), "targets": torch.tensor([2, 0, 1])}),
    ],
)
def test_stored_labels_of_torchvision_are_those_of_the_items(kind, attributes):
    data = made(kind, **attributes)
    assert [int(label) for label in stored_labels(data)] == [2, 0, 1] == [data[index][1] for index in range(3)]
    assert stored_labels(made(relabelled(kind), **attributes)) is None
    assert stored_labels(made(kind, **attributes | {"target_transform": lambda label: 2 - label})) is None
    assert stored_labels(Noisy()) is None


@pytest.mark.parametrize(
    "found, expected",
    [
        ([2, 0, 1], [2, 0, 1]),
        ([np.int32(2), torch.tensor([0]).squeeze(), 1.0], [2, 0, 1]),
        ([True, False], [1, 0]),
        ([torch.tensor([3]), torch.tensor([1])], [3, 1]),
        ([], []),
    ],
)
def test_whole_numbers_of_any_type_are_classes(found, expected):
    labels = labels_of(found, "retain")
    assert labels.tolist() == expected and labels.dtype == torch.int64


@pytest.mark.parametrize("kind", [np.bool_, np.int64, np.uint8, np.float64])
def test_rows_of_zeros_and_ones_of_any_type_are_several_labels(kind):
    labels = labels_of(list(np.array([[0, 1, 1], [1, 0, 0]], kind)), "retain")
    assert labels.tolist() == [[0, 1, 1], [1, 0, 0]] and labels.dtype == torch.float32


@pytest.mark.parametrize(
    "found, said",
    [
        ([[0, 1], [-1, 1]], "item 1 of the retain set has the label -1: one of several labels is 0 or 1"),
        ([[0, 1], [255, 0]], "item 1 of the retain set has the label 255: one of several"),
        ([[0.0, float("nan")], [1.0, 0.0]], "item 0 of the retain set has the label nan: one of several"),
        ([0.0, 0.9], "item 1 of the retain set has the label 0.9: a class is a whole number from 0"),
        ([[0.0], [0.9]], "item 1 of the retain set has the label 0.9: a class"),
        ([float("nan"), 1.0], "item 0 of the retain set has the label nan: a class"),
        ([0.0, float("inf")], "item 1 of the retain set has the label inf: a class"),
        ([[0, 1], [0, 1, 1]], r"shapes \(2,\), \(3,\): give each item one class"),
        ([torch.zeros(4, 4)] * 2, r"shapes \(4, 4\): .* loss="),
        (["cat", "dog"], "item 0 of the retain set has the label 'cat', a str: a class is a whole"),
        ([0, None], "item 1 of the retain set has the label 'None', a NoneType"),
    ],
)
def test_what_is_no_label_is_named_with_the_remedy(found, said):
    with pytest.raises(InputError, match=said):
        labels_of(found, "retain")


@pytest.mark.parametrize("labels", [torch.rand(4, 3).round() * 2 - 1, torch.tensor([0.9, 1.9, 2.5, 0.2])])
def test_the_sets_refuse_them(labels):
    with pytest.raises(InputError, match="of the unseen set has the label"):
        good = torch.rand(4, 3, 4, 4), torch.zeros_like(labels)
        own_sets(good, good, unseen=(torch.rand(4, 3, 4, 4), labels))
