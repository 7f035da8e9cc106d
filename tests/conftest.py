"""What all tests share: tools whose state is in a temporary folder, and one Prefect server for the whole session."""

import gc
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

# PyTorch, MLflow and Prefect make millions of objects that stay; looking through them for rubbish took 7 % of the time.
gc.set_threshold(100_000)

_HOME = tempfile.TemporaryDirectory(prefix="aru-tests-")
os.environ["PREFECT_HOME"] = _HOME.name  # read when prefect is imported: nothing may import it before
os.environ["PREFECT_RESULTS_LOCAL_STORAGE_PATH"] = str(Path(_HOME.name) / "results")
os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"
os.environ["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = "CRITICAL"
# Making an artifact and keeping events can wait for each other in SQLite, until its limit of 60 seconds ends one of them.
os.environ["PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED"] = "false"
os.environ["PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"] = "180"
os.environ["DO_NOT_TRACK"] = "1"
os.environ["DVC_NO_ANALYTICS"] = "true"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    """One temporary Prefect server; without the heartbeat thread, whose joining takes a second a flow."""
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=180), temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        yield


from tests.helpers.flow_fixtures import finished, fresh, project, template  # noqa: E402, F401 - found by every test
