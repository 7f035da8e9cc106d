"""What git says about the code that made a run."""

import subprocess
from pathlib import Path

_PATCH_PATHS = ("aru", "flows", "dvc.yaml", "params.yaml", "constraints.txt")
_WRITTEN_BY_THE_FLOW = ":!dvc.lock"
NO_COMMIT = "none"


def git_state(root: Path) -> dict[str, str]:
    """The tags `git_commit`, `git_dirty` ("true" or "false") and, where dirty, `git_changes`: the files.

    A change of dvc.lock alone does not count: the flow itself writes it. Outside a repository the commit is "none".
    """
    commit = _git(root, "rev-parse", "HEAD").strip() or NO_COMMIT
    changes = [line[3:] for line in _git(root, "status", "--porcelain", "--", ".", _WRITTEN_BY_THE_FLOW).splitlines()]
    state = {"git_commit": commit, "git_dirty": "true" if changes else "false"}
    return state | ({"git_changes": ", ".join(changes)[:1000]} if changes else {})


def git_patch(root: Path) -> str:
    """The uncommitted changes of code and parameters, as `git apply` takes them; "" where there are none."""
    present = [path for path in _PATCH_PATHS if (Path(root) / path).exists()]
    return _git(root, "diff", "HEAD", "--binary", "--", *present) if present else ""


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:  # a machine without git
        return ""
    return done.stdout if done.returncode == 0 else ""
