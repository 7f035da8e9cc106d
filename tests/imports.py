"""Which files of `aru` a module needs, read from its import statements."""

import ast
from pathlib import Path


def closure(module: str, root: Path) -> set[str]:
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


def _imported(path: Path) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return [name for name in names if name.split(".")[0] == "aru"]
