"""Spaces of parameters: every method has one, within its limits."""

import itertools
from typing import Any

import pytest

from aru.comparison.choices import REFERENCES, changed_choice, nested, parse_choice
from aru.comparison.spaces import SPACES, Choices, Float, Int, published, space_of, tunable
from aru.core.config import load_config
from aru.core.errors import InputError
from aru.methods.registry import METHODS, find
from tests.helpers.tuned import CHECKOUT

pytest_plugins = ["tests.helpers.tuning_fixtures"]


FACES = load_config(CHECKOUT / "params.yaml", "faces")


def test_every_method_but_the_references_has_a_space() -> None:
    assert set(SPACES) == set(METHODS) - set(REFERENCES)
    assert all(SPACES.values())


@pytest.mark.parametrize("method", SPACES)
def test_every_corner_of_every_space_is_within_the_methods_limits(method: str) -> None:
    space, sections = SPACES[method], {}
    for name in space:
        sections.setdefault(name.rpartition(".")[0], []).append(name)
    middle = {name: range_.corners[0] for name, range_ in space.items()}
    seen = 0
    for names in sections.values():  # sections check themselves, each on its own
        for corner in itertools.product(*(space[name].corners for name in names)):
            values = middle | dict(zip(names, corner, strict=True))
            parameters = find(method).configure(**nested(values)).model_dump(mode="json")
            assert all(value_at(parameters, name) == value for name, value in values.items())
            seen += 1
    assert seen >= 4


@pytest.mark.parametrize("method", SPACES)
def test_every_published_setting_is_tried(method: str) -> None:
    tried = [changed_choice(method, FACES, change, "").parameters for change in published(method, FACES)]
    assert tried[0] == parse_choice(method, FACES).parameters
    presets = [name for name in find(method).presets if name not in ("best", "recommended")]  # this project's own
    assert all(parse_choice(f"{method}:{name}", FACES).parameters in tried for name in presets)
    assert len(tried) <= len(presets) + 1 and all(one not in tried[:number] for number, one in enumerate(tried))


def value_at(values: Any, name: str) -> Any:
    for part in name.split("."):
        values = values[part]
    return values


@pytest.mark.parametrize(
    "range_, inside, outside",
    [
        (Float(0.1, 1.0), [0.1, 0.5, 1], [0.09, 1.1, True, "0.5", None]),
        (Int(1, 3), [1, 3], [0, 4, 1.5, 2.0, False]),
        (Choices(("train", "eval")), ["train"], ["both", None]),
    ],
)
def test_a_range_knows_its_values(range_: Any, inside: list, outside: list) -> None:
    assert all(range_.holds(value) for value in inside)
    assert not any(range_.holds(value) for value in outside)


def test_what_can_be_tuned_is_said() -> None:
    assert tunable("all", FACES) == (list(SPACES), [])
    assert tunable("ssd, aru,ssd", FACES) == (["ssd", "aru"], [])
    for text, said in (("retrain", "nothing to tune"), ("scrubs", "did you mean 'scrub'"), (" ,", "no method")):
        with pytest.raises(InputError, match=said):
            tunable(text, FACES)
    multilabel = FACES.model_copy(update={"data": FACES.data.model_copy(update={"task": "multilabel"})})
    chosen, left_out = tunable("all", multilabel)
    assert "scrub" not in chosen and any(sentence.startswith("scrub is not defined") for sentence in left_out)
    assert set(space_of("aru", FACES)) - set(space_of("aru", multilabel)) == {"finetune.distillation"}
