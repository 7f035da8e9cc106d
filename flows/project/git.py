"""What git says about the code that made a run; a repository for a new project."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from aru.core.errors import InputError

_PATCH_PATHS = ("aru", "flows", "dvc.yaml", "constraints.txt", "code.json", "thresholds.yaml")
"""Without params.yaml: a run keeps the whole of it, and there without names."""
_CODE = ("aru", "flows", "tests", "docs")
_WRITTEN_BY_THE_FLOW = ":!dvc.lock"
NO_COMMIT = "none"


def git_state(root: Path) -> dict[str, str]:
    """The tags `git_commit`, `git_dirty` ("true" or "false") and, where dirty, `git_changes`: the files.

    A change of dvc.lock alone does not count: the flow itself writes it. Outside a repository the commit is "none". Files
    that git does not know are named where code lies and counted elsewhere: they may be photos, named after somebody.
    """
    commit = _git(root, "rev-parse", "HEAD").strip() or NO_COMMIT
    changes = _changes(_git(root, "status", "--porcelain", "--", ".", _WRITTEN_BY_THE_FLOW).splitlines())
    state = {"git_commit": commit, "git_dirty": "true" if changes else "false"}
    return state | ({"git_changes": ", ".join(changes)[:1000]} if changes else {})


def git_patch(root: Path) -> str:
    """The uncommitted changes of code and parameters, as `git apply` takes them; "" where there are none."""
    present = [path for path in _PATCH_PATHS if (Path(root) / path).exists()]
    return _git(root, "diff", "HEAD", "--binary", "--", *present) if present else ""


def top_folder(root: Path) -> Path | None:
    """The top of the repository that a folder is in; None outside of any."""
    found = _git(root, "rev-parse", "--show-toplevel").strip()
    return Path(found).resolve() if found else None


def make_repository(root: Path) -> None:
    """Make a folder a git repository. Raises InputError where that fails, or there is no git."""
    try:
        done = subprocess.run(["git", "init", "-q", str(root)], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise InputError(
            "git is not installed, and a project is a git repository: install it (Debian: apt install git)"
        ) from None
    if done.returncode:
        raise InputError(f"git made no repository in {root}: {done.stderr.strip()}")


def commit_files(root: Path, files: Sequence[str], message: str) -> None:
    """Commit these files, in the name of this program and without hooks. Raises InputError where git refuses."""
    author = ("-c", "user.name=aru", "-c", "user.email=aru@localhost", "-c", "commit.gpgsign=false")
    for command in (("add", "--force", "--", *files), (*author, "commit", "-q", "--no-verify", "-m", message)):
        done = subprocess.run(["git", "-C", str(root), *command], capture_output=True, text=True, check=False)
        if done.returncode:
            raise InputError(f"git refused to commit in {root}: {done.stderr.strip()}")


def identity(root: Path) -> str:
    """Who commits here, as "name <e-mail>"; "" where git does not know."""
    name, mail = (_git(root, "config", f"user.{part}").strip() for part in ("name", "email"))
    return f"{name} <{mail}>" if name and mail else ""


def _changes(lines: list[str]) -> list[str]:
    """The files of `git status --porcelain`, and how many unknown ones there are where no code lies."""
    new = {line[3:] for line in lines if line.startswith("??")}
    strange = {path for path in new if path.strip('"').partition("/")[0] not in _CODE}
    named = [line[3:] for line in lines if line[3:] not in strange]
    return named + ([f"{len(strange)} new files or folders"] if strange else [])


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), "-c", "core.quotepath=false", *arguments],
            capture_output=True,
            encoding="utf-8",
            errors="replace",  # of a path, which is any bytes
            check=False,
        )
    except FileNotFoundError:  # a machine without git
        return ""
    return done.stdout if done.returncode == 0 else ""
