"""The manifest: one row an image, from the file's digest to the set it belongs to."""

import io
from pathlib import Path

import pandas as pd

from aru.errors import InputError
from aru.files import atomic_path

IDENTITY = ("row", "path", "digest", "photo", "subject", "family", "person", "split", "role")
LABELS = ("age", "male", "smiling", "young")
ROLES = ("forget", "retain", "test", "unseen")


def labels_of(manifest: pd.DataFrame) -> list[str]:
    """The label columns that this manifest has."""
    return [name for name in LABELS if name in manifest.columns]


def write_manifest(path: Path, manifest: pd.DataFrame) -> None:
    """Write the manifest as CSV, the same bytes for the same content."""
    with atomic_path(path) as temporary:
        temporary.write_text(manifest[[*IDENTITY, *labels_of(manifest)]].to_csv(index=False, lineterminator="\n"),
                             encoding="utf-8")


def read_manifest(path: Path) -> pd.DataFrame:
    """Read a manifest and check it; a missing column, an odd row number or role is an InputError."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} does not exist: run the stage 'prepare'")
    texts = {name: str for name in IDENTITY if name != "row"}
    try:
        manifest = pd.read_csv(io.StringIO(path.read_text(encoding="utf-8")), dtype=texts, keep_default_na=False)
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(f"{path} is not a manifest ({error}): run the stage 'prepare' again") from error
    missing = [name for name in IDENTITY if name not in manifest.columns]
    if missing or not labels_of(manifest):
        raise InputError(f"{path} lacks the column {missing[0] if missing else 'of labels'!r}: run the stage 'prepare' again")
    if list(manifest["row"]) != list(range(len(manifest))):
        raise InputError(f"{path}: rows are not numbered from 0 to {len(manifest) - 1}: run the stage 'prepare' again")
    unknown = set(manifest["role"]) - {*ROLES, ""}
    if unknown:
        raise InputError(f"{path}: unknown role {min(unknown)!r}, known are {', '.join(ROLES)}: run 'prepare' again")
    return manifest
