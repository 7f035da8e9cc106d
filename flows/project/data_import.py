"""Data sets brought into the project: checked first, then copied whole, tracked by DVC, and made an active benchmark."""

import os
import shutil
import zipfile
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aru.core.config import Config, load_archive
from aru.core.errors import InputError
from aru.core.name_rules import check_name
from aru.core.progress import Progress
from aru.data.sources.registry import SOURCES, source_by_name
from aru.data.sources.source import Source
from flows.project import versioning
from flows.project.checks import Announce, Confirm, ShowProgress, check_machine, screen_of, select, with_roles
from flows.project.folder import lock_folder, project_lock
from flows.project.params import PARAMS_FILE, Change, Edit, activate, configured, load, propose
from flows.project.private import write_private
from flows.project.shipped import shipped_section

if TYPE_CHECKING:
    from aru.data.copy_pairs import CopyPairs
    from aru.data.evidence import DataAudit
    from aru.data.prepare import ArchiveRows
    from aru.data.selection import Selection
    from aru.data.sources.found import Columns
    from aru.data.suppression.screening import Action

DATA = "data"
EMBEDDED = "faces"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can hold


@dataclass(frozen=True)
class Imported:
    """A data set that was brought in: its archive, the .dvc file that tracks it, its audit, and what was set with it."""

    archive: str
    tracked_by: str
    audit: "DataAudit"
    changes: list[Change]


def import_data(
    root: Path,
    layout: str,
    source: Path,
    *,
    settings: Sequence[tuple[str, Any]] = (),
    confirm: Confirm,
    progress: ShowProgress,
) -> Imported:
    """Check a zip file or a folder, as the layout is received, add it to data/ and activate its benchmark.

    `settings` are parameters of the benchmark that are set with it; `confirm` is shown whom they forget.
    Nothing in the project is touched before the check has passed, and each step can be repeated after a kill.
    """
    layout_source = source_by_name(layout)
    with project_lock(root):
        edit = propose(root / PARAMS_FILE, layout, settings, new=shipped_section(layout))
        check_machine(edit.config, {change.name for change in edit.changes})
        staged = lock_folder(root) / f"{layout}.zip"
        try:
            _copy(layout_source, source, staged)
            with progress("import") as shown:
                read = _read(root, layout, edit.config, staged, source, shown)
            return _take_in(root, layout, staged, edit, read, confirm, progress)
        finally:
            staged.unlink(missing_ok=True)


def import_photos(
    root: Path,
    source: str,
    path: Path,
    name: str,
    columns: "Columns",
    *,
    settings: Sequence[tuple[str, Any]] = (),
    announce: Announce,
    confirm: Confirm,
    progress: ShowProgress,
) -> Imported:
    """Check a user's own photos, write them as data/NAME.zip in the layout "table", and make NAME an active benchmark.

    A benchmark that is not in params.yaml yet gets a section: MUFAC's recipe, the clean protocol, one person drawn as the
    forget set, the first label as the task. `settings` come after these. `announce` is shown how the photos were found
    before they are read. Raises InputError with all faults at once.
    """
    from aru.data.own_photos import convert
    from aru.data.suppression.screening import open_screen

    check_name(name, where="--name")
    if name in (*SOURCES, EMBEDDED, "benchmarks"):
        raise InputError(f"--name {name} is taken by this project ({', '.join(SOURCES)}, {EMBEDDED}): give another name")
    with project_lock(root):
        staged = lock_folder(root) / f"{name}.zip"
        try:
            with ExitStack() as bars:

                @cache
                def bar() -> Progress:  # not before the first photo is read: `announce` may ask something
                    return bars.enter_context(progress("import"))

                read = convert(
                    source,
                    path,
                    staged,
                    columns,
                    project=root,
                    screen=open_screen(root, scope=name, action=_suppression(root, name, settings)),
                    announce=announce,
                    progress=lambda *now, **more: bar()(*now, **more),
                )
            edit = propose(root / PARAMS_FILE, name, settings, new={"data": _first_parameters(read)})
            if edit.config.data.layout != "table":
                raise InputError(f"the section {name} of {PARAMS_FILE} has another layout than table: give another --name")
            check_machine(edit.config, {"data.task", *(change.name for change in edit.changes)}, staged)
            return _take_in(root, name, staged, edit, read, confirm, progress)
        finally:
            staged.unlink(missing_ok=True)


def _take_in(
    root: Path, name: str, staged: Path, edit: Edit, read: "ArchiveRows", confirm: Confirm, progress: ShowProgress
) -> Imported:
    """Move a checked archive to data/NAME.zip, track it, and make it an active benchmark; nothing of it before `confirm`."""
    archive = f"{DATA}/{name}.zip"
    with progress("audit") as shown:
        found, selection = _audited(edit.config, read, staged, shown)
    confirm(selection)
    (root / DATA).mkdir(exist_ok=True)
    os.replace(staged, root / archive)
    (root / copies_page_of(name)).unlink(missing_ok=True)  # it shows photos of the archive before
    tracked_by = versioning.track(root, archive)
    edit.write()
    activate(root / PARAMS_FILE, name, archive)
    return Imported(archive, tracked_by, found, edit.changes)


