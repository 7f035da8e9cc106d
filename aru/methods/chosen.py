"""The method that a benchmark's parameters choose, with all its parameters."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aru.core.config import SETTINGS, Config, Section
from aru.core.errors import InputError
from aru.core.names import ARU
from aru.methods.aru.presets import AruConfig
from aru.methods.catalogue import check_runnable

if TYPE_CHECKING:
    from torch import nn

    from aru.methods.method import Method

PRESET = "preset"
_ARU_SECTIONS = frozenset(AruConfig.model_fields)


def chosen(config: Config) -> tuple["Method", Section]:
    """The method and its parameters. Raises InputError for one that is not known, or not to be run, and for bad settings."""
    from aru.methods.registry import find  # with PyTorch and every method: not for those who only read names

    method = find(check_runnable(config.method))
    return method, parameters(config)


def parameters(config: Config) -> Section:
    """All parameters of the chosen method; of ARU without loading PyTorch."""
    name = check_runnable(config.method)
    return AruConfig.of(config) if name == ARU else _peer_parameters(name, config.unlearn.get(name, {}))


def checked_settings(config: Config) -> dict[str, dict[str, Any]]:
    """The settings of all peer methods that have any, each value as its method reads it. Raises InputError for a bad one."""
    check_runnable(config.method)
    if ARU in config.unlearn:
        raise InputError(f"{SETTINGS}{ARU}: ARU's parameters are the sections attack, mask, reset and finetune")
    names = {*config.unlearn, config.method} - {ARU}
    return {name: _checked(check_runnable(name), config.unlearn.get(name, {})) for name in sorted(names)}


def check_fits(config: Config, model: "nn.Module") -> None:
    """Raise InputError where the chosen method is not defined for the task, or cannot unlearn this network."""
    method, values = chosen(config)
    if config.data.multilabel and not method.multilabel:
        raise InputError(
            f"method {method.name} is not defined for the multi-label task: choose a task with classes, or another method"
        )
    if method.check is not None:
        method.check(model, values)


def settings_of(config: Config) -> dict[str, Any]:
    """What is shown of a run's parameters: the chosen method's in full, and none of another method's."""
    values = config.model_dump(mode="json")
    del values["unlearn"]
    if config.method == ARU:
        return values
    shown = {name: value for name, value in values.items() if name not in _ARU_SECTIONS}
    return shown | {"unlearn": parameters(config).model_dump(mode="json")}


def title(method: str) -> str:
    """What pages call a method."""
    return "ARU" if method == ARU else method


def text_of(values: Section) -> str:
    """Parameters in one line, as in ``epochs 2, lr 0.001``; those of a section with its name, as in ``mask.ratio 0.5``."""
    return ", ".join(f"{name} {value}" for name, value in flat(values.model_dump(mode="json")))


def flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Parameters by their dotted names."""
    found: list[tuple[str, Any]] = []
    for name, value in values.items():
        found += flat(value, f"{prefix}{name}.") if isinstance(value, dict) else [(f"{prefix}{name}", value)]
    return found


def _peer_parameters(name: str, settings: Mapping[str, Any]) -> Section:
    from aru.methods.registry import find

    values = dict(settings)
    preset = values.pop(PRESET, None)
    if preset is not None and not isinstance(preset, str):
        raise InputError(f"unlearn.{name}.{PRESET} = {preset!r}: give the name of a preset: {', '.join(find(name).presets)}")
    return find(name).configure(preset, **values)


def _checked(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    values = _peer_parameters(name, settings).model_dump(mode="json")
    return {key: settings[key] if key == PRESET else values[key] for key in settings}
