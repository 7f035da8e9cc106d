"""Images decoded once into a memory-mapped uint8 array, served as batches."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.lib.format import header_data_from_array_1_0, write_array_header_1_0
from PIL import Image

from aru.compute.transfer import sent
from aru.core.errors import InputError
from aru.core.files import atomic_path, preallocate
from aru.core.label_columns import label_columns
from aru.core.names import FORGET, RETAIN, SETS, TEST, UNSEEN, SetName
from aru.core.progress import Progress, silent
from aru.data.augment import augment
from aru.data.classes import outputs_of, read_classes
from aru.data.manifest import read_manifest, read_training
from aru.data.resident import read_ahead, resident


@dataclass(frozen=True)
class ImageSet:
    """Some rows of the image array with their targets.

    Shape:
        images: (N, H, W, 3) uint8, usually a memory map; rows: (M,) int64 into it;
        targets: (M,) int64 classes, or (M, L) float32 of 0 and 1 for the multi-label task.
    """

    images: np.ndarray
    rows: np.ndarray
    targets: torch.Tensor
    outputs: int

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, positions: torch.Tensor, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """Images (B, 3, H, W) float32 in [0, 1], channels-last, and targets, on the device.

        Only the bytes of these images are read and moved: memory does not grow with the number of images. On a GPU with
        room for the whole array it is uploaded once (`aru.data.resident`), and only the positions are moved.
        """
        rows = self.rows[positions.numpy()]
        whole = resident(self.images, device)
        if whole is None:
            pixels = sent(torch.from_numpy(self.images[rows]), device)
        else:
            pixels = whole.index_select(0, sent(torch.from_numpy(rows), device))
        return _unit_interval(pixels), sent(self.targets[positions], device)

    def batches(self, parts: Sequence[torch.Tensor], device: torch.device) -> Iterator[tuple[torch.Tensor, Any]]:
        """`batch` of each of these positions in turn; to a GPU the positions go at once, or the next images go meanwhile."""
        if device.type != "cuda":
            for positions in parts:
                yield self.batch(positions, device)
            return
        sizes, together = [len(positions) for positions in parts], torch.cat(list(parts))
        rows = self.rows[together.numpy()]
        whole = resident(self.images, device)
        if whole is None:
            pieces = read_ahead(self.images, np.split(rows, np.cumsum(sizes)[:-1]), device)
        else:
            pieces = (whole.index_select(0, some) for some in sent(torch.from_numpy(rows), device).split(sizes))
        for pixels, targets in zip(pieces, sent(self.targets[together], device).split(sizes), strict=True):
            yield _unit_interval(pixels), targets

    def augment(
        self, images: torch.Tensor, *, generator: torch.Generator, of: int | None = None, begin: int = 0
    ) -> torch.Tensor:
        """A batch of this set as training sees it: MUFAC's augmentations. `of`, `begin`: as in `aru.data.augment`."""
        return augment(images, generator=generator, of=of, begin=begin)

    def example(self) -> torch.Tensor:
        """The first input of the set, on the CPU. Shape: (1, C, H, W)."""
        return self.batch(torch.tensor([0]), torch.device("cpu"))[0]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input: (C, H, W)."""
        _, height, width, channels = self.images.shape
        return channels, height, width

    def take(self, positions: np.ndarray) -> "ImageSet":
        """The images at these positions of the set."""
        return replace(self, rows=self.rows[positions], targets=self.targets[torch.from_numpy(positions)])


@dataclass(frozen=True)
class Sets:
    """The four sets of an unlearning problem."""

    forget: ImageSet
    retain: ImageSet
    test: ImageSet
    unseen: ImageSet

    @property
    def train(self) -> ImageSet:
        """What the original model saw: forget and retain together, in the manifest's order."""
        rows = np.concatenate([self.forget.rows, self.retain.rows])
        order = np.argsort(rows, kind="stable")
        targets = torch.cat([self.forget.targets, self.retain.targets])[torch.from_numpy(order)]
        return replace(self.retain, rows=rows[order], targets=targets)


