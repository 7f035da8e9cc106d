"""`python lifeline.py COMMAND...`: run a command for as long as whoever started this holds the other end of stdin.

A process that is killed cannot stop what it has started, but its end of the pipe closes. Only the standard library is
used, so that nothing is waited for.
"""

import contextlib
import os
import signal
import subprocess
import sys
from threading import Thread

_PATIENCE_SECONDS = 10.0


def main(command: list[str]) -> int:
    """Run the command; end it when stdin closes. Returns its exit code.

    SIGTERM, which reaches the whole group, is left to the command: whoever waits for this process waits for it to end well.
    """
    signal.signal(signal.SIGTERM, lambda *_: None)
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as child:
        Thread(target=_end_with_stdin, args=(child,), daemon=True).start()
        return child.wait()


def _end_with_stdin(child: subprocess.Popen) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    child.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(_PATIENCE_SECONDS)
    child.kill()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
