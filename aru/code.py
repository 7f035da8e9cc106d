"""Which files of `aru` a module needs, read from its import statements, and a digest of what they say."""

import ast
import hashlib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
_WITHOUT_EFFECT = frozenset({"aru/config.py", "aru/errors.py", "aru/files.py", "aru/progress.py"})
"""Not digested: parameters are in a key by their values, and the others change no figure."""


def closure(module: str, root: Path = ROOT) -> set[str]:
    """The paths of all `aru` modules that importing `module` needs, itself included, packages' __init__ left out."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = root / (name.replace(".", "/") + ".py")
        relative = path.relative_to(root).as_posix()
        if relative in found or not path.is_file():
            continue
        found.add(relative)
        waiting += _imported(path)
    return found


@cache
def code_digest(module: str, root: Path = ROOT) -> str:
    """A digest of a module and all that it imports of `aru`; comments, docstrings and layout do not count."""
    digest = hashlib.sha256()
    for name in sorted(closure(module, root) - _WITHOUT_EFFECT):
        digest.update(f"{name}\n{_meaning((root / name).read_text(encoding='utf-8'))}\n".encode())
    return digest.hexdigest()


def _imported(path: Path) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return [name for name in names if name.split(".")[0] == "aru"]


def _meaning(source: str) -> str:
    """The program without its comments and docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(node):
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)
