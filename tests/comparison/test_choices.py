"""Choices: names of methods with presets and changed parameters."""

from pathlib import Path

import pytest

from aru.comparison.ablation import ABLATION
from aru.comparison.choices import Tuned, parse_choice, parse_choices
from aru.core.config import Config
from aru.core.errors import InputError
from aru.methods.aru.presets import PRESETS
from aru.methods.registry import CONTROLS, METHODS, find
from tests.helpers.tuned import config_of

pytest_plugins = ["tests.helpers.tuning_fixtures"]


@pytest.fixture
def config(tuning_once: Path) -> Config:
    return config_of(tuning_once)


def test_all_is_every_method_with_both_references_first(config):
    names = [choice.method for choice in parse_choices("all", config)]
    assert names[:2] == ["nothing", "retrain"] and set(names) == set(METHODS) and len(names) == len(set(names))
    assert {choice.method for choice in parse_choices("controls", config)} == {*CONTROLS, "nothing", "retrain"}


def test_retraining_takes_the_benchmarks_recipe_and_aru_its_sections(config):
    assert parse_choice("retrain", config).parameters.model_dump() == config.train.model_dump()
    ours = parse_choice("aru", config).parameters
    assert (ours.attack, ours.mask, ours.reset, ours.finetune) == (config.attack, config.mask, config.reset, config.finetune)


def test_presets_and_changes_are_laid_over_the_section(config):
    choice = parse_choice("aru:vitmul{mask.ratio=0.3,finetune.epochs=2}", config)
    assert choice.variant == "vitmul:mask.ratio=0.3,finetune.epochs=2"
    assert (choice.parameters.mask.unit, choice.parameters.mask.ratio) == (PRESETS["vitmul"]["mask"]["unit"], 0.3)
    assert choice.parameters.finetune.epochs == 2 and choice.parameters.finetune.lr == 1e-3
    assert parse_choice("scrub:deepunlearn", config).parameters == find("scrub").configure("deepunlearn")


def test_every_entry_of_the_ablation_is_valid_and_different(config):
    variants = [choice.variant for choice in parse_choices("ablation", config)[2:]]
    assert len(variants) == len(set(variants)) == len(ABLATION)


@pytest.mark.parametrize(
    "text, message",
    [
        ("scrup", "did you mean 'scrub'"),
        ("scrub:papr", "no preset 'papr'"),
        ("aru:none", "no preset 'none'"),
        ("aru{mask.rato=0.3}", "unknown parameter"),
        ("aru{mask.ratio=3}", "less than or equal to 1"),
        ("aru{mask.ratio}", "has no '='"),
        ("aru{mask.ratio=0.3", "closing brace"),
        ("", "no method is named"),
    ],
)
def test_choices_that_cannot_be_are_named(config, text, message):
    with pytest.raises(InputError, match=message):
        parse_choices(text, config)


def test_tuned_parameters_are_taken_by_plain_names_and_missing_ones_named(config):
    choices = parse_choices("ssd", config, Tuned("tuned", {"ssd": {"alpha": 3.0}}))
    assert [(choice.method, choice.variant) for choice in choices][2:] == [("ssd", "tuned")]
    assert choices[2].parameters.alpha == 3.0
    with pytest.raises(InputError, match="no tuned parameters of 'scrub'"):
        parse_choices("scrub", config, Tuned("tuned", {"ssd": {"alpha": 3.0}}))


@pytest.mark.parametrize("preset", ["vitmul", "best", "recommended"])
def test_a_preset_with_a_fine_tune_of_its_own_is_the_same_whichever_was_set_before(config, preset):
    for other in ("vitmul", "best", "recommended"):
        before = config.model_copy(update={"finetune": config.finetune.model_copy(update=PRESETS[other]["finetune"])})
        assert parse_choice(f"aru:{preset}", before).parameters == parse_choice(f"aru:{preset}", config).parameters
