"""Decoding: an encoded image as the picture that a viewer shows, or a Fault: never silently another picture.

docs/protocol.md has the rule as a table.
"""

import importlib
import importlib.util
import io
import struct
import zlib
from functools import cache
from typing import NamedTuple

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageOps, UnidentifiedImageError, features

from aru.data.faults import Fault

# No format whose decoder starts a program, as EPS starts Ghostscript.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", *(("AVIF",) if features.check("avif") else ()))
BACKGROUND = "white"  # what shows through transparent pixels
FIRST_FRAME = "animated, the first frame is used"
EXIF_IGNORED = "EXIF orientation ignored, the pixels are used as they are stored"
MAX_PIXELS = 64_000_000  # 192 MB of RGB; a telephone's camera makes 50 million
_EIGHT_BITS = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "YCbCr", "CMYK", "HSV")
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_AVIF_BRANDS = (b"avif", b"avis")
_TURNED = range(2, 9)  # EXIF orientations that are not upright
_CONVERT = "convert it to an 8-bit RGB JPEG or PNG"
OR_REMOVE = ", or remove both the file and its row"
"""The end of a remedy, which says nothing to who sends one photo."""
_REPLACE = f"replace it by a whole file{OR_REMOVE}"
# Decoders raise these on damaged input, not OSError and ValueError alone.
_DECODER_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)


class Decoded(NamedTuple):
    """The upright 8-bit RGB picture of a file, and what a user should know of it: FIRST_FRAME, EXIF_IGNORED."""

    photo: Image.Image
    remarks: tuple[str, ...]


def decode_photo(content: bytes, *, ignore_exif: bool = False) -> Image.Image:
    """The upright 8-bit RGB picture of an encoded image; Fault where the file has none, or where it is ambiguous.

    `ignore_exif` leaves the pixels as they are stored, as benchmarks do that open files without their EXIF orientation.
    """
    return decode(content, ignore_exif=ignore_exif).photo


def decode(content: bytes, *, ignore_exif: bool = False) -> Decoded:
    """The picture of `decode_photo`, with remarks."""
    try:
        with Image.open(io.BytesIO(content), formats=_formats()) as image:
            _check_header(image)
            remarks = [FIRST_FRAME] * _animated(image)
            if ignore_exif and image.format != "TIFF":  # Pillow itself turns TIFF, whose orientation is no EXIF
                remarks += [EXIF_IGNORED] * (image.getexif().get(ExifTags.Base.Orientation) in _TURNED)
            else:
                ImageOps.exif_transpose(image, in_place=True)
            return Decoded(_rgb(image), tuple(remarks))
    except Fault:
        raise
    except UnidentifiedImageError:
        raise _unreadable(content) from None
    except Image.DecompressionBombError:
        raise _too_large() from None
    except _DECODER_ERRORS as error:
        raise Fault(
            "cannot be read as an image, it is damaged or ends too soon", _REPLACE, f"{type(error).__name__}: {error}"
        ) from error


def shown(image: Image.Image) -> Image.Image:
    """An open image in 8-bit RGB, as a viewer shows it on a white page, not turned; Fault where its mode is ambiguous."""
    _check_mode(image)
    return _rgb(image)


@cache  # the search for a package looks through every folder of the path: as long as a small photo's decoding
def _formats() -> tuple[str, ...]:
    """The formats that are read here: HEIC where the package pillow-heif is installed."""
    if importlib.util.find_spec("pillow_heif") is None:
        return FORMATS
    importlib.import_module("pillow_heif").register_heif_opener()
    return (*FORMATS, "HEIF")


def _unreadable(content: bytes) -> Fault:
    """What a file is whose beginning is that of no format which is read here."""
    if not content:
        return Fault("is empty, it has 0 bytes", _REPLACE)
    brand = content[8:12] if content[4:8] == b"ftyp" else b""
    if brand in _HEIC_BRANDS and "HEIF" not in _formats():
        return Fault("is a HEIC photo, which is not read here", "`pip install pillow-heif`, or convert it to JPEG")
    if brand in _AVIF_BRANDS and "AVIF" not in FORMATS:
        return Fault(
            "is an AVIF photo, which this build of Pillow does not read", "install another Pillow, or convert it to JPEG"
        )
    return Fault(
        "cannot be read as an image of the formats JPEG, PNG, WebP, GIF, AVIF, BMP and TIFF",
        f"{_CONVERT}{OR_REMOVE}",
    )


def _too_large() -> Fault:
    return Fault(f"has more than {MAX_PIXELS} pixels", "make it smaller")


def _check_header(image: Image.Image) -> None:
    """Raise the faults that the header alone shows, before a pixel is decoded."""
    if image.width * image.height > MAX_PIXELS:
        raise _too_large()
    if image.format == "TIFF" and _animated(image):
        raise Fault("contains several pictures", "save the one that is meant as a file of its own")
    _check_mode(image)
    key = image.info.get("transparency")
    if image.mode == "RGB" and isinstance(key, tuple) and max(key) > 255:  # Pillow compares it with 8 of the 16 bits
        raise Fault("has a transparent colour of 16 bits", _CONVERT)
    if image.mode == "CMYK" and image.format in ("JPEG", "MPO") and "adobe" not in image.info:
        raise Fault("is a CMYK JPEG without Adobe's marker, so that nothing says which end of a channel is ink", _CONVERT)


def _check_mode(image: Image.Image) -> None:
    if image.mode.startswith("I;16"):
        tags = getattr(image, "tag_v2", {})  # TIFF: 12 bits, or 0 for white, would be read as another picture
        if tags.get(262, 1) != 1 or tags.get(258, (16,)) != (16,):
            raise Fault("has grey values of 12 bits, or inverted ones of 16", _CONVERT)
    elif image.mode not in _EIGHT_BITS:
        raise Fault(f"has pixels of the kind {image.mode}, which do not say what is black and what is white", _CONVERT)


def _animated(image: Image.Image) -> bool:
    """Whether the file has further frames; a camera's JPEG with a preview behind it (MPO) is one picture."""
    return image.format != "MPO" and bool(getattr(image, "is_animated", False))


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        return _from_16_bits(image)
    if image.has_transparency_data:
        image = _in_srgb(image.convert("RGBA"))
        page = Image.new("RGBA", image.size, BACKGROUND)
        page.alpha_composite(image)
        return page.convert("RGB")
    return _in_srgb(image).convert("RGB")


def _from_16_bits(image: Image.Image) -> Image.Image:
    values = np.asarray(image).astype(np.uint32)
    grey = ((values * 255 + 32767) // 65535).astype(np.uint8)
    if "transparency" in image.info:
        grey[values == image.info["transparency"]] = 255  # the one value that lets the white page through
    return Image.fromarray(grey).convert("RGB")


def _in_srgb(image: Image.Image) -> Image.Image:
    """Colours of an embedded profile as a viewer shows them. A profile that does not fit its pixels is passed over."""
    content = image.info.get("icc_profile")
    if not content or image.mode not in ("RGB", "RGBA", "CMYK"):
        return image
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(content))
        if "sRGB" in ImageCms.getProfileDescription(profile):
            return image
        shown = ImageCms.profileToProfile(
            image, profile, ImageCms.createProfile("sRGB"), outputMode="RGBA" if image.mode == "RGBA" else "RGB"
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image
    return image if shown is None else shown  # None only with inPlace=True
