"""The methods of a comparison: names, with a preset or changed parameters."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from aru.comparison.ablation import ABLATION
from aru.comparison.parameter_sets import DEFAULT
from aru.core.config import Config, Section
from aru.core.errors import InputError
from aru.core.safe_yaml import parse_yaml
from aru.methods.aru.presets import PRESETS
from aru.methods.chosen import PRESET
from aru.methods.registry import CONTROLS, METHODS, find

_ARU = frozenset({"aru", *CONTROLS}) - {"nothing"}
REFERENCES = ("nothing", "retrain")
"""The original and the retrained model, without which no figure of a method can be read."""


@dataclass(frozen=True)
class Choice:
    """A method with all its parameters, and what the tables call this variant of it."""

    method: str
    variant: str
    parameters: Section


@dataclass(frozen=True)
class Tuned:
    """Method -> the parameters found for it, as changes of its defaults or of the preset that their key ``preset`` names.

    variant: what the tables call them.
    """

    variant: str
    parameters: Mapping[str, Mapping[str, Any]]


def parse_choices(text: str, config: Config, tuned: Tuned | None = None) -> list[Choice]:
    """A comma-separated list of choices; the references come with every list.

    ``scrub``: its default parameters. ``scrub:deepunlearn``: a preset. ``aru{mask.ratio=0.3,attack.noise=random}``: changed
    parameters. ``all``, ``peers``, ``controls``, ``ablation``: several at once. With `tuned` every plain name takes the
    parameters found for it, and one without an entry is an InputError.
    """
    found: dict[tuple[str, str], Choice] = {}
    for item in [*REFERENCES, *_expanded(text)]:
        choice = parse_choice(item, config, tuned)
        found.setdefault((choice.method, choice.variant), choice)
    return list(found.values())


def parse_choice(text: str, config: Config, tuned: Tuned | None = None) -> Choice:
    """One choice, as `parse_choices` describes it."""
    head, brace, changes = text.partition("{")
    name, colon, preset = head.strip().partition(":")
    find(name)  # an unknown name is refused first
    if brace and not changes.endswith("}"):
        raise InputError(f"{text!r} has no closing brace: write it as {name}{{epochs=3}}")
    if tuned is not None and not colon and not brace and name not in REFERENCES:
        if name not in tuned.parameters:
            raise InputError(
                f"there are no tuned parameters of {name!r}: run `aru tune --methods {name}` first; tuned are "
                f"{', '.join(tuned.parameters) or 'none'}"
            )
        return changed_choice(name, config, tuned.parameters[name], tuned.variant)
    values = dict(_setting(part, text) for part in _split(changes[:-1])) if brace else {}
    variant = ",".join(f"{key}={value}" for key, value in values.items())
    label = ":".join(part for part in (preset, variant) if part) or DEFAULT
    return Choice(name, label, _configured(name, config, preset if colon else None, nested(values)))


def changed_choice(name: str, config: Config, changes: Mapping[str, Any], variant: str) -> Choice:
    """A method with (nested) changes of its defaults, or of the preset that their key ``preset`` names."""
    given = dict(changes)
    return Choice(name, variant, _configured(name, config, given.pop(PRESET, None), given))


def _configured(name: str, config: Config, preset: str | None, changes: Mapping[str, Any]) -> Section:
    return find(name).configure(preset if name not in _ARU else None, **_base(name, config, preset or None, changes))


def _base(name: str, config: Config, preset: str | None, changes: Mapping[str, Any]) -> dict[str, Any]:
    """What a method takes from the benchmark's own section: retraining its recipe, ARU its stages."""
    if name == "retrain":
        return {**config.train.model_dump(), **changes}
    if name not in _ARU:
        return dict(changes)
    if preset is not None and preset not in PRESETS:
        raise InputError(f"{name} has no preset {preset!r}: it has {', '.join(PRESETS)}")
    sections = {part: getattr(config, part).model_dump() for part in ("attack", "mask", "reset", "finetune")}
    for layer in (PRESETS[preset] if preset else {}, changes):
        for part, values in layer.items():
            if isinstance(values, Mapping):
                sections[part] = {**sections.get(part, {}), **values}
            else:
                sections[part] = values
    return sections


def _expanded(text: str) -> list[str]:
    groups = {
        "all": list(METHODS),
        "peers": [name for name in METHODS if name not in CONTROLS and name != "aru"],
        "controls": list(CONTROLS),
        "ablation": [f"aru{{{changes}}}" if changes else "aru" for changes in ABLATION],
    }
    items: list[str] = []
    for item in _split(text):
        items += groups.get(item, [item])
    if not items:
        raise InputError("no method is named: give a list such as finetune,scrub,aru or all")
    return items


def _split(text: str) -> list[str]:
    """Parts between commas that are outside braces and brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "{[") - (letter in "}]")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]


def _setting(part: str, text: str) -> tuple[str, Any]:
    name, sign, value = part.partition("=")
    if not sign:
        raise InputError(f"{text!r}: {part!r} has no '=': write it as epochs=3")
    try:
        return name.strip(), parse_yaml(value)
    except yaml.YAMLError as error:
        raise InputError(f"{text!r}: the value of {name.strip()!r} is not YAML ({error})") from None


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """{"mask.ratio": 0.3} -> {"mask": {"ratio": 0.3}}."""
    result: dict[str, Any] = {}
    for name, value in values.items():
        *path, last = name.split(".")
        inner = result
        for part in path:
            inner = inner.setdefault(part, {})
        inner[last] = value
    return result
