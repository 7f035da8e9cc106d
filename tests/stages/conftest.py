"""What tests of stages share: a network that has passed once with some parameters is not tried again with them."""

import pytest

from aru.compute.device import Compute
from aru.core.config import Config
from aru.data.classes import Classes
from aru.stages import dry_pass
from aru.stages.dry_pass import check_network

_passed: set[str] = set()


@pytest.fixture(autouse=True)
def networks_pass_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One dry pass for the same parameters: it takes as long as a stage on a small archive."""

    def check(config: Config, compute: Compute, classes: Classes) -> None:
        what = repr((config, compute, classes))
        if what not in _passed:
            check_network(config, compute, classes)
            _passed.add(what)

    monkeypatch.setattr(dry_pass, "check_network", check)
