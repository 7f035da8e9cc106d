"""The files of a network of one's own code, for a machine that does not have them."""

import ast
from pathlib import Path

# A module of its own: `aru.nets.own_code` is part of every training's key, an addition there would train all models anew.
from aru.nets.own_code import _file, _imported, _parts, is_own


def own_code_files(name: str, root: Path) -> tuple[str, ...]:
    """The files that `aru.nets.own_code.own_code_digest` is of, relative to the folder `root`; none of any other network."""
    waiting, found = [_parts(name)[0]] if is_own(name) else [], set[str]()
    while waiting:
        path = _file(Path(root), waiting.pop())
        if path is not None and (inside := path.relative_to(root).as_posix()) not in found:
            found.add(inside)
            waiting += _imported(ast.parse(path.read_bytes()), Path(inside))
    return tuple(sorted(found))
