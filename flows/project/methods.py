"""The lists of params.yaml from which DVC makes the stages of unlearning, written as `method` in the sections says."""

from typing import Any

from ruamel.yaml.comments import CommentedMap

from aru.core.config import SETTINGS
from aru.core.method_lists import LISTS, method_lists
from aru.core.names import ARU

_UNLEARN = SETTINGS.removesuffix(".")
_ABOUT = (
    "The active benchmarks that ARU unlearns, and those that another method does, by `method` above. `aru` writes these\n"
    "lists, because DVC makes the stages from them."
)


def settle(content: Any) -> bool:
    """Bring the lists in a file's content up to date, and give each peer method a place for its settings.

    Returns whether anything was not as it should be.
    """
    active = content.get("benchmarks") or {}
    sections = {name: content[name] for name in active if isinstance(content.get(name), dict)}
    settled = [_give_place(section, section.get("method", ARU)) for section in sections.values()]
    wanted = method_lists({name: section.get("method", ARU) for name, section in sections.items()})
    found = content.get(LISTS)
    if found == wanted:
        return any(settled)
    if found is None:
        content[LISTS] = CommentedMap()
        content.yaml_set_comment_before_after_key(LISTS, before=f"\n{_ABOUT}")
    for name, benchmarks in wanted.items():
        content[LISTS][name] = CommentedMap(benchmarks)
    return True


def _give_place(section: Any, method: str) -> bool:
    """DVC reads unlearn.METHOD of the section, which has to be there, be it empty."""
    if method == ARU or method in (section.get(_UNLEARN) or {}):
        return False
    if not section.get(_UNLEARN):
        section.pop(_UNLEARN, None)
        if isinstance(section, CommentedMap) and "attack" in section:  # what is last in a section has the next one's comment
            section.insert(list(section).index("attack"), _UNLEARN, CommentedMap())
        else:
            section[_UNLEARN] = CommentedMap()
    section[_UNLEARN][method] = CommentedMap()
    return True
