"""Which files of `aru` a module needs, read from its import statements, and a digest of what they say.

Templates, style sheets and scripts count, too: a module needs those that lie in its own folder, or in the folders
templates/ and static/ there.

The package's own sources are read once, when this module is imported: a process computes with the code that it has
imported, whatever becomes of the files while it works, and its keys and digests are of that code.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
_TEMPLATES = (".j2", ".css", ".js")
_TEMPLATE_FOLDERS = ("templates", "static")
_IMPORTED = {
    path.relative_to(ROOT).as_posix(): path.read_bytes()
    for path in Path(__file__).parents[1].rglob("*")
    if path.suffix in (".py", *_TEMPLATES)
}
_WITHOUT_EFFECT = frozenset({"aru/core/config.py", "aru/core/errors.py", "aru/core/files.py", "aru/core/progress.py"})
"""Not digested: parameters are in a key by their values, and the others change no figure."""


def closure(module: str, root: Path = ROOT) -> set[str]:
    """The paths of all files of `aru` that `module` needs: itself, all that it imports, and the templates beside those.

    A package's __init__ is left out: it holds a docstring only.
    """
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
    return found | {name for folder in {Path(module).parent for module in found} for name in _templates(folder, root)}


@cache
def code_digest(module: str, root: Path = ROOT) -> str:
    """A digest of a module and all that it imports of `aru`; Python's comments, docstrings and layout do not count."""
    digest = hashlib.sha256()
    for name in sorted(closure(module, root) - _WITHOUT_EFFECT):
        digest.update(f"{name}\n{_meaning(name, _source(name, root) or b'')}\n".encode())
    return digest.hexdigest()


def edited(module: str) -> list[str]:
    """The files that `module` needs and that no longer say what this process has imported."""
    return [name for name in sorted(closure(module)) if not _unchanged(name)]


def _source(name: str, root: Path) -> bytes | None:
    if root == ROOT:
        return _IMPORTED.get(name)
    return (root / name).read_bytes() if (root / name).is_file() else None


def _templates(folder: Path, root: Path) -> list[str]:
    """The templates, style sheets and scripts of the modules in a folder, by their paths relative to `root`."""
    folders = {folder, *(folder / name for name in _TEMPLATE_FOLDERS)}
    if root == ROOT:
        return [name for name in _IMPORTED if name.endswith(_TEMPLATES) and Path(name).parent in folders]
    paths = [path for one in folders for path in (root / one).glob("*")]
    return [path.relative_to(root).as_posix() for path in paths if path.suffix in _TEMPLATES]


def _unchanged(name: str) -> bool:
    """Whether a file means the same as what this process has imported."""
    source = _IMPORTED[name]
    try:
        now = (ROOT / name).read_bytes()
        return now == source or _meaning(name, now) == _meaning(name, source)
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


def _meaning(name: str, source: bytes) -> str:
    """A Python program without its comments and docstrings; the whole text of any other file."""
    if not name.endswith(".py"):
        return source.decode()
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(node):
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)
