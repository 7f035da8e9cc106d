"""A caller's data loader stands for the items that it draws, or is refused by the name of what chooses or changes them."""

import pytest
import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
)

from aru.core.errors import InputError
from aru.data.datasets import own_sets
from aru.data.loaders import dataset_of
from aru.data.structured import structured_sets

PHOTOS = TensorDataset(torch.rand(8, 3, 4, 4), torch.arange(8))
RETAIN = TensorDataset(torch.rand(4, 3, 4, 4), torch.arange(4))


@pytest.mark.parametrize("read", [own_sets, structured_sets])
@pytest.mark.parametrize("indices", [[5, 1, 6], torch.tensor([5, 1, 6]), range(2)])
def test_a_sampler_of_some_items_is_a_subset_of_them_in_its_order(read, indices):
    order = [int(index) for index in indices]
    loader, subset = DataLoader(PHOTOS, batch_size=2, sampler=SubsetRandomSampler(indices)), Subset(PHOTOS, order)
    found, expected = read(loader, RETAIN).forget, read(subset, RETAIN).forget
    assert found.targets.tolist() == order
    whole = torch.arange(len(order))
    for one, other in zip(found.batch(whole, torch.device("cpu")), expected.batch(whole, torch.device("cpu")), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"shuffle": True, "drop_last": True, "batch_size": 3},
        {"batch_size": None},
        {"sampler": RandomSampler(PHOTOS)},
        {"sampler": SequentialSampler(range(8))},
        {"collate_fn": default_collate},
    ],
)
def test_what_draws_every_item_once_is_the_dataset(options):
    assert dataset_of(DataLoader(PHOTOS, **options), "forget") is PHOTOS


class Backwards(SequentialSampler):
    """A sampler of the caller's own."""


def doubled(items):
    return default_collate(items + items)


@pytest.mark.parametrize(
    "options, named",
    [
        ({"sampler": RandomSampler(PHOTOS, replacement=True)}, "RandomSampler"),
        ({"sampler": RandomSampler(PHOTOS, num_samples=3)}, "RandomSampler"),
        ({"sampler": RandomSampler(range(3))}, "RandomSampler"),
        ({"sampler": RandomSampler(range(4), num_samples=8)}, "RandomSampler"),
        ({"sampler": SequentialSampler(range(3))}, "SequentialSampler"),
        ({"sampler": WeightedRandomSampler([1.0] * 8, 8)}, "WeightedRandomSampler"),
        ({"sampler": Backwards(PHOTOS)}, "Backwards"),
        ({"sampler": [2, 0, 1]}, "list"),
        ({"batch_sampler": BatchSampler(SubsetRandomSampler([0, 1]), 2, False)}, "batch sampler BatchSampler"),
        ({"batch_sampler": [[0, 1], [2]]}, "batch sampler list"),
        ({"collate_fn": doubled}, "collate_fn doubled"),
    ],
)
def test_what_may_draw_or_make_other_items_is_refused_by_name(options, named):
    with pytest.raises(InputError, match=f"the test set's DataLoader has .*{named}.*: .*give the Dataset itself, or .*Subset"):
        own_sets(PHOTOS, RETAIN, test=DataLoader(PHOTOS, **options))


class Unsized(Dataset):
    """Items by number, without their number."""

    def __getitem__(self, index):
        return PHOTOS[index]


def test_a_dataset_without_a_length_is_named_itself():
    with pytest.raises(InputError, match="forget set is a Unsized: give a map-style dataset"):
        own_sets(DataLoader(Unsized()), RETAIN)
