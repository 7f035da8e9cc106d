"""Every kind of image file is the picture that a person sees, or refused with the fault named."""

import io
import struct
import subprocess
import sys
import zlib
from importlib.machinery import ModuleSpec
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageFile

from aru.data import decoding
from aru.data.decoding import EXIF_IGNORED, FIRST_FRAME, decode, decode_photo
from aru.data.faults import Fault
from tests.helpers.archives import jpeg

ORIENTATION = 0x112


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def picture() -> Image.Image:
    """Red, 24 by 16, with a blue corner at the upper left: every turn of it is another picture."""
    image = Image.new("RGB", (24, 16), "red")
    image.paste("blue", (0, 0, 8, 8))
    return image


def ramp(dtype) -> np.ndarray:
    return np.linspace(0, 65535, 32 * 32).reshape(32, 32).astype(dtype)


def png(bits: int, kind: int, row: bytes, *, side: tuple[int, int] = (4, 4), key: bytes = b"") -> bytes:
    """A PNG file written by hand: what Pillow itself does not write."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", *side, bits, kind, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + (chunk(b"tRNS", key) if key else b"")
        + chunk(b"IDAT", zlib.compress((b"\0" + row) * side[1] if side[1] < 100 else b""))
        + chunk(b"IEND", b"")
    )


def colours(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    """The corner pixels at the upper left and the lower right."""
    pixels = np.asarray(decode_photo(content)).astype(int)
    return pixels[0, 0], pixels[-1, -1]


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_keeps_its_shades(kind):
    grey = np.asarray(decode_photo(encoded(Image.fromarray(ramp(np.uint16)), kind)))
    np.testing.assert_array_equal(grey[:, :, 0], np.round(ramp(np.uint16) / 257))
    assert (grey == grey[:, :, :1]).all() and len(np.unique(grey)) == 256


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF"])
@pytest.mark.parametrize(
    "turn, transposed", [(3, "ROTATE_180"), (5, "TRANSPOSE"), (6, "ROTATE_270"), (8, "ROTATE_90"), (2, "FLIP_LEFT_RIGHT")]
)
def test_a_picture_is_turned_as_its_exif_says(kind, turn, transposed):
    exif = Image.Exif()
    exif[ORIENTATION] = turn
    seen = decode_photo(encoded(picture(), kind, exif=exif, **({} if kind in ("PNG", "TIFF") else {"quality": 95})))
    wanted = picture().transpose(Image.Transpose[transposed])
    assert seen.size == wanted.size
    assert np.abs(np.asarray(seen).astype(int) - np.asarray(wanted)).mean() < 8


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_exif_is_ignored_where_a_benchmark_ignores_it(kind):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    turned = decode(encoded(picture(), kind, exif=exif), ignore_exif=True)
    plain = decode(encoded(picture(), kind), ignore_exif=True)
    np.testing.assert_array_equal(turned.photo, plain.photo)
    assert turned.photo.size == (24, 16)
    assert turned.remarks == (EXIF_IGNORED,) and plain.remarks == ()


def test_16_bit_colour_keeps_its_shades_to_a_level():
    shades = (0, 0x1234, 0x80FF, 0xFFFF)
    content = png(16, 2, b"".join(struct.pack(">HHH", shade, shade, shade) for shade in shades))
    np.testing.assert_allclose(np.asarray(decode_photo(content))[0, :, 0], np.array(shades) / 257, atol=1)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_one_bit_is_black_and_white(kind):
    left, right = colours(encoded(Image.fromarray(np.eye(8, dtype=bool)), kind))
    assert left.tolist() == right.tolist() == [255, 255, 255]
    assert np.asarray(decode_photo(encoded(Image.new("1", (4, 4)), kind))).max() == 0


def test_grey_with_alpha_is_grey_over_white():
    image = Image.new("LA", (4, 4), (100, 255))
    image.putpixel((3, 3), (100, 0))
    left, right = colours(encoded(image, "PNG"))
    assert left.tolist() == [100, 100, 100] and right.tolist() == [255, 255, 255]


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "AVIF"])
def test_the_first_frame_of_an_animation_is_used_and_said(kind):
    content = encoded(picture(), kind, save_all=True, append_images=[Image.new("RGB", (24, 16), "green")])
    seen = decode(content)
    np.testing.assert_allclose(seen.photo.getpixel((0, 0)), [0, 0, 255], atol=8)
    assert seen.remarks == (FIRST_FRAME,)
    assert decode(encoded(picture(), kind)).remarks == ()


HEIC = b"\0\0\0\x18ftypheic" + bytes(40)


def test_heic_is_refused_with_the_remedy_and_read_where_its_package_is(monkeypatch):
    with monkeypatch.context() as without:
        without.setattr("importlib.util.find_spec", lambda name: None)
        with pytest.raises(Fault, match="HEIC photo.*pip install pillow-heif"):
            decode_photo(HEIC)

    class HeifFile(ImageFile.ImageFile):
        format = "HEIF"

        def _open(self):
            self._mode, self._size, self.tile = "RGB", (4, 4), []
            self.im = Image.new("RGB", (4, 4), "red").im

    def register_heif_opener():
        Image.register_open("HEIF", HeifFile, lambda prefix: prefix[4:12] == b"ftypheic")

    package = ModuleType("pillow_heif")
    package.__spec__ = ModuleSpec("pillow_heif", None)
    package.register_heif_opener = register_heif_opener
    monkeypatch.setitem(sys.modules, "pillow_heif", package)
    monkeypatch.setattr(decoding, "_formats", decoding._formats.__wrapped__)  # without what it remembers
    monkeypatch.setattr(Image, "OPEN", dict(Image.OPEN))
    monkeypatch.setattr(Image, "ID", list(Image.ID))
    assert colours(HEIC)[0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_what_alpha_hides_is_white(kind):
    image = picture().convert("RGBA")
    image.putalpha(Image.fromarray(np.where(np.arange(24) < 12, 0, 255).astype(np.uint8)[None].repeat(16, 0)))
    left, right = colours(encoded(image, kind, **({"lossless": True} if kind == "WEBP" else {})))
    assert left.tolist() == [255, 255, 255] and right.tolist() == [255, 0, 0]


@pytest.mark.parametrize(
    "content",
    [
        png(8, 2, b"\x12\x34\x56" * 4, key=b"\x00\x12\x00\x34\x00\x56"),
        png(16, 0, b"\x12\x34" * 4, key=b"\x12\x34"),
        png(16, 4, b"\x12\x34\x00\x00" * 4),
    ],
    ids=["colour key", "16-bit grey key", "16-bit grey and alpha"],
)
def test_a_transparent_colour_is_white(content):
    assert (np.asarray(decode_photo(content)) == 255).all()


def test_a_palettes_transparent_colour_is_white():
    image = picture().quantize(2)
    left, right = colours(encoded(image, "PNG", transparency=image.getpixel((0, 0))))
    assert left.tolist() == [255, 255, 255] and right.tolist() == [255, 0, 0]


def test_half_transparent_is_half_white():
    image = Image.new("RGBA", (4, 4), (200, 100, 0, 128))
    np.testing.assert_allclose(colours(encoded(image, "PNG"))[0], [227, 177, 127], atol=1)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_is_read_the_right_way_round(kind):
    left, right = colours(encoded(picture().convert("CMYK"), kind))
    np.testing.assert_allclose(left, [0, 0, 255], atol=8)
    np.testing.assert_allclose(right, [255, 0, 0], atol=8)


def test_a_wide_profile_is_shown_in_srgb_and_a_foreign_one_is_passed_over():
    plain = colours(encoded(picture(), "PNG"))
    for profile in (ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")):
        converted = colours(encoded(picture(), "PNG", icc_profile=ImageCms.ImageCmsProfile(profile).tobytes()))
        np.testing.assert_array_equal(converted, plain)
    np.testing.assert_array_equal(colours(encoded(picture(), "PNG", icc_profile=b"no profile" * 30)), plain)


def test_a_cameras_jpeg_with_a_preview_is_its_first_picture():
    content = encoded(picture(), "MPO", save_all=True, append_images=[Image.new("RGB", (24, 16))])
    np.testing.assert_allclose(colours(content)[1], [255, 0, 0], atol=8)


def _without_adobe(content: bytes) -> bytes:
    start = content.index(b"\xff\xee")
    return content[:start] + content[start + 2 + struct.unpack(">H", content[start + 2 : start + 4])[0] :]


REFUSED = {
    "int32": (encoded(Image.fromarray(ramp(np.int32)), "TIFF"), "pixels of the kind I"),
    "float": (encoded(Image.fromarray(ramp(np.float32)), "TIFF"), "pixels of the kind F"),
    "Lab": (encoded(Image.new("LAB", (8, 8)), "TIFF"), "pixels of the kind LAB"),
    "16-bit colour key": (
        png(16, 2, b"\x12\x34\x56\x78\x9a\xbc" * 4, key=b"\x12\x34\x56\x78\x9a\xbc"),
        "transparent colour of 16 bits",
    ),
    "CMYK without a marker": (_without_adobe(encoded(picture().convert("CMYK"), "JPEG")), "without Adobe's marker"),
    "inverted 16-bit TIFF": (encoded(Image.fromarray(ramp(np.uint16)), "TIFF", tiffinfo={262: 0}), "inverted"),
    "pages": (encoded(picture(), "TIFF", save_all=True, append_images=[Image.new("RGB", (24, 16))]), "several pictures"),
    "EPS": (encoded(picture(), "EPS"), "formats JPEG, PNG, WebP, GIF, AVIF, BMP and TIFF"),
    "text": (b"<!DOCTYPE html><title>Not found</title>", "formats JPEG, PNG, WebP, GIF, AVIF, BMP and TIFF"),
    "no bytes": (b"", "is empty, it has 0 bytes"),
    "half a JPEG": (jpeg(0)[:400], "damaged or ends too soon"),
    "half a PNG": (encoded(Image.fromarray(ramp(np.uint8)), "PNG")[:70], "damaged or ends too soon"),
    "large": (png(8, 2, b"", side=(9000, 9000)), "more than 64000000 pixels"),
    "giant": (png(8, 2, b"", side=(60000, 60000)), "more than 64000000 pixels"),
}


@pytest.mark.filterwarnings("ignore:Image size")
@pytest.mark.parametrize("content, message", REFUSED.values(), ids=REFUSED.keys())
def test_what_is_not_certain_is_refused(content, message):
    with pytest.raises(Fault, match=message) as caught:
        decode_photo(content)
    assert "BytesIO" not in f"{caught.value} {caught.value.reason}"


def test_limits_hold_before_a_pixel_is_decoded(monkeypatch):
    content = encoded(picture(), "PNG")
    monkeypatch.setattr(decoding, "MAX_PIXELS", 24 * 16 - 1)
    monkeypatch.setattr(decoding, "_rgb", lambda image: pytest.fail("decoded"))
    with pytest.raises(Fault, match="more than 383 pixels"):
        decode_photo(content)


def test_an_eps_file_starts_no_program(monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", lambda *given, **options: pytest.fail("a program was started"))
    with pytest.raises(Fault):
        decode_photo(encoded(picture(), "EPS"))


WHOLE = [encoded(picture(), kind) for kind in decoding.FORMATS]


@settings(max_examples=200, deadline=None)
@pytest.mark.filterwarnings("ignore")
@given(st.sampled_from(WHOLE), st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=8))
def test_damage_is_a_flaw_whatever_the_decoder_raises(content, changes):
    spoilt = bytearray(content)
    for place, value in changes:
        spoilt[place % len(spoilt)] = value
    try:
        assert decode_photo(bytes(spoilt)).mode == "RGB"
    except Fault as fault:
        assert fault.what and fault.remedy


@pytest.mark.parametrize("error", [SyntaxError, RuntimeError, TypeError, KeyError, struct.error, OverflowError, EOFError])
def test_any_error_of_a_decoder_is_a_flaw(monkeypatch, error):
    def fail(image):
        raise error("what a decoder says")

    monkeypatch.setattr(decoding, "_rgb", fail)
    with pytest.raises(Fault, match="damaged or ends too soon") as caught:
        decode_photo(jpeg(0))
    assert caught.value.reason.startswith(error.__name__)
