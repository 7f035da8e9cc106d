"""What all tests of flows share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.project import versioning


@pytest.fixture(scope="session", autouse=True)
def resolved_once() -> Iterator[None]:
    """DVC resolves the same dvc.yaml and params.yaml once for all copies of a project: half a second each time."""
    plain, known = versioning._resolved, dict[tuple[str, ...], tuple[versioning.Stage, ...]]()

    def resolved(root: Path, texts: tuple[str, ...]) -> tuple[versioning.Stage, ...]:
        if not (root / ".dvc").is_dir():
            return plain(root, texts)
        if texts not in known:
            known[texts] = plain(root, texts)
        return known[texts]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(versioning, "_resolved", resolved)
        yield
