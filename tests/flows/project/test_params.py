"""What params.yaml becomes when parameters are set."""

import itertools
import shutil
from pathlib import Path

import pytest

from aru.core.config import Config
from aru.methods.aru.presets import PRESETS, AruConfig
from flows.project.params import preset_settings, propose
from flows.project.shipped import shipped, shipped_section

OWN = {"data": {"layout": "table", "task": "label"}}
"""A benchmark with nothing but what an import writes."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The repository's params.yaml with an own benchmark in it."""
    shutil.copy(shipped("dvc.yaml"), tmp_path)
    shutil.copy(shipped("params.yaml"), tmp_path)
    propose(tmp_path / "params.yaml", "own", (), new=OWN).write()
    return tmp_path / "params.yaml"


def after(path: Path, benchmark: str, *presets: str) -> Config:
    """The parameters after these presets, one after another; the file is as before."""
    before, config = path.read_text(), None
    for preset in presets:
        edit = propose(path, benchmark, preset_settings(preset, benchmark))
        edit.write()
        config = edit.config
    path.write_text(before)
    assert config is not None
    return config


@pytest.mark.parametrize("benchmark", ["faces", "mufac", "own"])
def test_a_preset_does_not_depend_on_the_one_before(path: Path, benchmark: str) -> None:
    for one, other in itertools.product(PRESETS, repeat=2):
        assert after(path, benchmark, one, other) == after(path, benchmark, other), (one, other)


@pytest.mark.parametrize("benchmark", ["faces", "mufac", "own"])
def test_a_preset_changes_of_a_shipped_section_what_it_is_about_and_nothing_else(path: Path, benchmark: str) -> None:
    own = AruConfig.model_validate(
        {name: values for name, values in (shipped_section(benchmark) or {}).items() if name in AruConfig.model_fields}
    )
    differing = {
        "paper": {},
        "vitmul": {"optimiser": "adamw", "lr": 1e-3, "weight_decay": 0.02, "epochs": 10},
        "best": {"lr": 0.02, "weight_decay": 5e-4, "epochs": 3, "distillation": 0.5},
        "recommended": {"optimiser": "adamw", "lr": 1e-3, "weight_decay": 0.02, "epochs": 3, "distillation": 0.5},
    }
    assert differing.keys() == PRESETS.keys()
    for preset, values in differing.items():
        found = AruConfig.of(after(path, benchmark, preset))
        assert found.finetune == own.finetune.model_copy(update=values), preset
        for part in ("attack", "mask", "reset"):
            assert getattr(found, part) == getattr(own, part).model_copy(update=PRESETS[preset][part]), preset


def test_presets_with_a_fine_tune_of_their_own_name_the_same_parameters() -> None:
    assert len({tuple(sorted(values["finetune"])) for values in PRESETS.values() if "finetune" in values}) == 1
