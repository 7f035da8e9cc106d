"""Ids as people type them: what is one id, and which two may be meant for one."""

import re
import unicodedata
from collections.abc import Iterable

_INVISIBLE = "Cf"  # Unicode's category of marks without a width: zero-width spaces, byte order marks, soft hyphens


def normalized_id(text: str) -> str:
    """An id without blanks around it or invisible marks, its inner blanks single, in Unicode's composed form (NFC).

    Upper and lower case stay apart: in a foreign archive "d" and "D" may be two people (`similar_keys` finds them).
    """
    composed = unicodedata.normalize("NFC", text)
    return " ".join("".join(sign for sign in composed if unicodedata.category(sign) != _INVISIBLE).split())


def folded_id(text: str) -> str:
    """What is left of an id without case, width, punctuation, blanks and leading zeros: "f1" of "F-01" and of "f0001".

    Ids with the same folded form may be two spellings of one; where nothing is left, the id stands for itself.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return re.sub(r"(?<!\d)0+(?=\d)", "", re.sub(r"[\W_]+", "", folded)) or folded


def filing_key(family: str, person: str) -> str:
    """How a person of the archive is asked for: FAMILY/PERSON, or the person alone where there are no families."""
    return f"{family}/{person}" if family else person


def normalized_key(text: str) -> str:
    """A key as a user types it, each part a normal id; the slash before a person without a family may stand or not."""
    return "/".join(normalized_id(part) for part in text.split("/")).removeprefix("/")


def similar_keys(key: str, known: Iterable[str]) -> list[str]:
    """The known keys that may be another spelling of this one; another person of the family is none of them."""
    wanted = [folded_id(part) for part in key.split("/")]
    return [name for name in known if [folded_id(part) for part in name.split("/")] == wanted]
