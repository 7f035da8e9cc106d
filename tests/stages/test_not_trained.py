"""An original that was imported is put in its place and never trained; without a retrained reference everything else runs."""

import shutil
from pathlib import Path

import pytest
import yaml

from aru.core.config import load_config
from aru.core.errors import InputError
from aru.core.files import file_md5, load_tensors, read_json
from aru.nets.configured import build_configured
from aru.nets.models import save_model
from aru.nets.own_code import use_project_code
from aru.stages.runner import run
from tests.helpers.archives import mufac_archive
from tests.helpers.own_network import OWN_NETWORK, own_network
from tests.stages.test_stages import write_params

STAGES = ("prepare", "train", "attack", "mask", "finetune", "retrain", "evaluate", "audit", "report")
NORMALISED = {"mean": [0.5, 0.4, 0.3], "std": [0.25]}


def imported_params(root: Path, changes: dict) -> None:
    path, known = root / "models" / "small.safetensors", NORMALISED | own_network(root)
    if not path.is_file():
        use_project_code(root)
        write_params(root, {"model": known})
        network = build_configured(load_config(root / "params.yaml", "small").model, 8, resolution=32, seed=9)
        save_model(path, network, name=OWN_NETWORK, outputs=8, resolution=32)
    model = known | {"original": "models/small.safetensors", "original_md5": file_md5(path)}
    write_params(root, {"model": model, "evaluate": {"retrained": False}} | changes)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("imported")
    mufac_archive(root / "data" / "small.zip", families=15)
    imported_params(root, {})
    for stage in STAGES:
        run(stage, "small", root=root)
    return root


def test_everything_runs_on_an_imported_original_without_a_reference(whole):
    work = whole / "work" / "small"
    metrics, page = read_json(work / "evaluation" / "metrics.json"), (work / "report" / "report.html").read_text()
    assert set(metrics["models"]) == {"original", "unlearned"} and metrics["gaps"] == {}
    assert not [key for figures in metrics["intervals"].values() for key in figures if key.startswith("gap/")]
    brought, placed = (
        load_tensors(path) for path in (whole / "models/small.safetensors", work / "original/model.safetensors")
    )
    assert all(tensor.equal(placed[0][name]) for name, tensor in brought[0].items())
    assert placed[1] == brought[1] | {"stage": "train"}
    assert load_tensors(work / "unlearned/model.safetensors")[1]["std"] == [0.25]
    md5 = file_md5(whole / "models/small.safetensors")
    assert "No reference" in page and f"The original was imported: models/small.safetensors, MD5 {md5}" in page
    assert read_json(work / "original" / "cost.json")["not_trained"] == "imported"
    made_from = read_json(work / "audit" / "audit.json")["made_from"]
    assert made_from["original model"].startswith("imported, models/small.safetensors: on what it was trained is not known")
    assert "evaluate.retrained is false" in read_json(work / "retrained" / "cost.json")["not_trained"]


def test_a_peer_on_an_imported_original_has_no_training_to_draw(whole, tmp_path, recwarn):
    copy = shutil.copytree(whole, tmp_path / "copy")
    imported_params(copy, {})
    content = yaml.safe_load((copy / "params.yaml").read_text())
    content["small"]["method"] = "finetune"
    (copy / "params.yaml").write_text(yaml.safe_dump(content))
    for stage in ("unlearn", "evaluate", "report"):
        run(stage, "small", root=copy)
    page = (copy / "work/small/report/report.html").read_text()
    assert "ROC of the loss attack" in page and "<h3>Training</h3>" not in page
    assert not [warning for warning in recwarn if "legend" in str(warning.message)]


def test_another_normalisation_than_that_of_the_import_is_refused(whole, tmp_path):
    copy = shutil.copytree(whole, tmp_path / "copy")
    imported_params(copy, {})
    content = yaml.safe_load((copy / "params.yaml").read_text())
    content["small"]["model"]["std"] = [0.5]
    (copy / "params.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(InputError, match=r"whose std is \[0.25\], parameters and data need \[0.5\]"):
        run("train", "small", root=copy)


def test_no_request_and_no_recipe_touches_an_imported_original(whole):
    weights = whole / "work/small/original/model.safetensors"
    before = file_md5(weights)
    for rows, epochs in ((8, 2), (12, 3), (20, 1)):
        imported_params(whole, {"data": {"forget": {"rows": rows}}, "train": {"epochs": epochs}})
        for stage in ("prepare", "train"):
            run(stage, "small", root=whole)
        assert file_md5(weights) == before


@pytest.mark.parametrize(
    "damage, message",
    [
        (lambda path: path.unlink(), "named by model.original, does not exist: `dvc pull"),
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), "has the MD5 .*, model.original_md5 is"),
    ],
)
def test_a_lost_or_truncated_file_is_named(whole, tmp_path, damage, message):
    copy = shutil.copytree(whole, tmp_path / "copy")
    imported_params(copy, {})
    damage(copy / "models" / "small.safetensors")
    with pytest.raises(InputError, match=message):
        run("train", "small", root=copy)


def test_a_network_of_own_code_is_built_and_its_edit_is_noticed(whole, tmp_path):
    from aru.nets.own_code import own_code_digest

    copy = shutil.copytree(whole, tmp_path / "copy")
    (copy / "own_sizes_of_test.py").write_text("WIDTH = 4\n")
    (copy / "own_net_of_test.py").write_text(
        "from torch import nn\nfrom own_sizes_of_test import WIDTH\n\n\ndef make(outputs):\n"
        "    layers = nn.Conv2d(3, WIDTH, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(WIDTH, outputs)\n"
        "    return nn.Sequential(*layers)\n"
    )
    digest = own_code_digest("own_net_of_test:make", copy)
    write_params(copy, {"model": {"name": "own_net_of_test:make", "code": digest}})
    run("train", "small", root=copy)
    assert load_tensors(copy / "work/small/original/model.safetensors")[1]["name"] == "own_net_of_test:make"
    (copy / "own_sizes_of_test.py").write_text("# a comment\nWIDTH = 4\n")
    assert own_code_digest("own_net_of_test:make", copy) == digest
    (copy / "own_sizes_of_test.py").write_text("WIDTH = 5\n")
    with pytest.raises(InputError, match=f"model.code is {digest}"):
        run("train", "small", root=copy)
    assert yaml.safe_load((copy / "params.yaml").read_text())["small"]["model"]["code"] == digest
