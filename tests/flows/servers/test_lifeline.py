"""A server's process ends when whoever started it is gone, with all that it started itself."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows.servers import lifeline
from tests.helpers.processes import ended

CHILD = """
import os, pathlib, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, {handler})
grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
pathlib.Path(sys.argv[1]).write_text(f"{{os.getpid()}} {{grandchild.pid}}")
time.sleep(600)
"""


def begin(*command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, lifeline.__file__, *command], stdin=subprocess.PIPE, start_new_session=True)


def pids_in(path: Path) -> list[int]:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if path.is_file() and len(found := path.read_text().split()) == 2:
            return [int(pid) for pid in found]
        time.sleep(0.05)
    pytest.fail("the command did not start")


def test_it_ends_the_command_and_its_children_when_stdin_closes(tmp_path: Path) -> None:
    process = begin(sys.executable, "-c", CHILD.format(handler="signal.SIG_DFL"), str(tmp_path / "pids"))
    family = pids_in(tmp_path / "pids")
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(30) == -signal.SIGKILL  # its own group is killed last, itself with it
    assert ended(*family)


def test_the_commands_exit_code_is_its_own() -> None:
    process = begin(sys.executable, "-c", "raise SystemExit(7)")
    assert process.wait(30) == 7
    assert process.stdin is not None
    process.stdin.close()


def test_sigterm_is_left_to_the_command(tmp_path: Path) -> None:
    process = begin(sys.executable, "-c", CHILD.format(handler="lambda *_: sys.exit(5)"), str(tmp_path / "pids"))
    pids_in(tmp_path / "pids")
    os.killpg(process.pid, signal.SIGTERM)
    assert process.wait(30) == 5
    assert process.stdin is not None
    process.stdin.close()
