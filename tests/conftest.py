"""What all tests share: tools whose state is in a temporary folder, and one Prefect server for the whole session."""

import gc
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

# PyTorch, MLflow and Prefect make millions of objects that stay; looking through them for rubbish took 7 % of the time.
gc.set_threshold(100_000)

LONGEST = (
    "flows/pipeline/test_flow_contracts.py",
    "stages/test_stages.py",
    "flows/experiments/test_comparison_flow.py",
    "house/test_bare_machine.py",
    "flows/tracking/test_gate.py",
    "flows/cli/test_commands.py",
    "library/test_evaluation.py",
    "house/test_smoke.py",
    "audit/test_compared_models.py",
    "audit/test_audit.py",
    "audit/test_full.py",
    "audit/test_few_people.py",
    "flows/pipeline/test_flow_interruptions.py",
    "methods/test_conformance.py",
    "audit/test_small_requests.py",
    "flows/tracking/test_tracking.py",
    "compute/test_gpu.py",
    "house/test_rooms.py",
    "train/test_segmentation_example.py",
    "flows/experiments/test_tuning_flow.py",
    "flows/servers/test_recording.py",
    "flows/experiments/test_shadow_flow.py",
)
"""The files of more than ten seconds. They begin: at the end, one process would work on such a file while the others wait."""

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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, all else in its order."""
    rank = {Path(__file__).parent / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path, len(rank)))


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    """One temporary Prefect server; without the heartbeat thread, whose joining takes a second a flow."""
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=180), temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        yield


from tests.helpers.flow_fixtures import finished, fresh, project, template  # noqa: E402, F401 - found by every test
