"""Data sets brought into the project: checked first, then copied whole, tracked by DVC, and made an active benchmark."""

import os
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aru.config import Config, load_archive
from aru.errors import InputError
from aru.progress import Progress
from flows import versioning
from flows.params import PARAMS_FILE, activate, configured
from flows.project import lock_folder, project_lock

if TYPE_CHECKING:
    import pandas as pd

DATA = "data"
LAYOUTS = ("mufac", "mucac")
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can hold


@dataclass(frozen=True)
class Imported:
    """A data set that was brought in: its archive, the .dvc file that tracks it, and its audit."""

    archive: str
    tracked_by: str
    audit: dict[str, Any]


def import_data(root: Path, layout: str, source: Path, *, progress: Progress) -> Imported:
    """Check an archive (mufac) or a folder (mucac), add it to data/ and activate its benchmark.

    Nothing in the project is touched before the check has passed, and each step can be repeated after a kill.
    """
    if layout not in LAYOUTS:
        raise InputError(f"unknown layout {layout!r}: the layouts are {', '.join(LAYOUTS)}")
    with project_lock(root):
        config = configured(root / PARAMS_FILE, layout)
        archive = f"{DATA}/{layout}.zip"
        staged = lock_folder(root) / f"{layout}.zip"
        try:
            _copy(layout, source, staged)
            found = _audited(config, staged, progress)
            (root / DATA).mkdir(exist_ok=True)
            os.replace(staged, root / archive)
        finally:
            staged.unlink(missing_ok=True)
        tracked_by = versioning.track(root, archive)
        activate(root / PARAMS_FILE, layout, archive)
    return Imported(archive, tracked_by, found)


def audit_data(root: Path, benchmark: str, *, progress: Progress) -> dict[str, Any]:
    """The audit of an active benchmark's archive, as its parameters cut it."""
    archive = load_archive(root / PARAMS_FILE, benchmark)
    return _audited(configured(root / PARAMS_FILE, benchmark), root / archive, progress)


def make_faces(root: Path, *, progress: Progress) -> Path:
    """Generate the embedded benchmark's archive anew and track it; the same bytes as before unless its code changed."""
    from aru.data.faces import generate

    archive = f"{DATA}/faces.zip"
    with project_lock(root):
        generate(root / archive, progress=progress)
        versioning.track(root, archive, remote=versioning.EMBEDDED_REMOTE, file=versioning.EMBEDDED_FILE)
    return root / archive


def _manifest(config: Config, archive: Path, progress: Progress) -> "pd.DataFrame":
    from aru.data.prepare import build_manifest

    data = config.data
    return build_manifest(data.layout, archive, protocol=data.protocol, seed=data.seed, progress=progress,
                          forget=data.forget.model_dump(exclude_none=True), merge=data.merge)


def _audited(config: Config, archive: Path, progress: Progress) -> dict[str, Any]:
    """The counts of the audit, and under "people" who was merged and who is suspected to be one, by name."""
    from aru.data.audit import audit
    from aru.data.evidence import people
    from aru.data.mucac import cut_note

    manifest, merge = _manifest(config, archive, progress), config.data.merge
    found = audit(manifest, merge) | {"people": people(manifest, merge)}
    if config.data.layout == "mucac":
        found["cut"] = cut_note(manifest["person"].astype(int))
    return found


def _copy(layout: str, source: Path, target: Path) -> None:
    """The source as one archive: a zip is copied as it is, a folder becomes a zip of the same bytes every time."""
    if layout == "mufac" and not source.is_file():
        raise InputError(f"{source} is not a file: name the MUFAC archive (a .zip), as it was received")
    if layout == "mucac" and not source.is_dir():
        raise InputError(f"{source} is not a folder: name the unpacked MUCAC folder (docs/operation.md)")
    target.parent.mkdir(parents=True, exist_ok=True)
    if layout == "mufac":
        shutil.copyfile(source, target)
    else:
        _zip_folder(source, target)


def _zip_folder(folder: Path, target: Path) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:  # images do not shrink any further
        for path in sorted(folder.rglob("*")):
            if path.is_symlink():
                raise InputError(f"{path} is a link: the folder must hold the files themselves")
            if path.is_file():
                entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _EPOCH)
                entry.external_attr = 0o644 << 16
                with path.open("rb") as content, archive.open(entry, "w", force_zip64=True) as stored:
                    shutil.copyfileobj(content, stored, 1 << 20)
