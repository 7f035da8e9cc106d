"""A project whose images are prepared, and one with two shadow models: made once a session."""

import shutil
from pathlib import Path

import pytest

from tests.helpers.made_once import made_once
from tests.helpers.shadow_pools import build, prepare


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder in which images are prepared; tests only read or copy it."""
    return made_once(tmp_path_factory, "shadows-prepared", prepare)


@pytest.fixture(scope="session")
def built(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder with two shadows of the official protocol; tests only read or copy it."""

    def make(folder: Path) -> None:
        shutil.copytree(prepared, folder, dirs_exist_ok=True)
        build(folder, 2)

    return made_once(tmp_path_factory, "shadows-built", make)


@pytest.fixture
def root(built: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    return Path(shutil.copytree(built, tmp_path / "project"))