def _unit_interval(pixels: torch.Tensor) -> torch.Tensor:
    """(B, H, W, 3) uint8 -> (B, 3, H, W) float32 in [0, 1], channels-last."""
    return pixels.permute(0, 3, 1, 2).float().div_(255)


def load_sets(prepared: Path, task: str) -> Sets:
    """Open the four sets that `prepare` wrote, images memory-mapped; InputError where the files do not belong together."""
    manifest, outputs = read_manifest(prepared / "manifest.csv"), outputs_of(read_classes(prepared), task)
    return sets_by_role(manifest, load_images(prepared / "images.npy", len(manifest)), task, outputs)


def load_training(prepared: Path, task: str) -> ImageSet:
    """What the original is trained on, as `prepare` wrote it: forget and retain together, in the manifest's order."""
    table, images = read_training(prepared / "training.csv"), _open_images(prepared / "images.npy")
    rows = table["row"].to_numpy(np.int64)
    if rows[-1] >= len(images):
        raise InputError(
            f"{prepared}: training.csv names row {rows[-1]}, images.npy has {len(images)}: run the stage 'prepare' again"
        )
    outputs = outputs_of(read_classes(prepared), task)
    return ImageSet(images, rows, targets_of(table, task), outputs)


def load_images(path: Path, count: int) -> np.ndarray:
    """The decoded images (count, H, W, 3) uint8 of `count` rows as a memory map."""
    images = _open_images(path)
    if len(images) != count:
        raise InputError(f"{path} has {len(images)} images, the manifest has {count} rows: run the stage 'prepare' again")
    return images


def _open_images(path: Path) -> np.ndarray:
    try:
        images = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}): run the stage 'prepare' again") from None
    if images.dtype != np.uint8 or images.ndim != 4:
        raise InputError(f"{path} has {images.dtype} {images.shape}, not uint8 (N, H, W, 3): run the stage 'prepare' again")
    return images


def targets_of(table: pd.DataFrame, task: str) -> torch.Tensor:
    """Targets (N,) int64, or (N, L) float32 for the multi-label task, of the rows of a table with label columns."""
    columns = label_columns(task)
    labels = table[list(columns)].to_numpy()
    return torch.from_numpy(labels.astype(np.float32)) if len(columns) > 1 else torch.from_numpy(labels[:, 0].astype(np.int64))


def sets_by_role(manifest: pd.DataFrame, images: np.ndarray, task: str, outputs: int) -> Sets:
    """The four sets by the manifest's column `role`; `outputs` is what `aru.data.classes.outputs_of` says of the task."""
    targets = targets_of(manifest, task)
    sets: dict[SetName, ImageSet] = {}
    for role in SETS:
        rows = manifest["row"].to_numpy()[(manifest["role"] == role).to_numpy()].astype(np.int64)
        if len(rows) == 0:
            raise InputError(f"the {role} set is empty: change data.forget or data.protocol")
        sets[role] = ImageSet(images, rows, targets[torch.from_numpy(rows)], outputs)
    return Sets(sets[FORGET], sets[RETAIN], sets[TEST], sets[UNSEEN])


def write_images(
    photos: Iterable[Image.Image], count: int, resolution: int, path: Path, *, progress: Progress = silent
) -> None:
    """Write `count` RGB images in order into one array (count, resolution, resolution, 3) uint8 at `path`.

    Resizing is PIL's bilinear filter, which is what torchvision's Resize does to PIL images. The array is written in
    order and not memory-mapped: on a full disk a memory map ends the process without a message.
    """
    shape = (count, resolution, resolution, 3)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        write_array_header_1_0(file, header_data_from_array_1_0(np.empty((), np.uint8)) | {"shape": shape})
        preallocate(file, math.prod(shape), path)
        for row, photo in enumerate(photos):
            if photo.size != (resolution, resolution):
                photo = photo.resize((resolution, resolution), Image.Resampling.BILINEAR)
            file.write(np.asarray(photo).tobytes())
            if row % 256 == 255 or row + 1 == count:
                progress(row + 1, count, "decode")
