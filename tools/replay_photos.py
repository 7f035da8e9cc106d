"""How often a photo on the suppression list is found again after it was changed, and how often another photo is taken for one.

    python tools/replay_photos.py data/faces.zip --photos 1000

The photos are drawn from an archive, one file of each photo. Prints the tables of docs/erasure.md: figures alone, no photo,
name or digest is shown or written.
"""

import argparse
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

from aru.data.photos import thumbnail
from aru.data.prepare import read_archive, read_images
from aru.data.suppression.keyed_hashes import Keys, new_keys
from aru.data.suppression.perceptual import TURNS, VIEWS, BandIndex, bands_of, informative
from aru.stats.roc import clopper_pearson

Photos = list[Image.Image]
_SEED = 0


def _encoded(image: Image.Image, kind: str, **options: int) -> Image.Image:
    content = io.BytesIO()
    image.save(content, kind, **options)
    return Image.open(io.BytesIO(content.getvalue())).convert("RGB")


def _resized(image: Image.Image, factor: float) -> Image.Image:
    return image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.BICUBIC)


def _cropped(image: Image.Image, part: float, rng: np.random.Generator) -> Image.Image:
    """Without a part of the width and of the height, cut off at edges that are drawn."""
    width, height = round(image.width * (1 - part)), round(image.height * (1 - part))
    left, top = int(rng.integers(image.width - width + 1)), int(rng.integers(image.height - height + 1))
    return image.crop((left, top, left + width, top + height))


CHANGES: dict[str, Callable[[Image.Image, np.random.Generator], Image.Image]] = {
    "unchanged": lambda image, rng: image,
    "PNG": lambda image, rng: _encoded(image, "PNG"),
    "JPEG, quality 90": lambda image, rng: _encoded(image, "JPEG", quality=90),
    "JPEG, quality 75": lambda image, rng: _encoded(image, "JPEG", quality=75),
    "JPEG, quality 50": lambda image, rng: _encoded(image, "JPEG", quality=50),
    "WebP, quality 75": lambda image, rng: _encoded(image, "WEBP", quality=75),
    "resized to 50 %": lambda image, rng: _resized(image, 0.5),
    "resized to 200 %": lambda image, rng: _resized(image, 2),
    "cropped by 2 %": lambda image, rng: _cropped(image, 0.02, rng),
    "cropped by 5 %": lambda image, rng: _cropped(image, 0.05, rng),
    "cropped by 10 %": lambda image, rng: _cropped(image, 0.1, rng),
    "brighter by 25 %": lambda image, rng: ImageEnhance.Brightness(image).enhance(1.25),
    "darker by 25 %": lambda image, rng: ImageEnhance.Brightness(image).enhance(0.75),
    "mirrored": lambda image, rng: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "upside down": lambda image, rng: image.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
    "cropped by 5 %, 50 %, JPEG 75": lambda image, rng: _encoded(
        _resized(_cropped(image, 0.05, rng), 0.5), "JPEG", quality=75
    ),
}
"""What is done to a photo before it is looked up, by its name in the table."""


@dataclass
class Recall:
    """Of `photos` on a list, how many were found after each change; of `pairs` of different photos, how many matched."""

    photos: int
    pairs: int = 0
    false_pairs: int = 0
    found: dict[str, int] = field(default_factory=dict)


def recall(photos: Photos, *, keys: Keys) -> Recall:
    """Put every photo on a list of its own and look all of them up, changed and unchanged."""
    pictures = [thumbnail(photo) for photo in photos]
    lists = [BandIndex(keys.bands(bands_of(picture[None], VIEWS)[0])) for picture in pictures]
    rng, done = np.random.default_rng(_SEED), Recall(len(photos))
    for name, change in CHANGES.items():
        seen = (_looked_up(change(photo, rng), keys) for photo in photos)
        done.found[name] = sum(bool(index.matches(bands)) for index, bands in zip(lists, seen, strict=True))
    everything = BandIndex(np.concatenate([keys.bands(bands_of(picture[None], VIEWS)[0]) for picture in pictures]))
    for place, image in enumerate(photos):
        others = {view // len(VIEWS) for view in everything.matches(_looked_up(image, keys))} - {place}
        done.pairs += len(photos) - 1
        done.false_pairs += len(others)
    return done


def _looked_up(image: Image.Image, keys: Keys) -> np.ndarray:
    return keys.bands(bands_of(thumbnail(image)[None], TURNS)[0])


def photos_of(layout: str, archive: Path, most: int) -> Photos:
    """Different photos of an archive, at most so many, drawn by a fixed seed."""
    paths = read_archive(layout, archive).rows.drop_duplicates("photo")["path"].tolist()
    chosen = np.random.default_rng(_SEED).permutation(len(paths))[:most]
    photos = read_images(archive, [paths[place] for place in sorted(chosen.tolist())])
    return [image for image in photos if informative(thumbnail(image))]


def tables(done: Recall) -> str:
    """The figures as Markdown."""
    lines = ["| change | found again | of | recall | 95 % interval |", "|---|---|---|---|---|"]
    for name, count in done.found.items():
        low, high = clopper_pearson(count, done.photos)
        lines.append(f"| {name} | {count} | {done.photos} | {count / done.photos:.3f} | {low:.3f} to {high:.3f} |")
    low, high = clopper_pearson(done.false_pairs, done.pairs)
    lines += ["", f"Pairs of different photos that matched: {done.false_pairs} of {done.pairs} ({low:.1e} to {high:.1e})."]
    return "\n".join(lines)


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path, help="photos in one of the layouts")
    parser.add_argument("--layout", default="mufac", choices=("mufac", "mucac", "table"), help="of the archive")
    parser.add_argument("--photos", type=int, default=1000, help="the most that are drawn")
    options = parser.parse_args()
    print(tables(recall(photos_of(options.layout, options.archive, options.photos), keys=new_keys())))


if __name__ == "__main__":
    main()
