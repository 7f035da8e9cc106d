"""The dataset behind a caller's data loader, or why the loader's items are others than the dataset's."""

from typing import Any

from torch.utils.data import (
    DataLoader,
    Dataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
    default_collate,
    default_convert,
)

from aru.core.errors import InputError


def dataset_of(loader: DataLoader[Any], name: str) -> Dataset[Any]:
    """The items that an epoch of the loader draws: its dataset, or the part that a SubsetRandomSampler names, in its order.

    Batches, their order and `drop_last` are left out: methods make their own. Raises InputError for a sampler that repeats
    items or leaves some out, a batch sampler and a collate function of the caller's own.
    """
    remedy = "give the Dataset itself, or a torch.utils.data.Subset of it"
    if loader.batch_sampler is not None and loader.batch_size is None:  # the caller made it: the loader has no batch size
        raise InputError(
            f"the {name} set's DataLoader has the batch sampler {type(loader.batch_sampler).__name__}, which may draw any "
            f"items: {remedy}"
        )
    if loader.collate_fn not in (default_collate, default_convert):
        kind = getattr(loader.collate_fn, "__name__", type(loader.collate_fn).__name__)
        raise InputError(
            f"the {name} set's DataLoader has the collate_fn {kind}, which may change items; they are read one by one here: "
            f"let the dataset do its work, and {remedy}"
        )
    sampler = loader.sampler
    if type(sampler) is SubsetRandomSampler:
        return Subset(loader.dataset, [int(index) for index in sampler.indices])
    if hasattr(loader.dataset, "__len__") and not _draws_each_once(sampler, len(loader.dataset)):
        raise InputError(
            f"the {name} set's DataLoader has a {type(sampler).__name__} that need not draw each item of the dataset once: "
            f"{remedy}"
        )
    return loader.dataset


def _draws_each_once(sampler: Any, count: int) -> bool:
    whole = type(sampler) is SequentialSampler or (type(sampler) is RandomSampler and not sampler.replacement)
    return whole and len(sampler.data_source) == len(sampler) == count
