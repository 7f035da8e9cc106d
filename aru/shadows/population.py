"""The people and photos of a shadow pool: who is halved, and who is in no shadow at all.

Halved are the people with training photos: under the official protocol all of them, under the clean one those who are
reported on (`aru.comparison.draws`: the people set aside for tuning are nowhere), under the tuning one those set aside. The
people of the test and unseen sets are in no shadow: they are what "never seen" is calibrated on. One pool serves all draws
of its protocol, because draws differ in who is forgotten, not in who was trained on.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from aru.comparison.draws import Draw, Protocol, load_draw
from aru.compute.keys import digest
from aru.core.config import Config
from aru.core.label_columns import label_columns
from aru.data.images import ImageSet
from aru.data.prepared import Stamp, manifest_of, pixels_of, stamp_of


@dataclass(frozen=True, eq=False)
class Population:
    """What all shadows of a protocol share.

    train: each photo of the halved people once; subjects, pixels: (N,) its person and the digest of what was decoded.
    people: (P,) sorted; strata: (P,) the class of most of a person's photos.
    every: each file of the manifest once, whoever it shows; every_files, every_pixels: digests of it and
    of what was decoded. Labels play no part there.
    """

    protocol: Protocol
    train: ImageSet
    subjects: np.ndarray
    pixels: np.ndarray
    people: np.ndarray
    strata: np.ndarray
    every: ImageSet
    every_files: np.ndarray
    every_pixels: np.ndarray

    @property
    def scored(self) -> str:
        """A digest of which files the logits are about, and of what was decoded from them."""
        return digest([self.every_files.tolist(), self.every_pixels.tolist()])


def load_population(prepared: Path, protocol: Protocol, config: Config) -> Population:
    """The population of a protocol from what the stage `prepare` wrote. Raises InputError as `load_draw` does."""
    return _load_population(Path(prepared), stamp_of(prepared), protocol, config)


@lru_cache(maxsize=4)
def _load_population(prepared: Path, stamp: Stamp, protocol: Protocol, config: Config) -> Population:
    sets, _, _ = load_draw(prepared, Draw(protocol), config)
    manifest, pixels = manifest_of(prepared), pixels_of(prepared)
    train = without_copies(sets.train, manifest)
    rows = manifest.loc[train.rows]
    classes = rows[list(label_columns(config.data.task))].astype(str).agg("/".join, axis=1)
    main = classes.groupby(rows["subject"]).agg(lambda values: values.mode().iloc[0])  # sorted by subject
    distinct = np.flatnonzero(~manifest["digest"].duplicated())
    every = ImageSet(train.images, distinct, torch.zeros(len(distinct), dtype=torch.int64), train.outputs)
    return Population(
        protocol,
        train,
        rows["subject"].to_numpy(),
        pixels[train.rows],
        main.index.to_numpy(),
        main.to_numpy(),
        every,
        manifest["digest"].to_numpy()[distinct],
        pixels[distinct],
    )


def without_copies(data: ImageSet, manifest: pd.DataFrame) -> ImageSet:
    """A set without copies of a photo: the first row of each photo stays."""
    return data.take(np.flatnonzero(~manifest["photo"].iloc[data.rows].duplicated().to_numpy()))
