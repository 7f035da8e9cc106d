"""A scheduled flow run ends with the process that started it: `aru serve`, or a worker of a work pool.

Both stop their runs when they are stopped, but a kill leaves them no time to: the run would go on unseen, and hold the
project. A run that somebody started in a terminal has a shell for a parent, and may well outlive that.
"""

import os
import signal
import time
from threading import Thread

_PROBE_SECONDS, _GRACE_SECONDS = 1.0, 15.0


def end_with_parent() -> None:
    """Watch the parent of a process that Prefect started for one flow run; does nothing in any other."""
    if "PREFECT__FLOW_RUN_ID" in os.environ:
        Thread(target=_watch, args=(os.getppid(),), daemon=True).start()


def _watch(parent: int) -> None:
    """Asked to end first, as what is done is to be recorded; that takes long where Prefect's server is gone, too."""
    while os.getppid() == parent:
        time.sleep(_PROBE_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_SECONDS)
    os._exit(1)
