"""MLflow stores for tests: one made once a session, with one tracked flow in it, and copies of that."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.tracking.store import ensure_store
from tests.helpers import tracked
from tests.helpers.exported_once import exported_once  # noqa: F401 - for every test of these
from tests.helpers.made_once import made_once
from tests.helpers.stores import make_store


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with an MLflow store in which nothing is; tests only copy it."""
    return made_once(tmp_path_factory, "empty-store", make_store)


@pytest.fixture(scope="session")
def tracked_once(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with one flow tracked and registered; tests only read it."""

    def make(root: Path) -> None:
        tracked.make(root)
        shutil.copytree(empty_store / "mlruns", root / "mlruns")
        tracked.track(root)

    return made_once(tmp_path_factory, "tracked-once", make)


@pytest.fixture
def tracked_project(tracked_once: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of that project, for tests that write; its store knows that it was copied, or runs would go into the original."""
    project = Path(shutil.copytree(tracked_once, tmp_path / "project"))
    ensure_store(project)
    yield project
