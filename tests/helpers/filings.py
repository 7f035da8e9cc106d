"""Manifests made of filings whose photos are letters."""

import pandas as pd

from aru.core.config import MergeConfig
from aru.data.subjects import DEFAULT_MERGE, subject_ids


def table(folders: dict[str, str], merge: MergeConfig = DEFAULT_MERGE) -> pd.DataFrame:
    """A manifest of training photos, a letter each, by filing."""
    rows = [(*key.split("/"), photo) for key, photos in folders.items() for photo in photos]
    manifest = pd.DataFrame(rows, columns=["family", "person", "photo"])
    manifest = manifest.assign(row=range(len(rows)), note="", split="train", digest=manifest["photo"], age=0)
    return manifest.assign(subject=subject_ids(manifest, merge))


def with_others(folders: dict[str, str], merge: MergeConfig = DEFAULT_MERGE) -> pd.DataFrame:
    """Training folders, and a person each in val and test."""
    manifest = table(folders | {"V/A": "äö", "T/A": "üß"}, merge)
    return manifest.assign(split=manifest["family"].map({"V": "val", "T": "test"}).fillna("train"))
