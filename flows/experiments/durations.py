"""Lengths of time: read from the command line, and written for people."""

from aru.core.errors import InputError

_UNIT_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def parse_budget(text: str | None) -> float | None:
    """``90s``, ``45m`` or ``2h`` in seconds; None, which stands for no limit, as it is. Raises InputError for all else."""
    if text is None:
        return None
    try:
        seconds = float(text[:-1]) * _UNIT_SECONDS[text[-1:]]
    except (KeyError, ValueError):
        raise InputError(f"--budget {text!r} is not a length of time: write it as 90s, 45m or 2h") from None
    if not seconds > 0:
        raise InputError(f"--budget {text!r} is {seconds} seconds: give a length of time above 0")
    return seconds


def format_duration(seconds: float) -> str:
    """Whole seconds below 90 s, whole minutes below 90 min, else hours to one place: ``75 s``, ``12 min``, ``2.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
