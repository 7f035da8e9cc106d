"""Every kind of photo goes through a whole import into the archive, and is the same picture there; or is refused by name."""

import importlib.util
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from aru.core.errors import InputError, explained
from aru.data.own_photos import convert
from aru.data.prepare import read_archive, read_images
from aru.data.sources.found import Columns
from tests.data.test_decoding import encoded, png
from tests.helpers.archives import jpeg
from tests.helpers.own_photos import folder, photos


def picture(seed: int = 500) -> Image.Image:
    """A smooth picture, 48 by 32: every turn of it has another shape or other corners."""
    return Image.open(io.BytesIO(jpeg(seed, side=64))).convert("RGB").crop((0, 0, 48, 32))


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x112] = 6
    return exif


def hidden() -> Image.Image:
    """The picture with its right half transparent."""
    image = picture().convert("RGBA")
    image.putalpha(Image.fromarray(np.where(np.arange(48) < 24, 255, 0).astype(np.uint8)[None].repeat(32, 0)))
    return image


def over_white() -> Image.Image:
    image = picture()
    image.paste("white", (24, 0, 48, 32))
    return image


def deep() -> bytes:
    grey = np.asarray(picture().convert("L")).astype(np.uint16) * 257
    return encoded(Image.fromarray(grey), "PNG")


def deep_colour() -> bytes:
    values = np.asarray(picture()).astype(">u2") * 257
    rows = b"".join(b"\0" + line.tobytes() for line in values)
    content = png(16, 2, b"", side=(48, 32))  # its data are replaced
    start, end = content.index(b"IDAT") - 4, content.index(b"IEND") - 4
    data = zlib.compress(rows)
    chunk = struct.pack(">I", len(data)) + b"IDAT" + data + struct.pack(">I", zlib.crc32(b"IDAT" + data))
    return content[:start] + chunk + content[end:]


def frames(kind: str, **options) -> bytes:
    """The picture and a second frame."""
    return encoded(picture(), kind, save_all=True, append_images=[picture(501)], **options)


KINDS = {
    "a.gif": (lambda: encoded(picture().quantize(256), "GIF"), picture, ""),
    "b.gif": (lambda: frames("GIF"), picture, "animated, the first frame is used: 1."),
    "c.webp": (lambda: encoded(picture(), "WEBP", quality=95), picture, ""),
    "d.webp": (lambda: frames("WEBP", quality=95), picture, "animated, the first frame is used: 1."),
    "e.avif": (lambda: encoded(picture(), "AVIF", quality=95), picture, ""),
    "f.png": (deep, lambda: picture().convert("L").convert("RGB"), ""),
    "g.png": (deep_colour, picture, ""),
    "h.jpg": (lambda: encoded(picture().convert("CMYK"), "JPEG", quality=95), picture, ""),
    "i.png": (lambda: encoded(hidden(), "PNG"), over_white, ""),
    "j.jpg": (
        lambda: encoded(picture(), "JPEG", quality=95, exif=turned()),
        lambda: picture().transpose(Image.Transpose.ROTATE_270),
        "",
    ),
    "k.png": (lambda: frames("PNG"), picture, "animated, the first frame is used: 1."),
    "l.JFIF": (lambda: encoded(picture(), "JPEG", quality=95), picture, ""),
    "m.bmp": (lambda: encoded(picture(), "BMP"), picture, ""),
    "n.tif": (lambda: encoded(picture(), "TIFF"), picture, ""),
    "o.tiff": (lambda: encoded(picture().convert("CMYK"), "TIFF"), picture, ""),
    "p.jpg": (lambda: frames("MPO", quality=95), picture, ""),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_photo_of_this_kind_is_imported_as_a_viewer_shows_it(tmp_path, name):
    content, wanted, note = KINDS[name]
    source = folder(tmp_path / "own", photos() | {f"Ann/cat_{name}": content()})
    read = convert("folder", source, tmp_path / "out.zip", Columns(pattern="{person}/{label}_{n}"))
    (seen,) = read_images(tmp_path / "out.zip", [f"photos/Ann/cat_{name}"])
    assert seen.mode == "RGB" and seen.size == wanted().size
    assert np.abs(np.asarray(seen).astype(int) - np.asarray(wanted())).mean() < 12
    for notes in (read.notes, read_archive("table", tmp_path / "out.zip").notes):
        assert any(note in line for line in notes) if note else not any("animated" in line for line in notes)


BAD = {
    "Ann/cat_a.tif": (lambda: encoded(Image.fromarray(np.zeros((8, 8), np.float32)), "TIFF"), "has pixels of the kind F"),
    "Bo/cat_b.jpg": (lambda: jpeg(1)[:200], "cannot be read as an image, it is damaged or ends too soon"),
    "Bo/cat_c.jpg": (lambda: b"", "is empty, it has 0 bytes"),
    "Cy/cat_d.png": (lambda: png(1, 0, b"", side=(9000, 8000)), "has more than 64000000 pixels"),
    "Cy/cat_e.jpg": (lambda: b"no photo", "cannot be read as an image of the formats"),
    "Dee/cat_f.tif": (lambda: frames("TIFF"), "contains several pictures"),
}


def test_all_photos_that_are_none_are_in_one_report_and_nothing_is_written(tmp_path):
    source = folder(tmp_path / "own", photos() | {name: content() for name, (content, _) in BAD.items()})
    with pytest.raises(InputError) as refused:
        convert("folder", source, tmp_path / "out.zip", Columns(pattern="{person}/{label}_{n}"))
    for name, (_, fault) in BAD.items():
        assert f"{name} {fault}" in explained(refused.value)
    assert not (tmp_path / "out.zip").exists()


@pytest.mark.skipif(importlib.util.find_spec("pillow_heif") is None, reason="pillow-heif is not installed")
@pytest.mark.parametrize("turn", [1, 6])
def test_a_telephones_heic_is_imported_upright(tmp_path, turn):
    importlib.import_module("pillow_heif").register_heif_opener()
    exif = Image.Exif()
    exif[0x112] = turn
    source = folder(
        tmp_path / "own", photos() | {"Ann/cat_9.heic": encoded(picture(), "HEIF", quality=95, exif=exif.tobytes())}
    )
    convert("folder", source, tmp_path / "out.zip", Columns(pattern="{person}/{label}_{n}"))
    (seen,) = read_images(tmp_path / "out.zip", ["photos/Ann/cat_9.heic"])
    wanted = picture() if turn == 1 else picture().transpose(Image.Transpose.ROTATE_270)
    assert seen.size == wanted.size and np.abs(np.asarray(seen).astype(int) - np.asarray(wanted)).mean() < 12
