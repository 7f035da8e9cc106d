"""What is known of each parameter: value, default, limits and meaning, from the types of `aru.core.config` alone."""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from aru.core.config import Config

_SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


class Parameter(NamedTuple):
    """A parameter by its dotted name; `value` and `default` as JSON has them, None where there is none."""

    name: str
    value: Any
    default: Any
    limits: str
    meaning: str

    @property
    def differs(self) -> bool:
        """Whether the value is not the default."""
        return self.value != self.default


def parameters(config: Config) -> list[Parameter]:
    """All parameters of a benchmark, in the order of the stages."""
    return list(_rows(Config, config.model_dump(mode="json"), ""))


def _rows(section: type[BaseModel], values: dict[str, Any], prefix: str) -> Iterator[Parameter]:
    for name, field in section.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _rows(kind, values[name], f"{prefix}{name}.")
        else:
            default = section.model_construct().model_dump(mode="json")[name]
            yield Parameter(f"{prefix}{name}", values[name], default, _limits(field), field.description or "")


def _limits(field: FieldInfo) -> str:
    """The choices, or the range, or the kind of the values."""
    if get_origin(field.annotation) is Literal:
        return ", ".join(map(str, get_args(field.annotation)))
    bounds = [
        f"{sign} {getattr(item, name)}" for item in field.metadata for name, sign in _SIGNS.items() if hasattr(item, name)
    ]
    if bounds:
        return " and ".join(bounds)
    kinds = {get_origin(kind) or kind for kind in (field.annotation, *get_args(field.annotation))}
    return "true, false" if bool in kinds else "list" if tuple in kinds else "text"
