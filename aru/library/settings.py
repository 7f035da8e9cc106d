"""Settings of a method as keywords: ``mask__ratio=0.3`` is the parameter `ratio` of the section `mask`."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from aru.core.config import Section
from aru.core.errors import InputError
from aru.core.suggestions import did_you_mean
from aru.methods.method import Method

SEPARATOR = "__"
_AUGMENT = "augment"


def configure(method: Method, preset: str | None, settings: Mapping[str, Any], *, augmented: bool) -> Section:
    """The parameters of a method; an unknown name is answered with the nearest known one.

    Without `augmented`, where the caller gave no augmentation, the method augments nothing.
    """
    known = dict(parameters(method.config))
    for name, value in settings.items():
        if name not in known and not isinstance(value, Mapping):
            raise InputError(f"{method.name} has no setting {name!r}{did_you_mean(name, known)}; `aru.methods()` has them all")
        if name.split(SEPARATOR)[-1] == _AUGMENT and value and not augmented:
            raise InputError(f"{name}={value!r} needs the augmentation itself: give augment=, a function of one image")
    off = {} if augmented else {name: False for name in known if name.split(SEPARATOR)[-1] == _AUGMENT}
    return method.configure(preset, **nested(off | dict(settings)))


def nested(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Names with double underscores as sections: ``{"mask__ratio": 0.3}`` becomes ``{"mask": {"ratio": 0.3}}``."""
    result: dict[str, Any] = {}
    for name, value in settings.items():
        *sections, last = name.split(SEPARATOR)
        place = result
        for section in sections:
            place = place.setdefault(section, {})
        place[last] = value if not isinstance(value, Mapping) else {**place.get(last, {}), **value}
    return result


def parameters(section: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str]]:
    """The names of all parameters, as keywords, with their descriptions."""
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from parameters(field.annotation, f"{prefix}{name}{SEPARATOR}")
        else:
            yield f"{prefix}{name}", field.description or ""
