"""What processes of a group do in tests of how they are started; without PyTorch, which takes seconds to import."""

import os
import signal
import time
from pathlib import Path

from aru.compute.place import RENDEZVOUS, own_place
from aru.core.errors import InputError
from aru.core.progress import Progress, silent


def leave(folder: Path, *, progress: Progress = silent) -> None:
    """Write down who this is and where the others are met, and report progress."""
    place = own_place()
    assert place is not None
    (folder / f"{place.rank}").write_text(f"{place} {os.environ[RENDEZVOUS]} {os.environ['GLOO_SOCKET_IFNAME']}")
    progress(1 + place.rank, 2, "left")


def fail(how: str, folder: Path, *, progress: Progress = silent) -> None:
    """The second process ends as it is told; the first misses it, in one case or another."""
    first = os.environ["RANK"] == "0"
    (folder / f"{os.getpid()}.pid").touch()
    if how == "progress" and first:
        progress(1, 2, "one")
    elif how == "killed":
        if first:
            while len(list(folder.glob("*.pid"))) < 2:
                time.sleep(0.01)
            raise RuntimeError("Connection closed by peer")
        os.kill(os.getpid(), signal.SIGKILL)
    elif how == "input" and not first:
        raise InputError("too few images")
    time.sleep(120)
