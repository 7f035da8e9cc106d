"""A new project in a folder: git, DVC, and the files that say what is computed. Nothing that is there is written over."""

from dataclasses import dataclass, field
from pathlib import Path

import yaml

from aru.core.errors import InputError
from aru.core.files import atomic_path
from aru.core.safe_yaml import parse_yaml
from aru.core.source_code import PACKAGE
from aru.stages.code_record import INSTALLED, code_source, write_code_records
from flows.project import versioning
from flows.project.git import identity, make_repository, top_folder
from flows.project.params import PARAMS_FILE, complete
from flows.project.shipped import pipeline_text, project_files
from flows.project.versioning import PIPELINE_FILE

IGNORED = {
    ".gitignore": ("/work/", "/mlruns/", "/.prefect/", "/.aru/", ".venv/", "__pycache__/"),
    ".dvcignore": ("__pycache__", ".venv", "work/*/checkpoints"),
}
"""What a project's files of this name have to hold; the lines that they lack are added."""
_IDENTITY = 'git config --global user.name "YOUR NAME" && git config --global user.email YOU@EXAMPLE.ORG'


@dataclass(frozen=True)
class NewProject:
    """What was made in the folder `root`, what was there already and stayed, and what is still to be done."""

    root: Path
    made: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def make_project(folder: Path, *, renew: bool = False, service: str | None = None) -> NewProject:
    """Make a folder a project, or add what a project lacks.

    renew: write dvc.yaml anew, and add to params.yaml what it names, for a newer version of aru. service: add prefect.yaml and
    work-pool.json, by which the main flow of this benchmark is scheduled as a service.
    Raises InputError, before anything is written, where a file is in the way.
    """
    root = Path(folder).expanduser().resolve()
    files = project_files(root, service=service)
    _check(root, files, renew=renew)
    root.mkdir(parents=True, exist_ok=True)
    done, top = NewProject(root), top_folder(root)
    if top is None:
        make_repository(root)
        top = root
        done.made.append(".git")
    fresh = not (root / ".dvc").is_dir()
    versioning.initialize(root, in_subfolder=top != root)
    (done.made if fresh else done.left).append(".dvc")
    for name, content in files.items():
        if not (root / name).exists() or (renew and name == PIPELINE_FILE and _text(root / name) != content):
            _write(root / name, content)
            done.made.append(name)
        else:
            done.left.append(name)
    for name, lines in IGNORED.items():
        (done.made if _add_lines(root / name, lines) else done.left).append(name)
    if complete(root / PARAMS_FILE) and PARAMS_FILE not in done.made:
        done.left.remove(PARAMS_FILE)
        done.made.append(PARAMS_FILE)
    before = _text(root / INSTALLED) if (root / INSTALLED).exists() else ""
    write_code_records(root)
    if code_source(root) == INSTALLED:
        (done.left if _text(root / INSTALLED) == before else done.made).append(INSTALLED)
    if not identity(root):
        done.notes.append(f"git does not know who you are, and will refuse to commit: {_IDENTITY}")
    return done


def _check(root: Path, files: dict[str, str], *, renew: bool) -> None:
    """All that is in the way, at once."""
    faults = []
    if root.exists() and not root.is_dir():
        faults.append(f"{root} is a file: name a folder")
    for name in (PACKAGE, "flows"):
        if (root / name).exists() and not (root / PACKAGE / "stages").is_dir():
            faults.append(
                f"{root / name} would be imported in place of the installed package: move it, or name another folder"
            )
    pipeline = root / PIPELINE_FILE
    if pipeline.exists() and _text(pipeline) != files[PIPELINE_FILE] and not renew:
        faults.append(
            f"{pipeline} has other stages than this version of aru: `aru init --renew` writes it anew (git has the old one), "
            "or name another folder"
        )
    params = root / PARAMS_FILE
    if params.exists() and not _has_benchmarks(params):
        faults.append(f"{params} belongs to something else (it has no section `benchmarks`): name another folder")
    if faults:
        raise InputError("\n".join(faults))


def _has_benchmarks(params: Path) -> bool:
    """Whether a file is parameters of a project of this kind; what is no YAML is not."""
    try:
        content = parse_yaml(_text(params))
    except (yaml.YAMLError, UnicodeDecodeError):
        return False
    return isinstance(content, dict) and "benchmarks" in content


def is_outdated(root: Path) -> bool:
    """Whether a project's dvc.yaml is not that of the installed version."""
    return _text(root / PIPELINE_FILE) != pipeline_text(root)


def _add_lines(path: Path, lines: tuple[str, ...]) -> bool:
    """Add to a file the lines that it lacks; False where it has all."""
    before = _text(path) if path.exists() else ""
    missing = [line for line in lines if line not in before.splitlines()]
    if missing:
        _write(path, (before.rstrip("\n") + "\n" if before else "") + "\n".join(missing) + "\n")
    return bool(missing)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (UnicodeDecodeError, OSError) as error:
        raise InputError(f"{path} cannot be read ({error}): move it, or name another folder") from None


def _write(path: Path, content: str) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(content, encoding="utf-8")
