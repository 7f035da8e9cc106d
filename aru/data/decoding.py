"""Decoding: an encoded image as the picture that a viewer shows, or a Fault: never silently another picture.

docs/protocol.md has the rule as a table.
"""

import io
import struct
import zlib

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from aru.data.faults import Fault

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")  # no format whose decoder starts a program, as EPS starts Ghostscript
MAX_PIXELS = 64_000_000  # 192 MB of RGB; a telephone's camera makes 50 million
_EIGHT_BITS = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "YCbCr", "CMYK")
_CONVERT = "convert it to an 8-bit RGB JPEG or PNG"
_REPLACE = "replace it by a whole file, or remove both the file and its row"
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


def decode_photo(content: bytes) -> Image.Image:
    """The upright 8-bit RGB picture of an encoded image; Fault where the file has none, or where it is ambiguous."""
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            _check_header(image)
            return _upright_rgb(image)
    except Fault:
        raise
    except UnidentifiedImageError:
        raise Fault(
            "cannot be read as an image of the formats JPEG, PNG, WebP, BMP and TIFF",
            f"{_CONVERT}, or remove both the file and its row",
        ) from None
    except Image.DecompressionBombError:
        raise _too_large() from None
    except _DECODER_ERRORS as error:
        raise Fault(
            "cannot be read as an image, it is damaged or ends too soon", _REPLACE, f"{type(error).__name__}: {error}"
        ) from error


def _too_large() -> Fault:
    return Fault(f"has more than {MAX_PIXELS} pixels", "make it smaller")


def _check_header(image: Image.Image) -> None:
    """Raise the faults that the header alone shows, before a pixel is decoded."""
    if image.width * image.height > MAX_PIXELS:
        raise _too_large()
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:  # MPO: a camera's JPEG with a preview behind it
        raise Fault("contains several pictures", "save the one that is meant as a file of its own")
    if image.mode.startswith("I;16"):
        tags = getattr(image, "tag_v2", {})  # TIFF: 12 bits, or 0 for white, would be read as another picture
        if tags.get(262, 1) != 1 or tags.get(258, (16,)) != (16,):
            raise Fault("has grey values of 12 bits, or inverted ones of 16", _CONVERT)
    elif image.mode not in _EIGHT_BITS:
        raise Fault(f"has pixels of the kind {image.mode}, which do not say what is black and what is white", _CONVERT)
    key = image.info.get("transparency")
    if image.mode == "RGB" and isinstance(key, tuple) and max(key) > 255:  # Pillow compares it with 8 of the 16 bits
        raise Fault("has a transparent colour of 16 bits", _CONVERT)
    if image.mode == "CMYK" and image.format in ("JPEG", "MPO") and "adobe" not in image.info:
        raise Fault("is a CMYK JPEG without Adobe's marker, so that nothing says which end of a channel is ink", _CONVERT)


def _upright_rgb(image: Image.Image) -> Image.Image:
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode.startswith("I;16"):
        return _from_16_bits(image)
    if image.has_transparency_data:
        image = _in_srgb(image.convert("RGBA"))
        page = Image.new("RGBA", image.size, "white")
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
