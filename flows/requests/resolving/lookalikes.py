"""Who looks like the person in a photo that was sent: everybody in the data, ranked by the model's own features.

It is a list for a person to look through, and no finding: what counts is whom that person confirms. Nothing is stored; the
features of the archive's photos stay in the memory of who asked, and thumbnails are made when they are shown.
"""

import io
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from aru.compute.device import Compute, make_compute
from aru.core.config import load_archive
from aru.core.errors import InputError
from aru.core.files import file_md5, read_meta
from aru.core.progress import Progress, silent
from aru.data.archive import open_archive
from aru.data.decoding import decode_photo
from aru.data.faults import Fault
from aru.data.images import ImageSet
from aru.data.prepare import read_images
from aru.data.sources.canonical import ignores_exif
from aru.data.subjects import filings
from aru.metrics.representation.activations import penultimate
from aru.metrics.representation.alike import Gallery
from aru.nets.models import load_model
from flows.project.params import PARAMS_FILE, configured
from flows.requests.resolving.resolution import people_of, searched_digest

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

THUMBNAIL = 160
"""The longer side of a thumbnail, in pixels."""
_AT_ONCE = 1024  # images in memory


@dataclass(frozen=True)
class Lookalike:
    """A person: place in the list from 1, cosine similarity in [-1, 1], filings; photos, the most similar first."""

    rank: int
    similarity: float
    names: tuple[str, ...]
    paths: tuple[str, ...]


@dataclass(frozen=True)
class Lookalikes:
    """Everybody in the data, the most similar first; the MD5 of the model's weights, the digest of the manifest."""

    people: tuple[Lookalike, ...]
    weights_md5: str
    searched: str


@dataclass(frozen=True)
class _Place:
    """The data and the model by which people are compared: one gallery is of one place."""

    archive: Path
    weights: Path
    weights_md5: str
    searched: str


@dataclass(frozen=True)
class _Features:
    """The gallery of a place, with the network that made it, and the rows of the manifest that it has."""

    place: _Place
    rows: "pd.DataFrame"
    gallery: Gallery
    network: "nn.Module"
    compute: Compute


class LookalikeSearch:
    """The search in one project; the features of the data that were asked about last are kept in memory, and one thread
    computes them at a time."""

    def __init__(self, root: Path) -> None:
        self._root, self._lock = Path(root), threading.Lock()
        self._known: _Features | None = None

    def find(self, benchmark: str, upload: bytes, *, progress: Progress = silent) -> Lookalikes:
        """Rank the people of a benchmark's data by a photo that was sent.

        Raises InputError where there is no model to look with, and where the upload is no photo.
        """
        rows, _ = people_of(self._root, benchmark, progress=progress)
        place = self._place(benchmark, rows)
        with self._lock:
            if self._known is None or self._known.place != place:
                self._known = self._compute(benchmark, place, rows, progress)
            known = self._known
        with open_archive(place.archive) as archive:
            photo = _decoded(upload, ignore_exif=ignores_exif(archive))
        query = _features(known.network, [_resized(photo, read_meta(place.weights)["resolution"])], known.compute)[0]
        names, paths = _names(rows), known.rows["path"].to_numpy()
        people = tuple(
            Lookalike(rank, ranked.similarity, names[ranked.person], tuple(paths[list(ranked.images)]))
            for rank, ranked in enumerate(known.gallery.rank(query), start=1)
        )
        return Lookalikes(people, place.weights_md5, place.searched)

    def thumbnails(self, benchmark: str, paths: Sequence[str]) -> list[bytes]:
        """JPEG files of photos of the data, at most THUMBNAIL pixels long, made now."""
        archive = self._root / load_archive(self._root / PARAMS_FILE, benchmark)
        return [_thumbnail(photo) for photo in read_images(archive, list(paths))]

    def thumbnail_of_upload(self, upload: bytes) -> bytes:
        """The same of a photo that was sent. Raises InputError where it is no photo."""
        return _thumbnail(_decoded(upload, ignore_exif=False))

    def _place(self, benchmark: str, rows: "pd.DataFrame") -> _Place:
        weights = self._root / "work" / benchmark / "original" / "model.safetensors"
        if not weights.is_file():
            raise InputError(
                f"there is no model of {benchmark} to look with: `aru run` trains it, or brings an imported one in"
            )
        archive = self._root / load_archive(self._root / PARAMS_FILE, benchmark)
        return _Place(archive, weights, file_md5(weights), searched_digest(rows))

    def _compute(self, benchmark: str, place: _Place, rows: "pd.DataFrame", progress: Progress) -> _Features:
        network, compute = load_model(place.weights), make_compute(configured(self._root / PARAMS_FILE, benchmark).runtime)
        side, shown = read_meta(place.weights)["resolution"], rows.drop_duplicates("photo").reset_index(drop=True)
        parts, photos = [], read_images(place.archive, shown["path"].tolist())
        for start in range(0, len(shown), _AT_ONCE):
            chunk = [_resized(next(photos), side) for _ in range(min(_AT_ONCE, len(shown) - start))]
            parts.append(_features(network, chunk, compute))
            progress(start + len(chunk), len(shown), "look")
        gallery = Gallery(torch.cat(parts), shown["subject"].to_numpy())
        return _Features(place, shown, gallery, network, compute)


def _resized(photo: Image.Image, side: int) -> np.ndarray:
    """The pixels of a photo as `prepare` makes them: (side, side, 3). The photo itself may be a thousand times as large."""
    return np.asarray(photo.resize((side, side), Image.Resampling.BILINEAR))


def _features(network: "nn.Module", photos: Sequence[np.ndarray], compute: Compute) -> torch.Tensor:
    """What the classifier sees of photos: (N, K)."""
    images = np.stack(photos)
    targets = torch.zeros(len(images), dtype=torch.int64)
    return penultimate(network, ImageSet(images, np.arange(len(images)), targets, 1), compute=compute)


def _decoded(upload: bytes, *, ignore_exif: bool) -> Image.Image:
    try:
        return decode_photo(upload, ignore_exif=ignore_exif)
    except Fault as fault:
        raise InputError(f"the uploaded file is no photo that can be read: {fault}") from None


def _thumbnail(photo: Image.Image) -> bytes:
    shown, content = photo.copy(), io.BytesIO()
    shown.thumbnail((THUMBNAIL, THUMBNAIL))
    shown.save(content, "JPEG", quality=85)
    return content.getvalue()


def _names(rows: "pd.DataFrame") -> dict[str, tuple[str, ...]]:
    """The filings of every person."""
    found: dict[str, set[str]] = {}
    for subject, name in zip(rows["subject"], filings(rows), strict=True):
        found.setdefault(str(subject), set()).add(name)
    return {subject: tuple(sorted(names)) for subject, names in found.items()}
