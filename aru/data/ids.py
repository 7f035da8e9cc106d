"""Ids of families and people: their normalized form, and which two may be variants of one."""

import re
import unicodedata
from collections.abc import Iterable

UNKNOWN_PERSON = "photo:"
"""How the id of a person begins that is made of a photo, because nobody knows whom it shows."""
_INVISIBLE = "Cf"  # Unicode's category of marks without a width: zero-width spaces, byte order marks, soft hyphens


def normalized_id(text: str) -> str:
    """An id without surrounding blanks and invisible marks, with single inner blanks, in Unicode's composed form (NFC).

    Case matters: in a foreign archive "d" and "D" may be two people (`similar_keys` finds them).
    """
    composed = unicodedata.normalize("NFC", text)
    return " ".join("".join(sign for sign in composed if unicodedata.category(sign) != _INVISIBLE).split())


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
