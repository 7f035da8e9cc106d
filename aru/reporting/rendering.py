"""Templates -> pages: everything is escaped, and a page fetches nothing and runs nothing but its own script.

A package's templates, style sheets and scripts lie beside its modules. They are read once, when this module is imported,
as Python reads its sources: `aru.core.source_code` counts them among the code of the modules beside them.
"""

import base64
import hashlib
from pathlib import Path

from jinja2 import DictLoader, Environment, StrictUndefined

_ROOM = Path(__file__).parent
_SUFFIXES = (".j2", ".css", ".js")
_FILES = {
    path.relative_to(_ROOM).as_posix(): path.read_text(encoding="utf-8")
    for path in sorted(_ROOM.rglob("*"))
    if path.suffix in _SUFFIXES
}
_ENVIRONMENT = Environment(
    loader=DictLoader(_FILES),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def render(template: str, page: object, *, style: str = "", script: str = "") -> str:
    """The page that `template` makes of `page`; names are relative to this folder.

    `style` names a style sheet that is added to that of all pages, `script` the one script that the page's policy allows.
    Both are written into the page unescaped: they are files of the project. The same `page` gives the same text. Raises
    jinja2.UndefinedError where the template names what `page` does not have.
    """
    code = _FILES[script] if script else ""
    return _ENVIRONMENT.get_template(template).render(
        page=page,
        policy=f"{POLICY}; script-src '{_digest(code)}'" if script else POLICY,
        style=_FILES["static/page.css"] + (_FILES[style] if style else ""),
        script=code,
    )


def _digest(script: str) -> str:
    """The name by which a policy allows this script and no other."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
