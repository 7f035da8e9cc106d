"""Supervision both ways: a server that ends is started again, and what a killed command had started ends with it."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

import pytest

from flows.servers import launching
from flows.servers.launching import Server, answers, kept_up, launched, wait_until_up
from tests.flows.cli.test_pages import free_port
from tests.helpers.processes import alive, ended, wait_for
from tests.helpers.project import CHECKOUT

SERVER = """
import http.server, os, pathlib
pathlib.Path({pid!r}).write_text(str(os.getpid()))
http.server.HTTPServer(("127.0.0.1", {port}), http.server.SimpleHTTPRequestHandler).serve_forever()
"""
COMMAND = """
import sys
from flows.servers.launching import Server, launched
with launched(Server("Tiny", (sys.executable, "-c", {child!r}), {{}}, "", None)) as process:
    process.wait()
"""
CHILD = """
import signal, subprocess, sys
grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(grandchild.pid, flush=True)
"""
RUN = """
import os, time
from flows.servers.parents import end_with_parent
end_with_parent()
print(os.getpid(), flush=True)
time.sleep(600)
"""
PARENT = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {RUN!r}]).wait()"
HERE = {"PYTHONPATH": str(CHECKOUT)}


@pytest.fixture
def tiny(tmp_path: Path) -> Server:
    """A server that answers in a moment, and leaves the id of its process."""
    port = free_port()
    return Server(
        "Tiny",
        (sys.executable, "-c", SERVER.format(pid=str(tmp_path / "pid"), port=port)),
        {},
        f"http://127.0.0.1:{port}/",
        tmp_path / "tiny.log",
    )


def pid(tmp_path: Path) -> int:
    return int((tmp_path / "pid").read_text())


def test_a_server_that_is_killed_is_there_again_and_gone_with_the_block(tiny: Server, tmp_path: Path) -> None:
    with launched(tiny) as process:
        wait_until_up(tiny, process, seconds=60)
        first = pid(tmp_path)
        with kept_up(tiny, process, lost=pytest.fail):
            os.kill(first, signal.SIGKILL)
            assert wait_for(lambda: pid(tmp_path) != first and answers(tiny.health))
            second = pid(tmp_path)
    assert ended(first, second)
    assert (tmp_path / "tiny.old.log").exists(), "what the first one had said"


def test_the_server_of_another_command_is_taken_over(tiny: Server, tmp_path: Path) -> None:
    with launched(tiny) as others:
        wait_until_up(tiny, others, seconds=60)
        first = pid(tmp_path)
        with kept_up(tiny, lost=pytest.fail):
            launching.stop(others)
            assert wait_for(lambda: pid(tmp_path) != first and answers(tiny.health))
    assert not answers(tiny.health)


def test_the_server_of_another_command_that_is_slow_to_answer_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launching, "launched", lambda server: pytest.fail("started"))
    monkeypatch.setattr(launching, "answers", lambda address: False)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        busy = Server("Tiny", ("false",), {}, f"http://127.0.0.1:{listener.getsockname()[1]}/", tmp_path / "tiny.log")
        with kept_up(busy, lost=pytest.fail):
            time.sleep(1.0)
    assert not busy.log.exists()


def test_who_takes_no_connection_for_lack_of_time_is_not_gone_and_who_refuses_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not launching.listens(f"http://127.0.0.1:{free_port()}/")

    def busy(*arguments: object, **options: object) -> None:
        raise TimeoutError("timed out")

    monkeypatch.setattr(socket, "create_connection", busy)
    assert launching.listens("http://127.0.0.1:1/")


@pytest.mark.parametrize("reply", [b"SSH-2.0-OpenSSH_9.6\r\n", b"", b"HTTP/1.0 503 Busy\r\n\r\n"])
def test_a_port_that_something_else_has_taken_meanwhile_is_no_answer(reply: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection = listener.accept()[0]
            with connection:
                connection.recv(1000)
                connection.sendall(reply)

        Thread(target=answer, daemon=True).start()
        assert not answers(f"http://127.0.0.1:{listener.getsockname()[1]}/health")


def test_a_server_that_cannot_be_brought_back_is_said_to_be_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launching, "_TRIES", 2)
    port = free_port()
    broken = Server(
        "Tiny",
        (sys.executable, "-c", "raise SystemExit('no database here')"),
        {},
        f"http://127.0.0.1:{port}/",
        tmp_path / "tiny.log",
    )
    said: list[str] = []
    with launched(broken) as process, kept_up(broken, process, lost=said.append):
        assert wait_for(lambda: bool(said))
    (why,) = said
    assert "could not be brought back" in why and "no database here" in why


def test_a_command_that_has_lost_its_server_ends_with_a_code_of_its_own(tmp_path: Path) -> None:
    script = f"""
import sys, time
from pathlib import Path
from flows.servers import launching
launching._TRIES = 0
gone = launching.Server("Tiny", ("false",), {{}}, "http://127.0.0.1:{free_port()}/", Path({str(tmp_path / "log")!r}))
gone.log.touch()
with launching.kept_up(gone):
    time.sleep(600)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], env=os.environ | HERE, timeout=60, stderr=subprocess.PIPE, text=True, check=False
    )
    assert done.returncode == os.EX_TEMPFAIL and "run the same command again" in done.stderr


@pytest.mark.parametrize("on_sigterm", ["signal.SIG_DFL", "lambda *_: sys.exit()", "signal.SIG_IGN"])
def test_all_that_a_killed_command_had_started_ends(on_sigterm: str) -> None:
    child = f"{CHILD}signal.signal(signal.SIGTERM, {on_sigterm})\ngrandchild.wait()"
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND.format(child=child)], env=os.environ | HERE, stdout=subprocess.PIPE, text=True
    ) as command:
        grandchild = int(command.stdout.readline())
        assert alive(grandchild)
        command.kill()
    assert ended(grandchild)


@pytest.mark.parametrize("scheduled", [True, False])
def test_a_scheduled_run_ends_with_whoever_started_it_and_no_other_does(scheduled: bool) -> None:
    environment = os.environ | HERE | ({"PREFECT__FLOW_RUN_ID": "x"} if scheduled else {})
    with subprocess.Popen([sys.executable, "-c", PARENT], env=environment, stdout=subprocess.PIPE, text=True) as parent:
        run = int(parent.stdout.readline())
        parent.kill()
    try:
        assert wait_for(lambda: not alive(run), seconds=30.0 if scheduled else 3.0) == scheduled
    finally:
        if alive(run):
            os.kill(run, signal.SIGKILL)
