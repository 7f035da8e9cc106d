"""What all tests share: tools whose state is in a temporary folder, and one Prefect server for the whole session."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

import pytest

import aru.core.rare_collection  # noqa: F401 - looking through what tests import took 7 % of their time
from flows.servers.local_servers import UNUSED_SERVICES
from tests.helpers.made_once import made_once

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
    "audit/test_few_people.py",
    "flows/pipeline/test_flow_interruptions.py",
    "flows/requests/erasing/test_erasure.py",
    "methods/test_conformance.py",
    "flows/tracking/test_tracking.py",
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
def prefect_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new database of Prefect's, to be copied: its sixty migrations take five seconds of a CPU."""

    def make(folder: Path) -> None:
        code = (
            "import asyncio; from prefect.server.database import provide_database_interface as database; "
            "asyncio.run(database().create_db())"
        )
        subprocess.run([sys.executable, "-c", code], env=os.environ | {"PREFECT_HOME": str(folder)}, check=True)

    return made_once(tmp_path_factory, "prefect", make) / "prefect.db"


@pytest.fixture(scope="session")
def prefect_server(prefect_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One temporary Prefect server; without the heartbeat thread, whose joining takes a second a flow, and without logs."""
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, PREFECT_LOGGING_TO_API_ENABLED, temporary_settings
    from prefect.testing.utilities import prefect_test_harness

    folder = tmp_path_factory.mktemp("server")
    shutil.copy(prefect_database, folder / "prefect-test.db")
    with ExitStack() as stack:
        with patch("prefect.testing.utilities.mkdtemp", return_value=str(folder)), patch.dict(os.environ, UNUSED_SERVICES):
            stack.enter_context(prefect_test_harness(server_startup_timeout=180))
        stack.enter_context(
            temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None, PREFECT_LOGGING_TO_API_ENABLED: False})
        )
        yield


@pytest.fixture
def float64_default() -> Iterator[None]:
    """float64 is the number format of new tensors for the length of a test, as scientific users set it."""
    import torch  # most tests do without

    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


from tests.helpers.flow_fixtures import finished, fresh, project, template  # noqa: E402, F401 - found by every test
