"""Networks of one's own code, ``module:function`` beside params.yaml: built, and digested with all that they import there."""

import ast
import hashlib
import importlib
import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from aru.core.errors import InputError
from aru.core.source_code import PACKAGE, content_digest

if TYPE_CHECKING:
    from torch import nn

_PARTS = 2


def is_own(name: str) -> bool:
    """Whether a network's name is that of a function of one's own."""
    return ":" in name


def use_project_code(root: Path) -> None:
    """Let modules beside params.yaml be imported, here and in processes that this one starts; installed ones come first."""
    folder = str(Path(root).resolve())
    if folder not in sys.path:
        sys.path.append(folder)


def build_own(name: str, outputs: int, resolution: int) -> "nn.Module":
    """Call ``function(outputs)``, or ``function(outputs, resolution=...)`` where it has that parameter.

    Raises InputError where it cannot be imported or called, or returns no module.
    """
    from torch import nn  # here: whoever checks the code alone does not wait for it

    module, function = _parts(name)
    try:
        make = getattr(importlib.import_module(module), function)
        options = {"resolution": resolution} if "resolution" in inspect.signature(make).parameters else {}
        model = make(outputs, **options)
    except Exception as error:  # whatever somebody's own code raises
        raise InputError(
            f"model {name!r} cannot be built ({type(error).__name__}: {error}): it must be a function of the number of "
            "outputs in a module beside params.yaml, as in def make(outputs)"
        ) from error
    if not isinstance(model, nn.Module):
        raise InputError(f"model {name!r} returns a {type(model).__name__}: return a torch.nn.Module")
    return model


def own_code_digest(name: str, root: Path) -> str:
    """32 hex digits of the module's file and of all files in the folder `root` that it imports; comments do not count.

    Raises InputError where the module is not there or cannot be parsed.
    """
    waiting, found = [_parts(name)[0]], dict[str, str]()
    if _file(Path(root), waiting[0]) is None:
        raise InputError(
            f"model {name!r}: there is no {waiting[0].replace('.', '/')}.py in {root}: put the module beside params.yaml"
        )
    while waiting:
        path = _file(Path(root), waiting.pop())
        if path is None or path.relative_to(root).as_posix() in found:
            continue
        source = path.read_bytes()
        try:
            found[path.relative_to(root).as_posix()] = content_digest(path.name, source)
            waiting += _imported(ast.parse(source), path.relative_to(root))
        except (SyntaxError, ValueError) as error:
            raise InputError(f"{path} is not valid Python ({error}): correct it") from error
    content = "".join(f"{file} {found[file]}\n" for file in sorted(found))
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def check_own_code(name: str, digest: str | None, root: Path) -> None:
    """Raise InputError where `name` is one's own code and not that of the digest in params.yaml."""
    if is_own(name) and (now := own_code_digest(name, root)) != digest:
        raise InputError(
            f"the code of model {name!r} has the digest {now}, model.code is {digest}: if it is to be used so, set it "
            f"(`aru run --set model.code={now}`), or import the original again (`aru model import`)"
        )


def _parts(name: str) -> tuple[str, str]:
    parts = name.split(":")
    if len(parts) != _PARTS or not all(part.isidentifier() for part in (*parts[0].split("."), parts[1])):
        raise InputError(f"model {name!r} is no module:function: write it as in nets:make, for the function make of nets.py")
    return parts[0], parts[1]


def _file(root: Path, module: str) -> Path | None:
    """The file of a module in the folder; None where it is not there, or is this package, on which stages depend anyway."""
    path = Path(root).joinpath(*module.split("."))
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return None if module.split(".")[0] == PACKAGE else next((file for file in candidates if file.is_file()), None)


def _imported(tree: ast.AST, file: Path) -> list[str]:
    """All modules that a file may import, by their whole names; those of its packages among them."""
    package = file.parent.parts
    names = [".".join(package[:end]) for end in range(1, len(package) + 1)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else ()
            start = ".".join((*base, *([node.module] if node.module else [])))
            names += [start, *(f"{start}.{alias.name}" if start else alias.name for alias in node.names)]
    parents = {name.rpartition(".")[0] for name in names}
    return [name for name in {*names, *parents} if name]
