"""Keys: what a result depends on."""

from pathlib import Path

import pytest

from aru.comparison.draws import Draw, load_draw
from aru.comparison.keys import original_key
from aru.compute.device import make_compute
from aru.core.config import Config
from tests.helpers.tuned import config_of

pytest_plugins = ["tests.helpers.tuning_fixtures"]


@pytest.fixture
def config(tuning_once: Path) -> Config:
    return config_of(tuning_once)


def test_a_key_stands_for_data_parameters_seed_and_code(tuning_once, config, monkeypatch):
    _, _, sets = load_draw(tuning_once / "work" / "toy" / "prepared", Draw("official"), config)
    compute = make_compute(config.runtime)
    key = original_key(config, 0, sets, compute)
    assert key == original_key(config, 0, dict(sets), compute)
    longer = config.model_copy(update={"train": config.train.model_copy(update={"epochs": 2})})
    others = [
        original_key(config, 1, sets, compute),
        original_key(longer, 0, sets, compute),
        original_key(config, 0, sets | {"train": "other"}, compute),
    ]
    monkeypatch.setattr("aru.compute.keys.code_digest", lambda module: "edited")
    assert len({key, *others, original_key(config, 0, sets, compute)}) == 5


def test_an_imported_original_changes_no_model_that_is_trained_here(tuning_once, config):
    _, _, sets = load_draw(tuning_once / "work" / "toy" / "prepared", Draw("official"), config)
    model = config.model.model_copy(update={"original": "models/toy.safetensors", "original_md5": "0" * 32})
    imported, compute = config.model_copy(update={"model": model}), make_compute(config.runtime)
    assert original_key(imported, 0, sets, compute) == original_key(config, 0, sets, compute)
    normalised = config.model_copy(update={"model": config.model.model_copy(update={"std": (0.5,)})})
    assert original_key(normalised, 0, sets, compute) != original_key(config, 0, sets, compute)
