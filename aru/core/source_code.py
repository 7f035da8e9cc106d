"""Which files of `aru` a module needs, read from its import statements, and a digest of what they say.

The package's own sources are read once, when this module is imported: a process computes with the code that it has
imported, whatever becomes of the files while it works, and its keys and digests are of that code.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
_IMPORTED = {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in Path(__file__).parents[1].rglob("*.py")}
_WITHOUT_EFFECT = frozenset({"aru/core/config.py", "aru/core/errors.py", "aru/core/files.py", "aru/core/progress.py"})
"""Not digested: parameters are in a key by their values, and the others change no figure."""


def closure(module: str, root: Path = ROOT) -> set[str]:
    """The paths of all `aru` modules that importing `module` needs, itself included, packages' __init__ left out."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        relative = name.replace(".", "/") + ".py"
        source = None if relative in found else _source(relative, root)
        if source is None:
            continue
        found.add(relative)
        waiting += _names(source)
    return found


@cache
def code_digest(module: str, root: Path = ROOT) -> str:
    """A digest of a module and all that it imports of `aru`; comments, docstrings and layout do not count."""
    digest = hashlib.sha256()
    for name in sorted(closure(module, root) - _WITHOUT_EFFECT):
        digest.update(f"{name}\n{_meaning(_source(name, root) or b'')}\n".encode())
    return digest.hexdigest()


def edited(module: str) -> list[str]:
    """The files that `module` needs and that no longer say what this process has imported."""
    return [name for name in sorted(closure(module)) if not _says(ROOT / name, _IMPORTED[name])]


def _source(name: str, root: Path) -> bytes | None:
    if root == ROOT:
        return _IMPORTED.get(name)
    return (root / name).read_bytes() if (root / name).is_file() else None


def _says(path: Path, source: bytes) -> bool:
    """Whether a file says the same as a source."""
    try:
        now = path.read_bytes()
        return now == source or _meaning(now) == _meaning(source)
    except (OSError, SyntaxError, ValueError):  # gone, or half edited
        return False


def _names(source: bytes) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return [name for name in names if name.split(".")[0] == "aru"]


def _meaning(source: bytes) -> str:
    """The program without its comments and docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(node):
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)
