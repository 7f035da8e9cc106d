"""Which files of `aru` a module needs, read from its import statements, and a digest of their content.

The package's own files are read once, when this module is imported: a process computes with the code that it has
imported, whatever becomes of the files while it works, and its keys and digests are of that code.
"""

import ast
import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

Sources = Mapping[str, bytes]
"""The files of the package `aru` by their paths, such as ``aru/core/files.py``."""
PACKAGE = "aru"
ROOT = Path(__file__).parents[2]
_WITHOUT_EFFECT = frozenset({"aru/core/config.py", "aru/core/errors.py", "aru/core/files.py", "aru/core/progress.py"})
"""Not digested: parameters are in a key by their values, and the others change no figure."""
_NO_MEANING = frozenset({"ctx", "kind"})
"""Fields of a syntax tree that follow from the others."""


def read_sources(root: Path) -> dict[str, bytes]:
    """The files below `root`/aru, compiled ones left out."""
    found = sorted(path for path in (Path(root) / PACKAGE).rglob("*") if "__pycache__" not in path.parts)
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in found if path.is_file()}


IMPORTED: Sources = read_sources(ROOT)
"""The code of this process."""


def closure(module: str, sources: Sources = IMPORTED) -> set[str]:
    """The paths of all `aru` files that importing `module` needs, itself included, packages' __init__ left out.

    A module needs the modules that it imports, and the other files of its folder (templates, style sheets) and of folders
    below that are no packages.
    """
    found: set[str] = set()
    waiting = [module]
    while waiting:
        path = waiting.pop().replace(".", "/") + ".py"
        if path not in found and path in sources:
            found |= {path, *_files_beside(path, sources)}
            waiting += _parsed(sources[path]).imports
    return found


@cache
def code_digest(module: str, root: Path = ROOT) -> str:
    """A digest of a module and all that it imports of `aru`; comments, docstrings and layout do not count."""
    sources = IMPORTED if root == ROOT else read_sources(root)
    needed = closure(module, sources) - _WITHOUT_EFFECT
    content = "".join(f"{name} {content_digest(name, sources[name])}\n" for name in sorted(needed))
    return hashlib.sha256(content.encode()).hexdigest()


def content_digest(name: str, source: bytes) -> str:
    """32 hex digits of a file: of a module the same whatever its comments, docstrings and layout, on any Python.

    Raises SyntaxError or ValueError for a module that cannot be parsed.
    """
    return _parsed(source).digest if name.endswith(".py") else _short_digest(source)


def edited(module: str) -> list[str]:
    """The files that `module` needs and whose content differs from what this process has imported."""
    return [name for name in sorted(closure(module)) if not _is_same(name, IMPORTED[name])]


class _Parsed(NamedTuple):
    """What counts of a module: the names in `aru` that it imports, and the digest of its syntax tree."""

    imports: list[str]
    digest: str


@cache
def _parsed(source: bytes) -> _Parsed:
    tree = ast.parse(source)
    imports = _imports(tree)
    return _Parsed(imports, _short_digest(repr(_plain(tree)).encode("utf-8", "surrogatepass")))


def _is_same(name: str, source: bytes) -> bool:
    """Whether a file of this process's package has the same content as `source`."""
    try:
        now = (ROOT / name).read_bytes()
        return now == source or content_digest(name, now) == content_digest(name, source)
    except (OSError, SyntaxError, ValueError):  # removed, or saved in the middle of an edit
        return False


def _files_beside(path: str, sources: Sources) -> set[str]:
    folder = path.rpartition("/")[0]
    below = [name for name in sources if name.startswith(f"{folder}/") and not name.endswith(".py")]
    return {name for name in below if _package_of(name, sources) == folder}


def _package_of(name: str, sources: Sources) -> str:
    """The nearest folder at or above a file that has a module."""
    folder = name.rpartition("/")[0]
    while folder and f"{folder}/__init__.py" not in sources:
        folder = folder.rpartition("/")[0]
    return folder


def _imports(tree: ast.AST) -> list[str]:
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return [name for name in names if name.split(".")[0] == PACKAGE]


def _plain(node: Any) -> Any:
    """A syntax tree as nested lists, without docstrings, positions and empty fields, which differ between Pythons."""
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, ast.AST):
        return node
    fields = {name: value for name, value in ast.iter_fields(node) if value not in (None, []) and name not in _NO_MEANING}
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and _has_docstring(node):
        fields["body"] = node.body[1:] or [ast.Pass()]
    return [type(node).__name__, *([name, _plain(value)] for name, value in fields.items())]


def _has_docstring(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    first = node.body[0] if node.body else None
    return isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)


def _short_digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]
