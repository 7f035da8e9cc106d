"""Everything that a git repository stores, reachable or not: what a search for names has to look through."""

import subprocess
from collections.abc import Iterator, Set
from dataclasses import dataclass
from pathlib import Path

from flows.project.git import top_folder

_SHORT = 10


@dataclass(frozen=True)
class Stored:
    """An object of git: its id, `commit`, `tag`, `tree` or `blob`, and its bytes."""

    id: str
    kind: str
    content: bytes


def stored_objects(root: Path) -> Iterator[Stored]:
    """All objects of the repository that a folder is in, those that no commit names any more, too; none outside of any."""
    if top_folder(root) is None:
        return
    command = ["git", "-C", str(root), "cat-file", "--batch-all-objects", "--batch", "--buffer", "--unordered"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        while header := process.stdout.readline().split():
            name, kind, size = (part.decode() for part in header)
            content = process.stdout.read(int(size))
            process.stdout.read(1)  # the end of the line
            yield Stored(name, kind, content)


def paths_of_objects(root: Path) -> dict[str, str]:
    """{id: path} of the files and folders of all commits, relative to the project; outside of it they begin with `../`."""
    top = top_folder(root)
    if top is None:
        return {}
    prefix = Path(root).resolve().relative_to(top).as_posix()
    prefix = "" if prefix == "." else f"{prefix}/"
    found = {}
    for line in _lines(root, "rev-list", "--objects", "--all", "--reflog", "--indexed-objects"):
        name, _, path = line.partition(" ")
        if path:
            found[name] = path.removeprefix(prefix) if path.startswith(prefix) else f"../{path}"
    return found


def commits_with(root: Path, ids: Set[str]) -> list[str]:
    """The commits, of any branch or of the reflog, that are, brought or removed these objects: short ids, the newest first."""
    found: dict[str, None] = {}
    commit = ""
    for line in _lines(root, "log", "--all", "--reflog", "--raw", "-t", "--no-abbrev", "--no-renames", "--format=%H"):
        if line.startswith(":"):
            if not ids.isdisjoint(line.split()[2:4]):
                found[commit] = None
        elif line:
            commit = line
            if commit in ids:
                found[commit] = None
    return [commit[:_SHORT] for commit in found]


def _lines(root: Path, *arguments: str) -> list[str]:
    done = subprocess.run(
        ["git", "-C", str(root), "-c", "core.quotepath=false", *arguments],
        capture_output=True,
        encoding="utf-8",
        errors="replace",  # of a path, which is any bytes
        check=False,
    )
    return done.stdout.splitlines() if done.returncode == 0 else []
