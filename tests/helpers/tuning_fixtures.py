"""A small benchmark to tune: made once a session, and copies of it."""

import shutil
from pathlib import Path

import pytest

from aru.nets.own_code import use_project_code
from tests.helpers import tuned
from tests.helpers.made_once import made_once


@pytest.fixture(scope="session")
def tuning_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder whose originals are there and in which nothing was tuned; tests only copy it."""
    root = made_once(tmp_path_factory, "tuning-once", tuned.make)
    use_project_code(root)
    return root


@pytest.fixture
def tuning_project(tuning_once: Path, tmp_path: Path) -> Path:
    """A copy of that folder, to be tuned in."""
    return Path(shutil.copytree(tuning_once, tmp_path / "project"))
