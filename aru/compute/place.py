"""Which of several processes this one is, as the variables say that `torchrun` and `aru.compute.ranks` set."""

import os
from dataclasses import dataclass

from aru.core.errors import InputError

RENDEZVOUS = "ARU_RENDEZVOUS"
"""The variable with the URL at which the processes find each other; without it they do so as torchrun says."""
_VARIABLES = ("RANK", "LOCAL_RANK", "WORLD_SIZE")


@dataclass(frozen=True)
class Place:
    """Which of the processes this one is, `rank` of `size`, and which of those on this machine."""

    rank: int
    local_rank: int
    size: int


def own_place() -> Place | None:
    """The place that a launcher gave this process; None where it works alone."""
    if os.environ.get("WORLD_SIZE", "1") == "1":
        return None
    wrong = [name for name in _VARIABLES if not os.environ.get(name, "").isdecimal()]
    if wrong:
        raise InputError(
            f"WORLD_SIZE is {os.environ['WORLD_SIZE']!r}, but {', '.join(wrong)} is no number: unset it, or start the "
            "processes with torchrun, which sets them all"
        )
    return Place(*(int(os.environ[name]) for name in _VARIABLES))
