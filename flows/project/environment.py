"""Settings of the tools, made before they are imported: state inside the project, no telemetry, no idle threads."""

import getpass
import os
from pathlib import Path


def prepare_environment(root: Path) -> None:
    """Set what Prefect, MLflow, DVC and PyTorch read from the environment; what the user has set stays.

    A remote Prefect (PREFECT_API_URL) or MLflow (MLFLOW_TRACKING_URI) of the user's is therefore used as it is.
    """
    made = settings(root)
    if "HOME" in made:
        Path(made["HOME"]).mkdir(mode=0o700, parents=True, exist_ok=True)
    os.environ |= made | os.environ


def environment(root: Path) -> dict[str, str]:
    """The environment of a process that works in a project: this process' own, and the settings that it lacks."""
    return settings(root) | os.environ


def settings(root: Path) -> dict[str, str]:
    """What a project sets: {variable: value}."""
    home = Path(root).resolve() / ".prefect"
    return _who(home) | {
        "PREFECT_HOME": str(home),
        "PREFECT_RESULTS_LOCAL_STORAGE_PATH": str(home / "results"),
        "PREFECT_LOGGING_EXTRA_LOGGERS": "aru",
        # A fresh database takes 11 s, several beginning at once take minutes.
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
        # Which runs hold a slot is stored beside the database: in memory, a killed server would leave the one slot taken
        # without end, and each later run of a schedule would be cancelled.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "DO_NOT_TRACK": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_LOGGING_LEVEL": "WARNING",
        "DVC_NO_ANALYTICS": "true",
        "GIT_PYTHON_REFRESH": "quiet",
        "OMP_NUM_THREADS": "1",  # idle OpenMP threads spin, and each stage computes in one thread
    }


def _who(folder: Path) -> dict[str, str]:
    """A home and a name where the system has none, as for a container's user without an entry: libraries need both."""
    found = {}
    try:
        Path.home()
    except RuntimeError:
        found["HOME"] = str(folder / "home")
    try:
        getpass.getuser()
    except (KeyError, OSError):
        found["LOGNAME"] = "unknown"
    return found
