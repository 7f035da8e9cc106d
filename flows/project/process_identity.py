"""The identity of a process. A process id alone is not one: the system reuses ids, in containers at once."""

import os
import socket
from pathlib import Path
from typing import NamedTuple


class ProcessIdentity(NamedTuple):
    """A process of some machine, identified by host, boot and start time (ticks since boot)."""

    host: str
    boot: str
    pid: int
    started: int


def this_process() -> ProcessIdentity:
    """The identity of the calling process."""
    pid = os.getpid()
    return ProcessIdentity(socket.gethostname(), _boot(), pid, _started(pid) or 0)


def is_alive(process: ProcessIdentity) -> bool:
    """Whether it runs on this machine now; a process of another host or an earlier boot is not seen from here."""
    here = (process.host, process.boot) == (socket.gethostname(), _boot())
    return here and _started(process.pid) == process.started


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _started(pid: int) -> int | None:
    """Field 22 of proc_pid_stat(5), counted from behind the program's name, which may hold blanks and brackets."""
    try:
        content = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *fields = content.rpartition(")")[2].split()
    return None if state in "ZX" else int(fields[18])
