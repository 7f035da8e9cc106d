"""`model.init`: trainings that start from pretrained weights, and what is said of a file that cannot be used."""

from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import save_file

from aru.core.config import load_config
from aru.core.errors import InputError
from aru.core.files import file_md5, load_tensors, read_json
from aru.nets.models import build
from aru.shadows.pool import train_shadow
from aru.stages.runner import run
from aru.train.from_scratch import fit_from_scratch
from aru.train.pretrained import read_init
from tests.helpers.archives import mufac_archive
from tests.helpers.shadow_pools import plan, store_of
from tests.helpers.toys import CPU, image_set
from tests.stages.test_stages import write_params

NAME = "shufflenet_v2_x0_5"
NO_TRAINING = {"epochs": 0, "batch_size": 16}


def start_from(root: Path, path: Path, **train) -> None:
    write_params(
        root,
        {
            "model": {"init": path.relative_to(root).as_posix(), "init_md5": file_md5(path)},
            "train": NO_TRAINING | train,
        },
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("pretrained")
    mufac_archive(root / "data" / "small.zip", families=15)
    write_params(root, {})
    run("prepare", "small", root=root)
    weights = build(NAME, 1000, resolution=32, seed=5).state_dict()
    torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in weights.items()}}, root / "other_classes.pt")
    save_file(build(NAME, 8, resolution=32, seed=6).state_dict(), root / "same_classes.safetensors")
    return root


def made(root: Path, which: str) -> dict[str, torch.Tensor]:
    return load_tensors(root / "work" / "small" / which / "model.safetensors")[0]


def test_the_original_and_the_retrained_reference_start_from_the_file(project):
    start_from(project, project / "other_classes.pt")
    for stage in ("train", "retrain"):
        run(stage, "small", root=project)
    pretrained, original, retrained = (
        build(NAME, 1000, resolution=32, seed=5),
        made(project, "original"),
        made(project, "retrained"),
    )
    for name, tensor in pretrained.state_dict().items():
        if name.startswith("fc."):
            assert len(original[name]) == 8, "a classifier of other classes starts afresh"
        else:
            assert torch.equal(original[name], tensor) and torch.equal(retrained[name], tensor), name
    assert not torch.equal(original["fc.weight"], retrained["fc.weight"]), "each by its own draw"
    history = read_json(project / "work" / "small" / "original" / "history.json")
    assert history["init"] == {"file": "other_classes.pt", "md5": file_md5(project / "other_classes.pt")}


def test_a_classifier_of_the_same_classes_is_taken_along(project):
    start_from(project, project / "same_classes.safetensors")
    config = load_config(project / "params.yaml", "small")
    found = read_init(config, project, 8)
    assert found.keys() == build(NAME, 8, resolution=32).state_dict().keys()
    model, _ = fit_from_scratch(image_set(4, side=32), config, "train", seed=0, compute=CPU, start=found)
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in found.items())
    with pytest.raises(InputError, match="model.init is for the stages train and retrain and for shadow models"):
        fit_from_scratch(image_set(4, side=32), config, "train", seed=0, compute=CPU)


def test_shadow_models_start_from_the_file_and_are_others_without_it(project):
    start_from(project, project / "same_classes.safetensors")
    config, work = load_config(project / "params.yaml", "small"), project / "work" / "small"
    (shadow, _) = plan(project, 2)
    train_shadow(shadow, config, work)
    trained, pretrained = store_of(project).model(shadow.key), load_tensors(project / "same_classes.safetensors")[0]
    assert all(torch.equal(trained.state_dict()[name], tensor) for name, tensor in pretrained.items())
    write_params(project, {"train": NO_TRAINING})
    assert shadow.key not in {other.key for other in plan(project, 2)}, "a shadow of other first weights is another one"


def test_what_is_wrong_with_the_file_is_said_before_work(project):
    pickled = project / "code.pt"
    torch.save(build(NAME, 8, resolution=32), pickled)
    start_from(project, pickled)
    with pytest.raises(InputError, match="holds more than tensors"):
        run("train", "small", root=project)
    save_file(build("squeezenet1_1", 8, resolution=32).state_dict(), project / "another.safetensors")
    start_from(project, project / "another.safetensors")
    with pytest.raises(InputError, match="belongs to another model"):
        run("prepare", "small", root=project)
    start_from(project, project / "same_classes.safetensors")
    content = yaml.safe_load((project / "params.yaml").read_text())
    for changes, message in (
        ({"init_md5": "0" * 32}, r"has the MD5 [0-9a-f]{32}, model.init_md5 is 0{32}"),
        ({"init": "nowhere.pt"}, "nowhere.pt does not exist"),
        ({"init_md5": None}, "init and init_md5 belong together"),
        ({"init": "../away.pt"}, "model.init"),
    ):
        changed = {**content, "small": {**content["small"], "model": content["small"]["model"] | changes}}
        (project / "params.yaml").write_text(yaml.safe_dump(changed))
        with pytest.raises(InputError, match=message):
            run("retrain", "small", root=project)
