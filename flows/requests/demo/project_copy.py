"""A copy of a project that shares nothing with it but content: what happens in it, an erasure too, reaches nothing else.

Copied is what the stages of one benchmark read and have written, and its runs in MLflow; no link, no remote and no key. The
copy is a git repository with one commit, so that no older version of a file names anybody.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aru.core.config import Config, load_archive
from aru.core.errors import InputError
from aru.core.names import SUPPRESSION_FILE
from aru.core.source_code import PACKAGE
from aru.data.suppression.suppression_list import read_list
from aru.nets.own_code import is_own
from aru.stages.code_record import INSTALLED
from flows.project import versioning
from flows.project.git import commit_files, make_repository
from flows.project.new_project import IGNORED
from flows.project.params import PARAMS_FILE, configured, propose
from flows.project.plan import plan
from flows.requests.processing.policy import POLICY_FILE

SETTINGS = (("audit.release", "not-failed"), ("evaluate.retrained", False))
"""What differs in the copy's params.yaml: two people are often too few for a verdict, a reference takes minutes to train."""
POLICY = """\
# Of the demonstration: both requests in one batch, at once.
batching: {at_least: 2, wait_days: 0}
escalation: [{set: {method: retrain}}]
"""
_FILES = ("dvc.yaml", PARAMS_FILE, versioning.LOCK_FILE, "thresholds.yaml", SUPPRESSION_FILE, INSTALLED, "constraints.txt")
_CODE = (PACKAGE, "flows")
_NO_CODE = frozenset({*_CODE, "work", "mlruns", "node_modules", "__pycache__"})
_OF_ANOTHER = (
    *("ARU_REQUESTS_URL", "ARU_SUPPRESSION_KEY_FILE", "ARU_CERTIFICATE_KEY_FILE"),
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES"),
)
_OF_SERVICES = ("PREFECT_", "MLFLOW_")


@contextmanager
def own_environment() -> Iterator[None]:
    """Without the variables that lead to a ledger, keys, servers or repositories of the user's, for the length of a block."""
    gone = {name: value for name, value in os.environ.items() if name in _OF_ANOTHER or name.startswith(_OF_SERVICES)}
    for name in gone:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(gone)


def free_folder(root: Path, folder: Path | None) -> Path:
    """The folder for a copy of the project `root`: the named one, which must be new or empty, else a new temporary one.

    Raises InputError for a folder with something in it, or one inside the project.
    """
    if folder is None:
        return Path(tempfile.mkdtemp(prefix="aru-demo-")).resolve()
    target = folder.expanduser().resolve()
    if target.is_relative_to(root.resolve()):
        raise InputError(f"{target} lies in the project {root}: name a folder outside of it")
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise InputError(f"{target} is not an empty folder: name a new one, or remove what is there")
    return target


def check_finished(root: Path, benchmark: str) -> list[str]:
    """What the stages of a benchmark have written, by dvc.lock: paths in the project `root`.

    Raises InputError without a finished run, and where the suppression list has entries, whose key the copy does not get.
    """
    recorded, outs = versioning.locked(root), list[str]()
    for stage in plan(root, benchmark):
        written = recorded[stage.address].outs if stage.address in recorded else {}
        missing = [path for path in stage.outs if path not in written or not (root / path).exists()]
        if missing:
            raise InputError(f"{missing[0]} is not there: the demonstration begins where `aru run` has ended; run it first")
        outs += stage.outs
    if entries := len(read_list(root / SUPPRESSION_FILE).entries):
        raise InputError(
            f"{SUPPRESSION_FILE} has {entries} entries, and the demonstration takes no key of yours: show it in a project in "
            "which nobody has been forgotten yet, as a fresh clone"
        )
    return outs


def copy_project(root: Path, benchmark: str, folder: Path) -> Path:
    """Copy what `benchmark` needs of the finished project `root` into the empty or new folder; returns its resolved path.

    Raises InputError as `check_finished`, and where the copy would share anything with the project.
    """
    from flows.tracking.store_copy import copy_store

    root, folder = Path(root).resolve(), Path(folder).resolve()
    outs, config = check_finished(root, benchmark), configured(root / PARAMS_FILE, benchmark)
    archive = Path(load_archive(root / PARAMS_FILE, benchmark)).as_posix()
    folder.mkdir(parents=True, exist_ok=True)
    make_repository(folder)
    versioning.initialize(folder, in_subfolder=False)
    versioning.isolate(folder)
    files = [name for name in _FILES if (root / name).is_file()] + _own_code(root, config)
    weights: list[str] = [name for name in (config.model.original, config.model.init) if name is not None]
    code = [name for name in _CODE if (root / name).is_dir()]
    records = [out for stage in versioning.declared(root) if stage.name == "code" for out in stage.outs]
    for path in [*files, *code, *(out for out in records if (root / out).exists()), *outs, archive, *weights]:
        _copy(root / path, folder / path)
    for name, lines in IGNORED.items():
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / POLICY_FILE).write_text(POLICY, encoding="utf-8")
    propose(folder / PARAMS_FILE, benchmark, SETTINGS).write()
    tracked = [versioning.track(folder, path) for path in (archive, *weights)]
    copy_store(root, folder, benchmark)
    commit_files(
        folder, [*files, *code, *IGNORED, POLICY_FILE, ".dvc/config", *tracked], "A copy of a project, for a demonstration"
    )
    _check_apart(folder)
    return folder


def _own_code(root: Path, config: Config) -> list[str]:
    """The Python files beside params.yaml, where a network of one's own may import them."""
    if not is_own(config.model.name):
        return []
    found = []
    for folder, names, files in os.walk(root):
        names[:] = [name for name in names if name not in _NO_CODE and not name.startswith(".")]
        found += [Path(folder, name).relative_to(root).as_posix() for name in files if name.endswith(".py")]
    return sorted(found)


def _copy(source: Path, target: Path) -> None:
    """Copy a file, or a folder with all that is in it; of a link what it leads to."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"), copy_function=shutil.copyfile)
    else:
        shutil.copyfile(source, target)


def _check_apart(folder: Path) -> None:
    """Raise InputError where a file of the copy is a link, or DVC would keep or send anything outside of it."""
    links = [path for path in folder.rglob("*") if path.is_symlink() or (path.is_file() and path.stat().st_nlink > 1)]
    if links:
        raise InputError(f"{links[0]} is a link: nothing was done with the copy, remove {folder}")
    outside = [place for place in versioning.cache_folders(folder) if not place.resolve().is_relative_to(folder)]
    outside += [Path(place) for place in versioning.folder_remotes(folder).values()]
    if outside:
        raise InputError(
            f"DVC's settings of this user or machine name {outside[0]}: nothing was done with {folder}, remove it"
        )
