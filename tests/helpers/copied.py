"""How many copies of what kind the search finds, and how many it invents: the tables of docs/protocol.md, "Copies".

python -m tests.helpers.copied data/faces.zip                       # any zip of images; figures only, no picture is kept
python -m tests.helpers.copied data/faces.zip --libraries           # beside imagehash, pdqhash and perception, where installed
"""

import argparse
import hashlib
import io
import time
import zipfile
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from aru.data.copies import find_copies
from aru.data.decoding import decode_photo
from aru.data.photos import thumbnail

Edit = Callable[[Image.Image], bytes]


def saved(image: Image.Image, kind: str = "JPEG", **options) -> bytes:
    """An encoded image, by default a JPEG of quality 90."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **({"quality": 90} if kind == "JPEG" else {}) | options)
    return buffer.getvalue()


def scaled(image: Image.Image, factor: float) -> Image.Image:
    return image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.BICUBIC)


def cropped(image: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    """Without these shares of the width and the height."""
    width, height = image.size
    return image.crop((round(left * width), round(top * height), round((1 - right) * width), round((1 - bottom) * height)))


def bent(image: Image.Image, power: float) -> Image.Image:
    return image.point([round(255 * (level / 255) ** power) for level in range(256)] * 3)


def with_exif(image: Image.Image, turn: int) -> bytes:
    exif = Image.Exif()
    exif[0x112] = turn
    return saved(image, exif=exif)


def stuck(image: Image.Image) -> Image.Image:
    image = image.copy()
    image.paste((200, 30, 30), (0, 0, image.width // 4, image.height // 8))
    return image


EDITS: dict[str, Edit] = {
    "JPEG quality 50": lambda i: saved(i, quality=50),
    "JPEG quality 30": lambda i: saved(i, quality=30),
    "JPEG quality 15": lambda i: saved(i, quality=15),
    "grey": lambda i: saved(i.convert("L")),
    "CMYK": lambda i: saved(i.convert("CMYK")),
    "WebP quality 50": lambda i: saved(i, "WEBP", quality=50),
    "PNG": lambda i: saved(i, "PNG"),
    "half the size": lambda i: saved(scaled(i, 0.5)),
    "a quarter of the size": lambda i: saved(scaled(i, 0.25)),
    "double the size": lambda i: saved(scaled(i, 2)),
    "a third of the size and back": lambda i: saved(scaled(scaled(i, 1 / 3), 3)),
    "brighter by 4 levels": lambda i: saved(i.point(lambda level: min(255, level + 4))),
    "brightness 1.2": lambda i: saved(ImageEnhance.Brightness(i).enhance(1.2)),
    "brightness 0.7": lambda i: saved(ImageEnhance.Brightness(i).enhance(0.7)),
    "contrast 1.3": lambda i: saved(ImageEnhance.Contrast(i).enhance(1.3)),
    "gamma 0.8": lambda i: saved(bent(i, 0.8)),
    "gamma 1.25": lambda i: saved(bent(i, 1.25)),
    "gamma 1.6": lambda i: saved(bent(i, 1.6)),
    "EXIF orientation 6, pixels turned back": lambda i: with_exif(i.transpose(Image.Transpose.ROTATE_90), 6),
    "EXIF orientation 6, pixels as they were": lambda i: with_exif(i, 6),
    "mirrored": lambda i: saved(ImageOps.mirror(i)),
    "upside down": lambda i: saved(ImageOps.flip(i)),
    "turned by 90 degrees": lambda i: saved(i.transpose(Image.Transpose.ROTATE_90)),
    "cropped by a pixel": lambda i: saved(i.crop((1, 1, i.width, i.height))),
    "cropped by 5 % on all sides": lambda i: saved(cropped(i, 0.05, 0.05, 0.05, 0.05)),
    "cropped by 5 % on two sides": lambda i: saved(cropped(i, 0.05, 0, 0, 0.05)),
    "cropped by 5 % on one side": lambda i: saved(cropped(i, 0.05, 0, 0, 0)),
    "cropped by 10 % on all sides": lambda i: saved(cropped(i, 0.1, 0.1, 0.1, 0.1)),
    "cropped by 15 % on all sides": lambda i: saved(cropped(i, 0.15, 0.15, 0.15, 0.15)),
    "turned by 2 degrees": lambda i: saved(i.rotate(2, Image.Resampling.BICUBIC)),
    "turned by 5 degrees": lambda i: saved(i.rotate(5, Image.Resampling.BICUBIC)),
    "mirrored, half the size, quality 50": lambda i: saved(scaled(ImageOps.mirror(i), 0.5), quality=50),
    "cropped by 5 %, brightness 1.15, half": lambda i: saved(
        scaled(ImageEnhance.Brightness(cropped(i, 0.05, 0.05, 0.05, 0.05)).enhance(1.15), 0.5)
    ),
    "a black border of 1/16": lambda i: saved(ImageOps.expand(i, i.width // 16)),
    "a sticker on 1/32 of it": lambda i: saved(stuck(i)),
}


def found(originals: list[Image.Image], edit: Edit) -> tuple[int, int]:
    """How many edited copies are paired with their originals, and how many other pairs there are."""
    pictures = [*originals, *(decode_photo(edit(image)) for image in originals)]
    pairs = {(copy.one, copy.other) for copy in find_copies(np.stack([thumbnail(picture) for picture in pictures]))}
    right = {(place, place + len(originals)) for place in range(len(originals))}
    return len(pairs & right), len(pairs - right)


def images_of(archive: str) -> list[bytes]:
    """The images of a zip, byte-identical ones once."""
    with zipfile.ZipFile(archive) as opened:
        contents = (opened.read(name) for name in opened.namelist() if name.lower().endswith((".jpg", ".jpeg", ".png")))
        return list({hashlib.md5(content, usedforsecurity=False).digest(): content for content in contents}.values())


def hashes() -> dict[str, Callable[[Image.Image], np.ndarray]]:
    """Three libraries' hashes: an image's bits (V, B), the plain hash first, then those of its mirrorings where offered."""
    import imagehash
    import pdqhash
    from perception import hashers

    phash = hashers.PHash()
    return {
        "imagehash phash": lambda image: imagehash.phash(image).hash.reshape(1, -1),
        "imagehash dhash": lambda image: imagehash.dhash(image).hash.reshape(1, -1),
        "imagehash whash": lambda image: imagehash.whash(image).hash.reshape(1, -1),
        "pdqhash": lambda image: np.array(pdqhash.compute_dihedral(np.asarray(image))[0], dtype=bool),
        "perception PHash": lambda image: np.array(
            [phash.string_to_vector(text) for text in phash.compute_isometric(image).values()], dtype=bool
        ),
    }


def distances(plain: np.ndarray, views: np.ndarray) -> np.ndarray:
    """Least Hamming distances (N, M) of hashes (N, B) from the mirrorings (M, V, B) of others."""
    bits = plain.shape[1]
    signs = 2.0 * plain.astype(np.float32) - 1
    return np.min([(bits - signs @ (2.0 * view.astype(np.float32) - 1).T) / 2 for view in views.transpose(1, 0, 2)], axis=0)


def compare(contents: list[bytes], originals: list[Image.Image]) -> None:
    """For each library: the greatest distance below that of every pair that is no copy, and what it finds with it."""
    pictures = [decode_photo(content) for content in contents]
    copies = {(copy.one, copy.other) for copy in find_copies(np.stack([thumbnail(picture) for picture in pictures]))}
    for name, bits in hashes().items():
        views = np.stack([bits(picture) for picture in pictures])
        apart = distances(views[:, 0], views)
        apart = np.minimum(apart, apart.T)
        np.fill_diagonal(apart, np.inf)
        true = np.array([apart[pair] for pair in copies])
        for one, other in copies:
            apart[one, other] = apart[other, one] = np.inf
        limit = apart.min() - 1
        row = [f"{name}: limit {limit:.0f}, copies in the archive {int((true <= limit).sum())} of {len(true)}"]
        plain = np.stack([bits(image)[0] for image in originals])
        for kind, edit in EDITS.items():
            views = np.stack([bits(decode_photo(edit(image))) for image in originals])
            row.append(f"{kind} {int((np.diag(distances(plain, views)) <= limit).sum())}")
        print(", ".join(row), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive")
    parser.add_argument("--count", type=int, default=60, help="originals of each kind of copy")
    parser.add_argument("--libraries", action="store_true", help="imagehash, pdqhash and perception instead of our own search")
    options = parser.parse_args()
    contents = images_of(options.archive)
    chosen = np.random.default_rng(0).choice(len(contents), options.count, replace=False)
    originals = [decode_photo(contents[place]) for place in chosen]
    if options.libraries:
        compare(contents, originals)
        return
    for name, edit in EDITS.items():
        right, other = found(originals, edit)
        print(f"| {name} | {right} of {options.count} | {other} |", flush=True)
    thumbnails = np.stack([thumbnail(decode_photo(content)) for content in contents])
    start = time.perf_counter()
    copies = find_copies(thumbnails)
    kinds = [copy.kind for copy in copies]
    print(
        f"{len(contents)} files: {len(copies)} pairs, {kinds.count('edit')} of them edits, in "
        f"{time.perf_counter() - start:.0f} s; least part explained {min((copy.explained for copy in copies), default=1)}"
    )


if __name__ == "__main__":
    main()