def _suppression(root: Path, name: str, settings: Sequence[tuple[str, Any]]) -> "Action":
    """What data.suppression will be, before the photos are read, which decide on the other parameters."""
    section = load(root / PARAMS_FILE).get(name) or {}
    return dict(settings).get("data.suppression", section.get("data", {}).get("suppression", "drop"))


def _first_parameters(read: "ArchiveRows") -> dict[str, Any]:
    return {"layout": "table", "task": next(iter(read.classes)), "protocol": "clean", "forget": {"draw": 1}}


def _read(root: Path, name: str, config: Config, staged: Path, source: Path, progress: Progress) -> "ArchiveRows":
    """The rows and notes of the copy, out of which photos on the suppression list are taken.

    Its faults are reported with the path of the user's own file.
    """
    from aru.data.prepare import read_archive
    from aru.data.rewriting import write_archive_with

    layout = config.data.layout
    try:
        read = read_archive(layout, staged, screen=screen_of(root, name, config), progress=progress)
    except InputError as error:
        error.args = tuple(str(part).replace(str(staged), str(source)) for part in error.args)
        raise
    if read.suppressed and read.suppressed["rows"]:
        write_archive_with(layout, staged, staged, {*read.rows["path"]})
    return read


def audit_data(root: Path, benchmark: str, *, page: bool = False, progress: Progress) -> "DataAudit":
    """The audit of an active benchmark's archive, as its parameters cut it.

    `page`: write the copies under other names as a page with pictures, too, `copies_page_of` the benchmark: a file for its
    owner alone, which git and DVC pass over and nothing logs.
    """
    from aru.data.prepare import read_archive

    archive, config = root / load_archive(root / PARAMS_FILE, benchmark), configured(root / PARAMS_FILE, benchmark)
    read = read_archive(config.data.layout, archive, screen=screen_of(root, benchmark, config), progress=progress)
    found, _ = _audited(config, read, archive, progress)
    if page:
        _write_copies_page(root, benchmark, found["same_photo"], archive)
    return found


def copies_page_of(benchmark: str) -> str:
    """Where the page of a benchmark's copies under other names is."""
    return f"work/{benchmark}/copies/copies.html"


def _write_copies_page(root: Path, benchmark: str, found: "CopyPairs", archive: Path) -> None:
    from aru.data.copy_pairs import pictures
    from aru.reporting.copies.page import copies_page

    path = root / copies_page_of(benchmark)
    path.parent.mkdir(parents=True, exist_ok=True)
    (path.parent / ".gitignore").write_text("*\n", encoding="utf-8")  # whatever the project's own says
    write_private(path, copies_page(benchmark, found, pictures(found, archive)).encode())


def make_faces(root: Path, *, labels: Collection[str] = (), progress: Progress) -> Path:
    """Generate the embedded benchmark's archive anew and track it; the same bytes as before unless its code changed.

    The repository's own archive goes with it to a remote of its own. In any other project it becomes an active benchmark.
    labels: of `aru.faces.generate.LABELS`; they lie in an archive beside it, tracked on its own. Raises InputError for others.
    """
    from aru.faces.generate import generate, labels_path

    archive = f"{DATA}/faces.zip"
    with project_lock(root):
        generate(root / archive, labels=labels, progress=progress)
        if labels:
            versioning.track(root, labels_path(Path(archive)).as_posix())
        if (root / versioning.EMBEDDED_FILE).is_file():
            versioning.track(root, archive, remote=versioning.EMBEDDED_REMOTE, file=versioning.EMBEDDED_FILE)
        else:
            versioning.track(root, archive)
            propose(root / PARAMS_FILE, EMBEDDED, (), new=shipped_section(EMBEDDED)).write()
            activate(root / PARAMS_FILE, EMBEDDED, archive)
    return root / archive


def _audited(config: Config, read: "ArchiveRows", archive: Path, progress: Progress) -> "tuple[DataAudit, Selection]":
    """The counts of the audit; by name who was merged and who is suspected to be one ("people"), and who is forgotten."""
    from aru.data.census import census
    from aru.data.copy_pairs import copies_under_other_names
    from aru.data.evidence import merge_evidence

    manifest, merge = with_roles(config, read.rows, progress), config.data.merge
    selection = select(config, manifest)
    found: DataAudit = {
        **census(manifest, merge, read.classes, progress),
        "people": merge_evidence(manifest, merge),
        "same_photo": copies_under_other_names(manifest, archive),
        "selection": list(selection.lines),
    }
    if read.notes:
        found["cut"] = "\n".join(read.notes)
    return found, selection


def _copy(layout: Source, source: Path, target: Path) -> None:
    """The source as one archive: a zip is copied as it is, a folder becomes a zip of the same bytes every time."""
    if not source.exists():
        raise InputError(f"{source} does not exist: name the {layout.title} {layout.received}, as it was received")
    if layout.received == "zip file" and not source.is_file():
        raise InputError(f"{source} is not a file: name the {layout.title} archive (a .zip), as it was received")
    if layout.received == "folder" and not source.is_dir():
        raise InputError(f"{source} is not a folder: name the unpacked {layout.title} folder (docs/operation.md)")
    target.parent.mkdir(parents=True, exist_ok=True)
    if layout.received == "zip file":
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
