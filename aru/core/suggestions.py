"""The known name that is nearest to one that is not known."""

from collections.abc import Iterable
from difflib import get_close_matches

_LEAST_SIMILARITY = 0.5  # of difflib's ratio, from 0 to 1


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The most similar of the known names, None where none is similar."""
    return next(iter(get_close_matches(name, list(known), n=1, cutoff=_LEAST_SIMILARITY)), None)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of an error message: "; did you mean 'NAME'?", or nothing where no known name is similar."""
    found = nearest(name, known)
    return "" if found is None else f"; did you mean {found!r}?"
