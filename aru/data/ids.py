"""Ids of families and people: their normalized form, and which two may be variants of one."""

import re
import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches

UNKNOWN_PERSON = "photo:"
"""How the id of a person begins that is made of a photo, because nobody knows whom it shows."""
_SLIP = 2
"""Characters by which a typed name may differ in length from the one that was meant."""
_LEAST_SIMILARITY = 0.6  # of difflib's ratio, from 0 to 1: "Anm" and "Ann" have 0.67
_INVISIBLE = "Cf"  # Unicode's category of marks without a width: zero-width spaces, byte order marks, soft hyphens


def normalized_id(text: str) -> str:
    """An id without surrounding blanks and invisible marks, with single inner blanks, in Unicode's composed form (NFC).

    Case matters: in a foreign archive "d" and "D" may be two people (`similar_keys` finds them).
    """
    if text.isascii():  # it is composed, and has no invisible marks
        found = " ".join(text.split())
    else:
        composed = unicodedata.normalize("NFC", text)
        found = " ".join("".join(sign for sign in composed if unicodedata.category(sign) != _INVISIBLE).split())
    return text if found == text else found  # one object for a million photos


def folded_id(text: str) -> str:
    """An id without case, width, punctuation, blanks and leading zeros: "f1" of "F-01" and of "f0001".

    Ids with the same folded form may be two spellings of one. An id of punctuation alone stays as it is, case-folded.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return re.sub(r"(?<!\d)0+(?=\d)", "", re.sub(r"[\W_]+", "", folded)) or folded


def filing_key(family: str, person: str) -> str:
    """The key of a filing: FAMILY/PERSON, or the person alone where there are no families."""
    return f"{family}/{person}" if family else person


def normalized_key(text: str) -> str:
    """A key as a user types it, each part normalized; the slash before a person without a family is optional."""
    return "/".join(normalized_id(part) for part in text.split("/")).removeprefix("/")


def similar_keys(key: str, known: Iterable[str]) -> list[str]:
    """The known keys whose folded form equals that of this key: other spellings, never another person of the family."""
    wanted = [folded_id(part) for part in key.split("/")]
    return [name for name in known if [folded_id(part) for part in name.split("/")] == wanted]


def nearest_keys(key: str, known: Iterable[str]) -> list[str]:
    """The known keys that a slip of the keyboard may have meant, the most similar first; or whose family was left out.

    Digits are never taken for a slip, nor a letter of a part of one or two: F0001/D and F0001/M, img12 and img13 are others.
    """
    names = list(known)
    if within := [name for name in names if "/" in name and name.partition("/")[2] == key]:
        return within
    numbers, parts = re.findall(r"\d+", key), key.split("/")
    near = [
        name
        for name in names
        if abs(len(name) - len(key)) <= _SLIP
        and re.findall(r"\d+", name) == numbers
        and all(one == other or min(len(one), len(other)) > _SLIP for one, other in zip(parts, name.split("/"), strict=False))
    ]
    return get_close_matches(key, near, n=3, cutoff=_LEAST_SIMILARITY)
