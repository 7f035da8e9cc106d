"""A network is exported once for all that register it: tracing one takes longer than the rest of a registration."""

import hashlib
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest
import torch

_exported: dict[str, torch.export.ExportedProgram] = {}


@pytest.fixture(scope="session", autouse=True)
def exported_once() -> Iterator[None]:
    """Networks of the same class and weights, traced with the same inputs, share one program, which is only written."""
    export = torch.export.export

    def remembered(model: torch.nn.Module, inputs: tuple[torch.Tensor, ...], **options: Any) -> torch.export.ExportedProgram:
        digest = hashlib.md5(repr((model, model.training, [one.shape for one in inputs], options)).encode())
        for name, tensor in model.state_dict().items():
            digest.update(name.encode() + tensor.numpy().tobytes())
        key = digest.hexdigest()
        if key not in _exported:
            _exported[key] = export(model, inputs, **options)
        return _exported[key]

    with patch("torch.export.export", remembered):
        yield
