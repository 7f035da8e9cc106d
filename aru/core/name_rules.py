"""The rule for names and paths that the project's files give: they become folders, stages, experiments and models."""

import re
from pathlib import PurePosixPath
from typing import Any

from aru.core.errors import InputError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
TAKEN = ("benchmarks", "methods")
"""Sections of params.yaml that are no benchmark's."""


def check_name(name: Any, *, where: str) -> str:
    """Return a benchmark's name that can be a folder, a stage, an experiment and a model; `where` is said in the error."""
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name in TAKEN:
        raise InputError(
            f"{where}: {_short(name)} is no name for a benchmark: a name has letters a to z, digits, '-', "
            f"'_', at most 64, begins with a letter or digit, and is not {' or '.join(TAKEN)}"
        )
    return name


def check_path(path: Any, *, where: str) -> str:
    """Return a path that stays in its folder: relative, with '/', and no step up."""
    if not is_inside(path):
        raise InputError(
            f"{where}: {_short(path)} is no path in the project folder: a path is relative to it, with '/', "
            "without '.' and '..', and without control characters; put the file there, or a link to it"
        )
    return path


def is_inside(path: Any) -> bool:
    """Whether a relative path names something below the folder that it is relative to, on any system."""
    if not isinstance(path, str) or not path.isprintable() or "\\" in path or ":" in path:
        return False
    pure = PurePosixPath(path)
    return not pure.is_absolute() and ".." not in pure.parts and pure.as_posix() == path != "."


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
