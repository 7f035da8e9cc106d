"""Sections of params.yaml that hold only what differs from the defaults.

DVC follows the parameters that dvc.yaml names by the text of params.yaml, and refuses a name that the file does not have.
Those names are therefore always in the file: a section as `{}` where nothing of it differs.
"""

import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from aru.core.config import SETTINGS, Config, parameter_names
from aru.core.safe_yaml import parse_yaml

_OF_BENCHMARK = "${key}."


def default(name: str) -> Any:
    """The default of a parameter by its dotted name, as JSON has it; None of a peer method's setting: a preset has it."""
    if name.startswith(SETTINGS):
        return None
    section: type[BaseModel] = Config
    *groups, last = name.split(".")
    for group in groups:
        section = section.model_fields[group].annotation  # type: ignore[assignment]  # parameter_names() goes the same way
    return section.model_construct().model_dump(mode="json")[last]


def followed(pipeline: Path) -> list[str]:
    """The parameters and sections of a benchmark that a dvc.yaml names, without those inside another one."""
    text = Path(pipeline).read_text(encoding="utf-8") if Path(pipeline).is_file() else "stages: {}"
    stages = parse_yaml(text)["stages"]
    listed = {name for stage in stages.values() for name in stage.get("do", stage).get("params", []) if isinstance(name, str)}
    return sorted(name.removeprefix(_OF_BENCHMARK) for name in listed if name.startswith(_OF_BENCHMARK))


def differing(config: Config, pipeline: Path) -> dict[str, Any]:
    """A benchmark's section with what differs from the defaults, and with what dvc.yaml names."""
    return completed(config.model_dump(mode="json", exclude_defaults=True, exclude_none=True), pipeline, config)


def completed(section: Mapping[str, Any], pipeline: Path, config: Config) -> dict[str, Any]:
    """A benchmark's section with the names that dvc.yaml has and the section lacks, in the order of the parameters."""
    values, content = config.model_dump(mode="json"), copy.deepcopy(dict(section))
    for name in followed(pipeline):
        *groups, last = name.split(".")
        inside, given = content, values
        for group in groups:
            inside, given = inside.setdefault(group, {}), given.get(group, {})
        if last in given and last not in inside:
            inside[last] = {} if isinstance(given[last], dict) else given[last]
    return _ordered(content, Config)


def is_implied(section: Mapping[str, Any], name: str, value: Any, pipeline: Path) -> bool:
    """Whether a parameter need not be in the section: it has its default, dvc.yaml does not name it, and its group has gaps.

    A group that has all of its parameters stays complete, as those of the embedded benchmark are.
    """
    group, _, last = name.rpartition(".")
    if name.startswith(SETTINGS) or value != default(name) or name in followed(pipeline):
        return False
    inside: Any = section
    for part in group.split("."):
        inside = inside.get(part, {}) if isinstance(inside, Mapping) else {}
    return any(sibling not in inside for sibling in _siblings(group))


def _siblings(group: str) -> Iterator[str]:
    """The parameters of a group that are always there; None as the default means that there is none."""
    for name in parameter_names():
        parent, _, last = name.rpartition(".")
        if parent == group and default(name) is not None:
            yield last


def _ordered(content: Mapping[str, Any], section: type[BaseModel]) -> dict[str, Any]:
    """The same in the order of the parameters, unknown names last."""
    ordered = {name: content[name] for name in section.model_fields if name in content}
    for name, value in ordered.items():
        kind = section.model_fields[name].annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            ordered[name] = _ordered(value, kind)
    return ordered | {name: value for name, value in content.items() if name not in ordered}
