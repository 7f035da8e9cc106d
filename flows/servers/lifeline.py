"""`python lifeline.py COMMAND...`: run a command for as long as whoever started this holds the other end of stdin.

A process that is killed cannot stop what it has started, but its end of the pipe closes. Only the standard library is
used, so that nothing is waited for.
"""

import contextlib
import os
import signal
import subprocess
import sys
from threading import Event, Thread

_PATIENCE_SECONDS = 10.0


def main(command: list[str]) -> int:
    """Run the command; when stdin closes end it and all it started, which is this process' group. Returns its exit code.

    SIGTERM, which reaches the whole group, is left to the command: whoever waits for this process waits for it to end well.
    """
    signal.signal(signal.SIGTERM, lambda *_: None)
    alone = Event()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as child:
        Thread(target=_end_with_stdin, args=(child, alone), daemon=True).start()
        code = child.wait()
    if alone.is_set():
        os.killpg(0, signal.SIGKILL)
    return code


def _end_with_stdin(child: subprocess.Popen[bytes], alone: Event) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    alone.set()
    os.killpg(0, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(_PATIENCE_SECONDS)
    child.kill()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
