"""The names of methods that are known without PyTorch, and the choice of one by a benchmark's parameters."""

from importlib import import_module

import pytest
from torch import nn

from aru.core.config import Config, parse_config
from aru.core.errors import InputError
from aru.methods.catalogue import CONTROLS, MODULES, RUNNABLE, check_runnable
from aru.methods.chosen import check_fits, chosen, parameters, settings_of, text_of, title


def config(method: str, settings: dict[str, dict[str, object]] | None = None, **data: object) -> Config:
    return parse_config({"data": data, "method": method, "unlearn": settings or {}}, where="test")


def test_the_names_are_those_of_the_modules() -> None:
    found = {
        method.name: module
        for module in dict.fromkeys(MODULES.values())
        for method in import_module(f"aru.methods.{module}").METHODS
    }
    assert found == MODULES
    assert set(RUNNABLE) == {*MODULES} - {*CONTROLS} and "nothing" in CONTROLS


@pytest.mark.parametrize(("name", "why"), [("nothing", "a control"), ("arru", "did you mean 'aru'")])
def test_what_cannot_be_run_is_refused_with_the_reason(name: str, why: str) -> None:
    with pytest.raises(InputError, match=why):
        check_runnable(name)


def test_a_peers_parameters_are_its_presets_with_what_is_set() -> None:
    made = config("scrub", {"scrub": {"preset": "deepunlearn", "epochs": 3}, "ssd": {"alpha": 5}})
    method, values = chosen(made)
    assert method.name == "scrub" and values == method.configure("deepunlearn", epochs=3)
    shown = settings_of(made)
    assert shown["unlearn"]["epochs"] == 3 and not {"attack", "mask", "reset", "finetune"} & set(shown)
    assert "epochs 3" in text_of(parameters(made)) and title("scrub") == "scrub"


def test_arus_parameters_are_its_sections() -> None:
    made = config("aru", {"ssd": {"alpha": 5}})
    assert text_of(parameters(made)).startswith("attack.noise adversarial") and title("aru") == "ARU"
    assert settings_of(made)["attack"]["steps"] == 10 and "unlearn" not in settings_of(made)


def test_a_method_that_is_not_for_the_task_or_the_network_is_refused() -> None:
    linear = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    with pytest.raises(InputError, match="scrub is not defined for the multi-label task"):
        check_fits(config("scrub", layout="mucac", task="multilabel"), linear)
    with pytest.raises(InputError, match="convolution"):
        check_fits(config("kde"), linear)
    check_fits(config("ssd"), linear)
