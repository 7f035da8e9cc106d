"""ARU's presets are valid, and `paper` is the default."""

import pytest

from aru.core.config import Config, parse_config
from aru.methods.aru.presets import PRESETS, AruConfig


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_valid_overrides(preset):
    values = Config(data={}).model_dump()
    for section, overrides in PRESETS[preset].items():
        values[section] |= overrides
    parse_config(values, where=preset)


def test_the_paper_preset_is_the_default():
    default = Config(data={}).model_dump()
    for section, overrides in PRESETS["paper"].items():
        assert {name: default[section][name] for name in overrides} == overrides


def test_the_parameters_of_aru_are_the_sections_of_a_benchmark():
    config = Config.model_validate({"data": {}, "mask": {"ratio": 0.25}, "finetune": {"epochs": 2}})
    ours = AruConfig.of(config)
    assert ours.model_dump() == {name: config.model_dump()[name] for name in AruConfig.model_fields}
    assert AruConfig() == AruConfig.of(Config.model_validate({"data": {}}))
