"""A caller's own data as the sets that methods and metrics read: PyTorch datasets, data loaders and arrays.

What fits into memory is read once; a larger set is read batch by batch, by worker processes where the caller grants some. The
memory-mapped set of `images.py` stays the fast way.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from multiprocessing import get_context
from typing import Any, Literal, cast

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, IterableDataset

from aru.compute.transfer import sent
from aru.core.errors import InputError
from aru.core.seeds import seeded
from aru.data.augment import augment
from aru.data.decoding import shown
from aru.data.faults import Fault
from aru.data.images import ImageSet, Sets
from aru.data.loaders import dataset_of
from aru.data.own_labels import labels_of, stored_labels

Bounds = tuple[float, float]
Augmentation = Callable[[torch.Tensor], torch.Tensor] | Literal["mufac"]
"""One image (C, H, W) in [0, 1] -> one of the same shape, as a torchvision.transforms.v2 pipeline does it; or MUFAC's."""
Source = Dataset[Any] | DataLoader[Any] | Sequence[Any]
"""A map-style dataset of (input, target), a data loader over one or a part of it, or a pair of arrays (inputs, targets)."""

Wanted = Literal["inputs", "targets", "both"]
IN_MEMORY = 2 * 1024**3
"""Bytes of inputs that a set may have to be read into memory as a whole."""
_INPUT_KEYS = ("pixel_values", "image", "img", "input", "inputs", "input_ids", "x")
_TARGET_KEYS = ("labels", "label", "target", "targets", "y")
_CHANNELS = range(1, 17)


