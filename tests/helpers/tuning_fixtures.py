"""A small benchmark to tune: made once a session, and copies of it."""

import shutil
from pathlib import Path

import pytest

from tests.helpers import tuned
from tests.helpers.made_once import made_once


@pytest.fixture(scope="session")
def tuning_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder whose originals are there and in which nothing was tuned; tests only copy it."""
    return made_once(tmp_path_factory, "tuning-once", tuned.make)


@pytest.fixture
def tuning_project(tuning_once: Path, tmp_path: Path) -> Path:
    """A copy of that folder, to be tuned in."""
    return Path(shutil.copytree(tuning_once, tmp_path / "project"))
