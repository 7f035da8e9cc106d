"""Names of files in archives: one form for all, the files that systems put there for themselves, encodings of old zips."""

import codecs
import re
import unicodedata
import zipfile

from aru.core.errors import InputError
from aru.data.text_encodings import OLD_NAMES, guess_encoding

_UTF8 = 0x800  # the flag of a member whose name is in UTF-8
_JUNK = re.compile(
    r"(^|/)((__MACOSX|\.AppleDouble|\.Spotlight-V100|\.Trashes|\.fseventsd|\$RECYCLE\.BIN|@eaDir)(/.*)?"
    r"|\._[^/]*|\.DS_Store|\.localized|(eh)?thumbs(_vista)?\.db|desktop\.ini)$",
    re.IGNORECASE,
)


def normalized_path(path: str) -> str:
    """A path of a table or an archive in the form in which both are compared: slashes, and NFC (accents and Hangul composed).

    macOS stores names decomposed, and old Windows programs wrote backslashes into archives.
    """
    return unicodedata.normalize("NFC", path.replace("\\", "/"))


def is_junk(name: str) -> bool:
    """Whether macOS, Windows or a network drive put this file there for itself."""
    return bool(_JUNK.search(name))


def junk_note(count: int) -> tuple[str, ...]:
    """How many files were left out as `is_junk`, as a sentence; none where there are none."""
    return (f"Files that macOS, Windows or a network drive put there for themselves, left out: {count}.",) if count else ()


def encoding_of_names(members: list[zipfile.ZipInfo], given: str | None) -> tuple[str, tuple[str, ...]]:
    """The encoding of the names that are not marked as UTF-8, and a note where it was guessed and not certain.

    The zip format says cp437, but programs wrote the machine's own encoding.
    """
    raw = [_raw_name(member) for member in members if not (_has_unicode_name(member) or member.orig_filename.isascii())]
    raw = [name for name in raw if not is_junk(name.decode("cp437"))]
    if given is not None:
        _check_encoding(raw, given)
        return given, ()
    encoding = guess_encoding(raw, OLD_NAMES) or "cp437"
    if not raw or encoding == "utf-8":
        return encoding, ()
    example = raw[0].decode(encoding)
    return encoding, (
        f"Names that do not say their encoding, read as {encoding}: {len(raw)}, one of them {example!r}. "
        "--name-encoding names another one.",
    )


def _check_encoding(names: list[bytes], encoding: str) -> None:
    try:
        codecs.lookup(encoding)
        for name in names:
            name.decode(encoding)
    except LookupError:
        raise InputError(f"--name-encoding {encoding!r} is no encoding: write it as cp850 or shift_jis") from None
    except UnicodeDecodeError:
        raise InputError(
            f"--name-encoding {encoding}: the names in the archive are not in it; leave it out to guess"
        ) from None


def _raw_name(member: zipfile.ZipInfo) -> bytes:
    return member.orig_filename.encode("cp437")


def name_of_member(member: zipfile.ZipInfo, encoding: str) -> str:
    """The name of a member, read in this encoding where it does not say its own."""
    if _has_unicode_name(member) or member.orig_filename.isascii():
        return member.filename
    return _raw_name(member).decode(encoding, "replace")  # names of `is_junk` may be in another one


def _has_unicode_name(member: zipfile.ZipInfo) -> bool:
    """Whether the name is marked as UTF-8, or zipfile used another field than the header's (Info-ZIP's Unicode field)."""
    return bool(member.flag_bits & _UTF8) or member.filename != member.orig_filename
