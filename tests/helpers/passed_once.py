"""A network that has passed once with what its dry pass depends on is not tried again: that takes as long as a small stage."""

import pytest

from aru.compute.device import Compute
from aru.core.config import Config
from aru.data.classes import FIXED, Classes, outputs_of
from aru.stages import dry_pass
from aru.stages.dry_pass import check_network

_passed: set[str] = set()


@pytest.fixture(autouse=True)
def networks_pass_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One dry pass for the same network, classes and settings of its steps; a network that fails is tried each time."""

    def check(config: Config, compute: Compute, classes: Classes = FIXED) -> None:
        data, outputs = config.data, outputs_of(classes, config.data.task)
        steps = config.model, config.method, config.unlearn, config.mask, config.reset, config.finetune.distillation
        what = repr((data.resolution, data.multilabel, outputs, steps, compute))
        if what not in _passed:
            check_network(config, compute, classes)
            _passed.add(what)

    monkeypatch.setattr(dry_pass, "check_network", check)