@dataclass(frozen=True)
class OwnSet(ImageSet):
    """Some items of a caller's data; the same interface as the memory-mapped set.

    `batch` gives inputs as the model takes them before its own normalisation: images (B, C, H, W) float32 within [0, 1].
    """

    items: "Items" = field(kw_only=True)
    augmentation: Augmentation | None = field(default=None, kw_only=True)

    def batch(self, positions: torch.Tensor, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs and targets at these positions of the set, on the device."""
        inputs = self.items.fetch(self.rows[positions.numpy()])
        return sent(inputs, device), sent(self.targets[positions], device)

    def batches(self, parts: Sequence[torch.Tensor], device: torch.device) -> Iterator[tuple[torch.Tensor, Any]]:
        """`batch` of each of these positions in turn: a caller's dataset is read in the thread that asks."""
        for positions in parts:
            yield self.batch(positions, device)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return self.items.shape

    def augment(
        self, images: torch.Tensor, *, generator: torch.Generator, of: int | None = None, begin: int = 0
    ) -> torch.Tensor:
        """A batch as training sees it: by the caller's transforms, image by image, which draw from the global generators.

        A part of a batch (`of`, `begin`) draws other numbers for them than the whole does.
        """
        if self.augmentation is None:
            return images
        if self.augmentation == "mufac":
            return augment(images, generator=generator, of=of, begin=begin)
        with seeded(int(torch.randint(2**31, (1,), generator=generator)) + begin):
            changed = [self.augmentation(image) for image in images]
        return torch.stack(changed) if changed else images  # AMUN has batches of neighbours alone


class Items:
    """The inputs of several datasets, one after the other, by number."""

    def __init__(self, datasets: Mapping[str, Dataset[Any]], bounds: Bounds, workers: int) -> None:
        self._datasets = dict(datasets)
        self._starts = np.cumsum([0, *(len(cast(Any, dataset)) for dataset in datasets.values())])
        self._bounds = bounds
        self._pool: Executor | None = None
        self._workers = workers
        self._memory: torch.Tensor | None = None
        first, _ = _read_items(self._datasets, self._starts, np.array([0]), "inputs")
        self._none = first[:0].clone()
        self.shape = tuple(first.shape[1:])
        self._bytes = len(self) * first[0].numel() * first.element_size()

    def __len__(self) -> int:
        return int(self._starts[-1])

    def fetch(self, rows: np.ndarray) -> torch.Tensor:
        """Inputs (B, ...) of these numbers: bytes become float32 in [0, 1], floats are brought from the bounds to [0, 1]."""
        values = self._read(rows, "inputs")[0] if self._memory is None else self._memory[torch.from_numpy(rows)]
        return _unit_interval(values, self._bounds)

    def targets(self) -> dict[str, Sequence[Any]]:
        """What the items have as targets, by dataset. Inputs that fit into memory are read on the way, and stay there."""
        ends = dict(zip(self._datasets, pairwise(self._starts), strict=True))
        if self._bytes <= IN_MEMORY:
            self._memory, found = self._read(np.arange(len(self)), "both")
            return {name: found[start:end] for name, (start, end) in ends.items()}
        stored = ((name, stored_labels(dataset)) for name, dataset in self._datasets.items())
        return {
            name: self._read(np.arange(*ends[name]), "targets")[1] if labels is None else labels for name, labels in stored
        }

    def _read(self, rows: np.ndarray, wanted: Wanted) -> tuple[torch.Tensor, list[Any]]:
        if not len(rows):
            return self._none, []
        jobs = np.array_split(rows, max(1, min(self._workers, len(rows))))
        if self._workers > 1 and len(rows) > 1:
            if self._pool is None:
                self._pool = ProcessPoolExecutor(
                    self._workers, mp_context=get_context("spawn"), initializer=_adopt, initargs=(self._datasets, self._starts)
                )
            parts = list(self._pool.map(partial(_read_here, wanted=wanted), jobs))
        else:
            parts = [_read_items(self._datasets, self._starts, job, wanted) for job in jobs]
        inputs, targets = zip(*parts, strict=True)
        return torch.cat(inputs), [target for part in targets for target in part]


def own_sets(
    forget: Source,
    retain: Source,
    test: Source | None = None,
    unseen: Source | None = None,
    *,
    outputs: int | None = None,
    bounds: Bounds = (0.0, 1.0),
    workers: int = 0,
    augmentation: Augmentation | None = None,
) -> Sets:
    """The four sets of an unlearning problem from a caller's data; a set that is not given is empty.

    `outputs` is the number of logits; without it one more than the greatest label, or the columns of several labels.
    `bounds` are the least and the greatest value of float images. Raises InputError, with what is wrong and the remedy, for an
    iterable dataset, an item that is no pair, inputs of different shapes, values out of bounds, labels that are neither
    classes nor 0 and 1, and a dataset whose items change from one look to the next.
    """
    if not bounds[0] < bounds[1]:
        raise InputError(f"bounds are {bounds}: the first must be less than the second")
    given = {"forget": forget, "retain": retain, "test": test, "unseen": unseen}
    datasets = {name: as_dataset(source, name) for name, source in given.items() if source is not None}
    for name, dataset in datasets.items():
        check_items(dataset, name, bounds)
    items = Items(datasets, bounds, workers)
    targets = {name: labels_of(found, name) for name, found in items.targets().items()}
    _check_targets(targets)
    count = outputs or _outputs_of(targets)
    _check_labels(targets, count)
    sets, start = {}, 0
    empty = torch.cat(list(targets.values()))[:0]
    no_images = np.empty(0, np.uint8)  # the same object of all sets: they are rows of one array
    for name in given:
        own = targets.get(name, empty)
        rows = np.arange(start, start + len(own), dtype=np.int64)
        sets[name] = OwnSet(no_images, rows, own, count, items=items, augmentation=augmentation)
        start += len(own)
    return Sets(**sets)


class _Arrays(Dataset[tuple[Any, torch.Tensor]]):
    """A pair of arrays as a dataset. Tensors of images are channels-first, as in PyTorch; NumPy's are channels-last."""

    def __init__(self, inputs: Any, targets: Any) -> None:
        self._inputs, self._targets = inputs, torch.as_tensor(targets)

    def __len__(self) -> int:
        return len(self._inputs)

    def __getitem__(self, index: int) -> tuple[Any, torch.Tensor]:
        return self._inputs[index], self._targets[index]


def as_dataset(source: Source, name: str) -> Dataset[Any]:
    inner = source.dataset if isinstance(source, DataLoader) else source
    if isinstance(inner, IterableDataset):
        raise InputError(f"the {name} set is an iterable dataset: images are read in any order, give a map-style dataset")
    if isinstance(source, DataLoader):
        source = dataset_of(source, name)
    if (
        isinstance(source, tuple | list)
        and len(source) == 2
        and all(isinstance(part, torch.Tensor | np.ndarray) for part in source)
    ):
        inputs, targets = source
        if len(inputs) != len(targets):
            raise InputError(
                f"the {name} set has {len(inputs)} inputs and {len(targets)} targets: one target an input is needed"
            )
        source = _Arrays(inputs, targets)
    if not hasattr(source, "__getitem__") or not hasattr(source, "__len__"):
        raise InputError(
            f"the {name} set is a {type(source).__name__}: give a map-style dataset of (input, target), a data loader over "
            "one, or a pair of arrays"
        )
    if len(cast(Any, source)) == 0 and name in ("forget", "retain"):
        raise InputError(f"the {name} set is empty: unlearning needs at least one item to forget and two to retain")
    return cast(Dataset[Any], source)


def check_items(dataset: Dataset[Any], name: str, bounds: Bounds) -> None:
    """Look at the first item twice: what it is, and whether it is the same."""
    if not len(cast(Any, dataset)):
        return
    once, again = (_as_tensor(split_item(dataset[0], name)[0], name) for _ in range(2))
    if once.shape != again.shape or not torch.equal(once, again):
        raise InputError(
            f"item 0 of the {name} set differs from one look to the next: take random transforms out of the dataset and "
            "give them as augment=, because noise belongs to one image"
        )
    if once.ndim == 3 and once.shape[0] not in _CHANNELS:
        raise InputError(
            f"item 0 of the {name} set has shape {tuple(once.shape)}: an image is a PIL image, a tensor (C, H, W) or an "
            "array (H, W, C) of 1 to 16 channels"
        )
    low, high = once.min().item(), once.max().item()
    if once.is_floating_point() and once.ndim == 3 and not (bounds[0] <= low and high <= bounds[1]):
        raise InputError(
            f"item 0 of the {name} set has values from {low:.3g} to {high:.3g}, outside bounds={bounds}: give images before "
            "they are normalised, with preprocessing=, or their true bounds"
        )


def split_item(item: Any, name: str) -> tuple[Any, Any]:
    """An item's input and target: a pair, or a mapping with names in common use."""
    if isinstance(item, Mapping):
        found = [next((key for key in keys if key in item), None) for keys in (_INPUT_KEYS, _TARGET_KEYS)]
        if None not in found:
            return item[found[0]], item[found[1]]
        raise InputError(
            f"an item of the {name} set has the keys {', '.join(map(str, item))}: an input is sought under "
            f"{', '.join(_INPUT_KEYS)}, a target under {', '.join(_TARGET_KEYS)}"
        )
    if isinstance(item, tuple | list) and len(item) >= 2:
        return item[0], item[1]
    raise InputError(f"an item of the {name} set is a {type(item).__name__}: (input, target) is needed")


def _as_tensor(value: Any, name: str = "") -> torch.Tensor:
    """One input as a tensor; images become (C, H, W), uint8 where they were bytes, else float32."""
    if isinstance(value, Image.Image):
        value = np.array(value if value.mode in ("L", "RGB") else _in_rgb(value, name))
    if isinstance(value, np.ndarray):
        value = torch.from_numpy(value)
        if (value.ndim == 3 and value.dtype == torch.uint8) or (value.ndim == 3 and value.shape[-1] in _CHANNELS):
            value = value.permute(2, 0, 1)
    if not isinstance(value, torch.Tensor):
        raise InputError(
            f"an input of the {name} set is a {type(value).__name__}: a PIL image, a tensor or an array is needed"
        )
    if value.ndim == 2 and value.dtype == torch.uint8:
        value = value.unsqueeze(0)
    if value.dtype == torch.float64 or value.dtype in (torch.float16, torch.bfloat16):
        value = value.float()
    return value.detach()  # a dataset may compute its items by a network


def _in_rgb(image: Image.Image, name: str) -> Image.Image:
    try:
        return shown(image)
    except Fault as fault:
        raise InputError(f"an image of the {name} set {fault.what}: {fault.remedy}, or give tensors") from None


def _unit_interval(values: torch.Tensor, bounds: Bounds) -> torch.Tensor:
    if values.dtype == torch.uint8:
        return values.float().div_(255)
    if not values.is_floating_point() or bounds == (0.0, 1.0):
        return values  # token ids stay what they are
    return (values - bounds[0]) / (bounds[1] - bounds[0])


def _check_targets(targets: Mapping[str, torch.Tensor]) -> None:
    kinds = {name: (part.ndim, *part.shape[1:]) for name, part in targets.items() if len(part)}
    if len(set(kinds.values())) > 1:
        raise InputError(f"targets differ in shape by set ({kinds}): all sets need classes, or all the same labels")


def _outputs_of(targets: Mapping[str, torch.Tensor]) -> int:
    filled = [part for part in targets.values() if len(part)]
    if filled[0].ndim == 2:
        return filled[0].shape[1]
    return max(int(part.max()) for part in filled) + 1


def _check_labels(targets: Mapping[str, torch.Tensor], outputs: int) -> None:
    for name, part in targets.items():
        if part.ndim == 1 and len(part) and not 0 <= int(part.min()) <= int(part.max()) < outputs:
            raise InputError(
                f"labels of the {name} set are from {int(part.min())} to {int(part.max())}, the model has {outputs} outputs: "
                "classes count from 0"
            )


def _read_items(
    datasets: Mapping[str, Dataset[Any]], starts: np.ndarray, rows: np.ndarray, wanted: Wanted
) -> tuple[torch.Tensor, list[Any]]:
    """Inputs (B, ...) of these numbers and their targets; what is not wanted is empty."""
    named, inputs, targets = list(datasets.items()), [], []
    for row in rows:
        which = int(np.searchsorted(starts, row, side="right")) - 1
        name, dataset = named[which]
        value, target = split_item(dataset[int(row - starts[which])], name)
        if wanted != "targets":
            inputs.append(_as_tensor(value, name))
        if wanted != "inputs":
            targets.append(target)
    shapes = {tuple(part.shape) for part in inputs}
    if len(shapes) > 1:
        raise InputError(f"inputs have different shapes ({', '.join(map(str, sorted(shapes)))}): resize them in the dataset")
    return torch.stack(inputs) if inputs else torch.empty(0), targets


_adopted: tuple[Mapping[str, Dataset[Any]], np.ndarray] | None = None


def _adopt(datasets: Mapping[str, Dataset[Any]], starts: np.ndarray) -> None:
    global _adopted
    _adopted = (datasets, starts)


def _read_here(rows: np.ndarray, wanted: Wanted) -> tuple[torch.Tensor, list[Any]]:
    assert _adopted is not None
    inputs, targets = _read_items(*_adopted, rows, wanted)
    return inputs, [_sendable(target) for target in targets]


def _sendable(target: Any) -> Any:
    """A target with arrays for tensors, each of which would take a file descriptor on its way to another process."""
    if isinstance(target, Mapping):
        return {key: _sendable(value) for key, value in target.items()}
    return target.detach().cpu().numpy() if isinstance(target, torch.Tensor) else target
