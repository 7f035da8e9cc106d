"""The manifest: one row an image, from the file's digest to its role, the set it belongs to."""

from pathlib import Path

import numpy as np
import pandas as pd

from aru.core.errors import InputError
from aru.core.files import atomic_path
from aru.core.names import SETS, TRAINED

IDENTITY = ("row", "path", "digest", "photo", "note", "subject", "family", "person", "split", "role")


IDENTITY_LABEL = "identity"
"""The label of photos of which only the people are known: each person is a class."""


def people_are_classes(manifest: pd.DataFrame) -> bool:
    """Whether the people are what a model of these photos learns, and so have photos in training and apart from it."""
    return labels_of(manifest) == [IDENTITY_LABEL]


def labels_of(manifest: pd.DataFrame) -> list[str]:
    """The label columns of this manifest: all columns that do not say what an image is and where it belongs."""
    return [name for name in manifest.columns if name not in IDENTITY]


def write_manifest(path: Path, manifest: pd.DataFrame) -> None:
    """Write the manifest as CSV, the same bytes for the same content."""
    with atomic_path(path) as temporary:
        manifest[[*IDENTITY, *labels_of(manifest)]].to_csv(temporary, index=False, lineterminator="\n", encoding="utf-8")


def write_training(path: Path, manifest: pd.DataFrame) -> None:
    """Write the row numbers and labels of what the original model is trained on, forget and retain together.

    The stage `train` depends on this file and not on the roles, so that a new forget request does not train again.
    """
    rows = manifest[manifest["role"].isin(TRAINED)]
    with atomic_path(path) as temporary:
        rows[["row", *labels_of(manifest)]].to_csv(temporary, index=False, lineterminator="\n", encoding="utf-8")


def read_training(path: Path) -> pd.DataFrame:
    """Read what `write_training` wrote; InputError where the file is another one or its rows do not ascend."""
    table = _read(Path(path), {})
    if "row" not in table.columns or not labels_of(table) or table.empty:
        raise InputError(f"{path} has no rows with labels: run the stage 'prepare' again")
    if not (
        pd.api.types.is_integer_dtype(table["row"])
        and table["row"].is_monotonic_increasing
        and table["row"].is_unique
        and table["row"][0] >= 0
    ):
        raise InputError(f"{path}: row numbers do not ascend: run the stage 'prepare' again")
    return table


def read_manifest(path: Path) -> pd.DataFrame:
    """Read a manifest and check it; a missing column, a wrong row number or an unknown role is an InputError."""
    path = Path(path)
    manifest = _read(path, {name: str for name in IDENTITY if name != "row"})
    missing = [name for name in IDENTITY if name not in manifest.columns]
    if missing or not labels_of(manifest):
        raise InputError(f"{path} lacks the column {missing[0] if missing else 'of labels'!r}: run the stage 'prepare' again")
    if not np.array_equal(manifest["row"], np.arange(len(manifest))):
        raise InputError(f"{path}: rows are not numbered from 0 to {len(manifest) - 1}: run the stage 'prepare' again")
    unknown = set(manifest["role"]) - {*SETS, ""}
    if unknown:
        raise InputError(f"{path}: unknown role {min(unknown)!r}, known are {', '.join(SETS)}: run 'prepare' again")
    return manifest


def _read(path: Path, types: dict[str, type]) -> pd.DataFrame:
    if not path.is_file():
        raise InputError(f"{path} does not exist: run the stage 'prepare'")
    try:
        return pd.read_csv(path, dtype=types, keep_default_na=False, encoding="utf-8")
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(f"{path} is not what 'prepare' writes ({error}): run that stage again") from error
