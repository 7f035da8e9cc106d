"""The keys under which the results of a comparison lie."""

from typing import Any

from aru.compute.device import Compute
from aru.compute.keys import arithmetic, key_of
from aru.core.config import Config, Section
from aru.core.names import SETS


def original_key(config: Config, seed: int, sets: dict[str, str], compute: Compute) -> str:
    """The key of a model trained on forget and retain."""
    return key_of(
        "original", _recipe(config), seed, sets["train"], arithmetic(config.runtime, compute), module="aru.train.from_scratch"
    )


def retrained_key(config: Config, seed: int, sets: dict[str, str], compute: Compute) -> str:
    """The key of a model trained on retain alone, and of its answers to all sets of a draw."""
    return key_of(
        "retrain", _recipe(config), seed, _sets(sets), arithmetic(config.runtime, compute), module="aru.train.from_scratch"
    )


def method_key(original: str, module: str, name: str, parameters: Section, seed: int, sets: dict[str, str]) -> str:
    """The key of what a method makes of an original model; `module` is where the method is defined.

    The original's key holds the network, the recipe and the kind of machine.
    """
    return key_of("method", original, name, parameters.model_dump(mode="json"), seed, _sets(sets), module=module)


def trained_here(config: Config) -> dict[str, Any]:
    """The section `model` of a model that is trained here, whatever original the main flow takes."""
    return config.model.model_copy(update={"original": None, "original_md5": None}).model_dump(mode="json")


def _recipe(config: Config) -> list[Any]:
    return [trained_here(config), config.data.resolution, config.train.model_dump(mode="json")]


def _sets(sets: dict[str, str]) -> list[str]:
    return [sets[name] for name in SETS]
