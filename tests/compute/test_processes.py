"""Worker processes end with their parent, whatever ends it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.helpers.project import CHECKOUT

PARENT = """
import os, time
from aru.compute.processes import process_pool
with process_pool(1) as pool:
    print(pool.submit(os.getpid).result(), flush=True)
    pool.submit(time.sleep, 120).result()
"""


def alive(pid: int) -> bool:
    """Whether the process is there and not a zombie that nobody has waited for."""
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_busy_workers_end_with_their_parent(end: signal.Signals) -> None:
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    with subprocess.Popen([sys.executable, "-c", PARENT], env=environment, text=True, stdout=subprocess.PIPE) as parent:
        worker = int(parent.stdout.readline())
        assert alive(worker)
        parent.send_signal(end)
        parent.wait()
    deadline = time.monotonic() + 30
    while alive(worker) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not alive(worker)
