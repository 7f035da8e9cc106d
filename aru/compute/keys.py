"""Keys of content: the same inputs, parameters, code and kind of machine give the same key, anywhere."""

import hashlib
import json
from typing import Any

from aru.compute.device import Compute
from aru.core.config import RuntimeConfig
from aru.core.source_code import code_digest


def digest(content: Any) -> str:
    """32 hex digits of a JSON structure."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


def key_of(purpose: str, *parts: Any, module: str) -> str:
    """The key of what `module` makes of these parts: parameters, seeds, digests of inputs, as JSON structures.

    Results of comparisons lie under such a key, and an interrupted training goes on only under the key it began with.
    """
    return digest([purpose, *parts, code_digest(module)])


def arithmetic(runtime: RuntimeConfig, compute: Compute) -> list[Any]:
    """What of the machine decides about the bytes of a result."""
    own = [compute.device.type, compute.precision, runtime.threads, runtime.kernels]
    return [*own, "compiled"] if compute.compile else own
