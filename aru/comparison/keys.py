"""Keys of content: the same inputs, parameters, code and kind of machine give the same key, anywhere."""

import hashlib
import json
from typing import Any

from aru.code import code_digest
from aru.compute import Compute
from aru.config import Config, Section


def digest(content: Any) -> str:
    """32 hex digits of a JSON structure."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


def original_key(config: Config, seed: int, sets: dict[str, str], compute: Compute) -> str:
    """The key of a model trained on forget and retain."""
    return digest(["original", _recipe(config), seed, sets["train"], _arithmetic(config, compute),
                   code_digest("aru.fitting")])


def retrained_key(config: Config, seed: int, sets: dict[str, str], compute: Compute) -> str:
    """The key of a model trained on retain alone, and of its answers to all sets of a draw."""
    return digest(["retrain", _recipe(config), seed, _sets(sets), _arithmetic(config, compute), code_digest("aru.fitting")])


def method_key(original: str, module: str, name: str, parameters: Section, seed: int, sets: dict[str, str]) -> str:
    """The key of what a method makes of an original model; `module` is where the method is defined.

    The original's key holds the network, the recipe and the kind of machine.
    """
    return digest(["method", original, name, parameters.model_dump(mode="json"), seed, _sets(sets), code_digest(module)])


def _recipe(config: Config) -> list[Any]:
    return [config.model.model_dump(mode="json"), config.data.resolution, config.train.model_dump(mode="json")]


def _arithmetic(config: Config, compute: Compute) -> list[Any]:
    return [compute.device.type, compute.precision, config.runtime.threads]


def _sets(sets: dict[str, str]) -> list[str]:
    return [sets[name] for name in ("forget", "retain", "test", "unseen")]
