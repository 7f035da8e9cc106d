"""The encoding of bytes that do not say it: names of old archives, tables of old spreadsheets."""

import unicodedata
from collections.abc import Sequence

KOREAN = "cp949"
OLD_NAMES = ("utf-8", KOREAN, "cp437", "cp850", "cp1252")
"""What programs wrote into archives: UTF-8 without its flag, Korean Windows, DOS, western Windows' two code pages."""
OLD_TEXT = ("utf-8-sig", KOREAN, "cp1252")
"""What spreadsheets write: UTF-8, Korean Windows, western Windows."""


def guess_encoding(texts: Sequence[bytes], candidates: Sequence[str]) -> str | None:
    """The first of the encodings in which all texts are plausible; None where there is none."""
    return next((encoding for encoding in candidates if _plausible(texts, encoding)), None)


def utf_16_of(content: bytes) -> str | None:
    """The form of UTF-16 of a text without its mark: of ASCII signs, of which every table has some, one byte of two is 0."""
    sample = content[:512]
    evens, odds = sample[::2].count(0), sample[1::2].count(0)
    if max(evens, odds) * 4 < len(sample) or min(evens, odds) * 8 > len(sample):
        return None
    return "utf-16-le" if odds > evens else "utf-16-be"


def _plausible(texts: Sequence[bytes], encoding: str) -> bool:
    try:
        decoded = [text.decode(encoding) for text in texts]
    except UnicodeDecodeError:
        return False
    if encoding.startswith("utf"):
        return True
    if encoding != KOREAN:
        return all(map(_western, decoded))
    signs = [sign for text in decoded for sign in text if not sign.isascii()]
    # Two bytes of western text may decode as one Korean syllable: as a rare one, outside EUC-KR, or as a Chinese sign.
    letters = [sign for sign in signs if sign.isalpha()]
    common = sum(_in_euc_kr(sign) for sign in letters)
    return all("\uac00" <= sign <= "\ud7a3" for sign in letters) and 2 * common >= len(letters)


def _western(text: str) -> bool:
    """Whether all that is not ASCII are Latin letters and punctuation, and no capital follows a small letter."""
    for before, sign in zip(" " + text, text, strict=False):
        if sign.isascii() or unicodedata.category(sign)[0] == "P":
            continue
        if not unicodedata.name(sign, "").startswith("LATIN") or (before.islower() and sign.isupper()):
            return False
    return True


def _in_euc_kr(sign: str) -> bool:
    try:
        return len(sign.encode("euc_kr")) == 2  # it writes rare syllables in 8 bytes
    except UnicodeEncodeError:
        return False
