"""Keys: what a result depends on."""

import io
from pathlib import Path

import pytest
import yaml
from PIL import Image

from aru.comparison.draws import Draw, load_draw
from aru.comparison.keys import original_key
from aru.compute.device import make_compute
from aru.core.config import Config, load_config
from aru.data.classes import FIXED, write_classes
from aru.data.manifest import read_manifest, write_manifest
from aru.data.own_photos import convert
from aru.data.sources.found import Columns
from aru.stages.runner import run as run_stage
from tests.helpers.own_photos import folder, photos
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


def test_photos_that_are_turned_and_the_same_files_that_are_not_share_no_key(tmp_path):
    """Two imports of photos that were taken upright and are stored on their side."""
    exif, found = Image.Exif(), {}
    exif[0x112] = 6
    for name, content in photos().items():
        buffer = io.BytesIO()
        Image.open(io.BytesIO(content)).save(buffer, "JPEG", exif=exif)
        found[name] = buffer.getvalue()
    source, keys, digests = folder(tmp_path / "photos", found), [], []
    for ignore in (False, True):
        root = tmp_path / str(ignore)
        columns = Columns(pattern="{person}/{label}_{n}.jpg", ignore_exif=ignore)
        convert("folder", source, root / "data" / "own.zip", columns)
        own = {"data": {"layout": "table", "task": "label", "resolution": 32, "forget": {"draw": 1}}}
        (root / "params.yaml").write_text(yaml.safe_dump({"benchmarks": {"own": "data/own.zip"}, "own": own}))
        run_stage("prepare", "own", root=root)
        config, prepared = load_config(root / "params.yaml", "own"), root / "work" / "own" / "prepared"
        _, _, sets = load_draw(prepared, Draw("official"), config)
        keys.append({original_key(config, 0, sets, make_compute(config.runtime)), *sets.values()})
        digests.append(read_manifest(prepared / "manifest.csv")["digest"].tolist())
    assert digests[0] == digests[1] and not keys[0] & keys[1]


def test_a_class_that_only_test_has_is_an_output_more_and_another_original(tuning_project):
    config, prepared = config_of(tuning_project), tuning_project / "work" / "toy" / "prepared"
    compute = make_compute(config.runtime)

    def key() -> tuple[str, int]:
        sets, _, digests = load_draw(prepared, Draw("official"), config)
        return original_key(config, 0, digests, compute), sets.train.outputs

    before, manifest = key(), read_manifest(prepared / "manifest.csv")
    last = manifest.index[manifest["role"] == "test"][-1]
    write_manifest(prepared / "manifest.csv", manifest.assign(age=manifest["age"].where(manifest.index != last, 8)))
    write_classes(prepared, {**FIXED, "age": (*FIXED["age"], "81-99")})
    after = key()
    assert (before[1], after[1]) == (8, 9) and before[0] != after[0]
