"""The alias `production`: what may have it, and that it never goes back to a version that remembers somebody."""

from pathlib import Path

import pytest

from aru.core.errors import InputError
from flows.tracking import registry, store
from flows.tracking.production import BATCH, RELEASED, in_production, mark_batch, promote

pytest_plugins = ["tests.helpers.tracking_fixtures"]
NAME = "aru-faces"


def version(root: Path, **tags: str) -> str:
    """A version of the files of the one that is there, with tags of its own."""
    client = store.client(root)
    first = client.get_model_version(NAME, "1")
    with registry.global_uri(store.tracking_uri(root)):
        return str(client.create_model_version(NAME, first.source, first.run_id, tags=first.tags | tags).version)


def test_version_that_passed_goes_into_production_and_says_since_when(tracked_project: Path) -> None:
    assert in_production(tracked_project, NAME) is None
    found = promote(tracked_project, NAME, "1", release="pass")
    assert (found.version, found.batch) == ("1", 0)
    assert found == in_production(tracked_project, NAME) and found.since
    assert promote(tracked_project, NAME, "candidate", release="pass") == found  # again: nothing changes, the time stays


@pytest.mark.parametrize(
    ("verdict", "release", "goes"),
    [("fail", "not-failed", False), ("inconclusive", "pass", False), ("inconclusive", "not-failed", True)],
)
def test_audit_decides(tracked_project: Path, verdict: str, release: str, goes: bool) -> None:
    held = version(tracked_project, **{"audit.verdict": verdict})
    if goes:
        assert promote(tracked_project, NAME, held, release=release).version == held
    else:
        with pytest.raises(InputError, match=f"its audit is {verdict}"):
            promote(tracked_project, NAME, held, release=release)
        assert in_production(tracked_project, NAME) is None


def test_rollback_never_brings_anybody_back(tracked_project: Path) -> None:
    before, after, again = "1", version(tracked_project), version(tracked_project)
    promote(tracked_project, NAME, before, release="pass")
    mark_batch(tracked_project, NAME, after, 1)
    mark_batch(tracked_project, NAME, again, 1)
    promote(tracked_project, NAME, after, release="pass")
    with pytest.raises(InputError, match="up to batch 0, and those up to batch 1 are released: it would bring people back"):
        promote(tracked_project, NAME, before, release="pass")
    assert promote(tracked_project, NAME, again, release="pass").batch == 1  # another of the same batch may
    with pytest.raises(InputError, match="up to batch 2 are released"):  # the ledger knows of one more than the registry
        promote(tracked_project, NAME, after, release="pass", batches=2)
    client = store.client(tracked_project)
    assert client.get_model_version(NAME, before).tags.keys() & {BATCH} == set()
    assert RELEASED in client.get_model_version(NAME, before).tags


def test_unknown_or_damaged_version_is_refused(tracked_project: Path) -> None:
    with pytest.raises(InputError, match="no registered model 'aru-faces'"):
        promote(tracked_project, NAME, "7", release="pass")
    weights = next((tracked_project / "mlruns").rglob("model.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x00")
    with pytest.raises(InputError, match="lacks files, or they were changed"):
        promote(tracked_project, NAME, "1", release="pass")
