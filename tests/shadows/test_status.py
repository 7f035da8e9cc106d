"""The state of entries: which part of a key has changed, and what that has computed again."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from aru.core.errors import InputError
from aru.data.manifest import write_manifest
from aru.data.prepared import manifest_of
from aru.shadows import pool
from aru.shadows.pool import logits_of
from tests.helpers.prepared_images import turn_images
from tests.helpers.shadow_pools import (
    build,
    contents,
    plan,
    states,
    store_of,
    write_params,
)

pytest_plugins = ["tests.helpers.shadow_fixtures"]


STALE = {"recipe": {"train": {"lr": 0.007}}, "arithmetic": {"runtime": {"threads": 2}}}


@pytest.mark.parametrize("because", STALE)
def test_a_stale_entry_says_which_parameters_changed(root, because):
    write_params(root, STALE[because])
    assert [(entry.state, entry.because) for entry in states(root, plan(root, 2))] == [("stale", (because,))] * 2


def test_a_stale_entry_says_that_the_code_changed(root, monkeypatch):
    monkeypatch.setattr(pool, "code_digest", lambda module: "another")
    assert [(entry.state, entry.because) for entry in states(root, plan(root, 2))] == [("stale", ("code",))] * 2


def test_a_stale_entry_says_that_the_data_changed(root):
    changed = change_manifest(root, lambda manifest: manifest.assign(age=(manifest["age"] + 1) % 8))
    assert [(entry.state, entry.because) for entry in states(changed, plan(changed, 2))] == [("stale", ("data",))] * 2


def test_other_photos_to_score_train_nothing_anew(root):
    weights = {shadow.key: contents(root, shadow)["model.safetensors"] for shadow in plan(root, 2)}

    def exchange(manifest: pd.DataFrame) -> pd.DataFrame:
        row = manifest.index[manifest["split"] == "test"][0]
        return manifest.assign(digest=manifest["digest"].where(manifest.index != row, "0" * 32))

    changed = change_manifest(root, exchange)
    shadows = plan(changed, 2)
    assert [(entry.state, entry.because) for entry in states(changed, shadows)] == [("stale", ("photos",))] * 2
    with pytest.raises(InputError, match="no logits of 1 files"):
        logits_of(store_of(changed), shadows[0].key, ["0" * 32])
    build(changed, 2)
    assert {shadow.key: contents(changed, shadow)["model.safetensors"] for shadow in shadows} == weights
    assert logits_of(store_of(changed), shadows[0].key, ["0" * 32]).shape == (1, 8)
    assert {entry.state for entry in states(changed, shadows)} == {"present"}


def test_a_test_photo_that_is_decoded_otherwise_is_scored_again_and_trains_nothing_anew(root):
    """As after an import that turns photos, or does not: the file is the same."""
    folder = root / "work" / "small" / "prepared"
    before, manifest = plan(root, 2), manifest_of(folder)
    turn_images(folder, manifest.index[manifest["split"] == "test"][:1])
    assert [shadow.key for shadow in plan(root, 2)] == [shadow.key for shadow in before]
    assert [(entry.state, entry.because) for entry in states(root, plan(root, 2))] == [("stale", ("photos",))] * 2
    turn_images(folder, manifest.index)
    assert [(entry.state, entry.because) for entry in states(root, plan(root, 2))] == [("stale", ("data",))] * 2


def change_manifest(root: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Path:
    """Change the manifest where it lies, after it was read."""
    folder = root / "work" / "small" / "prepared"
    plan(root, 2)
    write_manifest(folder / "manifest.csv", change(manifest_of(folder)))
    return root
