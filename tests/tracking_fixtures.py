"""MLflow stores for tests: one made once a session, with one tracked flow in it, and copies of that."""

import multiprocessing
import shutil
from collections.abc import Iterator
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from tests import tracked


@pytest.fixture(scope="session")
def made_at_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[int | None]]:
    """A store that three processes made at the same time, and their exit codes."""
    root, context = tmp_path_factory.mktemp("store"), multiprocessing.get_context("spawn")
    barrier = context.Barrier(3)
    processes = [context.Process(target=_make_store, args=(root, barrier)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    return root, [process.exitcode for process in processes]


@pytest.fixture(scope="session")
def tracked_once(made_at_once: tuple[Path, list[int | None]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with one flow tracked and registered; tests only read it."""
    root = tracked.make(tmp_path_factory.mktemp("tracked") / "project")
    shutil.copytree(made_at_once[0] / "mlruns", root / "mlruns")
    tracked.track(root)
    return root


@pytest.fixture
def tracked_project(tracked_once: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of that project, for tests that write."""
    yield shutil.copytree(tracked_once, tmp_path / "project")


def _make_store(root: Path, barrier: Barrier) -> None:
    from flows import store

    barrier.wait()
    store.ensure_store(root)
    store.experiment_id(root, "faces")
