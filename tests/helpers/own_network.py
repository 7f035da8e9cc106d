"""A network of own code for projects in which any network will do: its steps take a twentieth of ShuffleNet's time."""

from pathlib import Path
from typing import Any

from aru.nets.own_code import own_code_digest

OWN_NETWORK = "network_of_tests:make"
_SOURCE = '''"""Two convolutions with BatchNorm and a classifier."""

from torch import nn


def make(outputs):
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, outputs),
    )
'''


def own_network(root: Path) -> dict[str, Any]:
    """Write its module beside the project's params.yaml; returns the section `model` that names it."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "network_of_tests.py").write_text(_SOURCE)
    return {"name": OWN_NETWORK, "code": own_code_digest(OWN_NETWORK, root)}
