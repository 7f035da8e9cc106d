"""Worker processes end with their parent, whatever ends it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from aru.compute.processes import process_pool, why_ended
from aru.core.errors import InputError
from tests.helpers.processes import alive, ended
from tests.helpers.project import CHECKOUT

PARENT = """
import os, time
from aru.compute.processes import process_pool
with process_pool(1) as pool:
    print(pool.submit(os.getpid).result(), flush=True)
    pool.submit(time.sleep, 120).result()
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_busy_workers_end_with_their_parent(end: signal.Signals) -> None:
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    with subprocess.Popen([sys.executable, "-c", PARENT], env=environment, text=True, stdout=subprocess.PIPE) as parent:
        worker = int(parent.stdout.readline())
        assert alive(worker)
        parent.send_signal(end)
        parent.wait()
    assert ended(worker)


@pytest.mark.parametrize(
    "code, why",
    [(-signal.SIGKILL, "want of memory"), (-signal.SIGBUS, "the disk is full"), (1, "its own output above says why")],
)
def test_what_ended_a_process_is_guessed_from_its_exit_code(code: int, why: str) -> None:
    assert why in why_ended(code)


@pytest.mark.parametrize("workers", [0, -1])
def test_no_workers_are_refused(workers: int) -> None:
    with pytest.raises(InputError, match=f"{workers} workers: at least one is needed"):
        process_pool(workers)
