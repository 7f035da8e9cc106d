"""Models: built by name and seed, byte-stable files, and nothing loaded that is not safetensors."""

import hashlib
import pickle
import sys

import pytest
import torch

from aru.core.config import Config, DataConfig, ModelConfig
from aru.core.errors import InputError
from aru.core.files import load_tensors, save_tensors
from aru.nets.fresh import fresh, registered_name
from aru.nets.models import build, classifier, load_model, names, save_model
from aru.nets.units import unit_weights
from aru.stages.dry_pass import check_network
from tests.helpers.toys import CPU, same_weights


def test_the_seed_decides_and_global_state_is_left_alone():
    before = torch.get_rng_state()
    one, same, other = build("resnet18", 8, seed=1), build("resnet18", 8, seed=1), build("resnet18", 8, seed=2)
    assert same_weights(one, same) and not same_weights(one, other)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("name, resolution", [("resnet18", 32), ("vit_tiny", 16), ("mobilenet_v3_small", 32)])
def test_a_saved_model_comes_back_bit_for_bit(tmp_path, name, resolution):
    path, model = tmp_path / "model.safetensors", build(name, 5, resolution=resolution)
    save_model(path, model, name=name, outputs=5, resolution=resolution)
    again = load_model(path)
    assert same_weights(model, again) and not again.training
    first = hashlib.sha256(path.read_bytes()).hexdigest()
    save_model(path, again, name=name, outputs=5, resolution=resolution)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == first


def test_units_and_classifier_are_named():
    assert classifier(build("resnet18", 8)) == "fc" and classifier(build("vit_tiny", 8, resolution=16)) == "heads.head"
    assert len(unit_weights(build("resnet18", 8))) == 20
    vit = unit_weights(build("vit_tiny", 8, resolution=16))
    assert len(vit) == 1 + 12 * 4  # patches; per block: attention in and out, two Linear layers


def test_a_fresh_transformer_answers_the_patches_not_their_mean():
    patches = build("vit_tiny", 8, resolution=16).conv_proj
    grey, rough = torch.full((1, 3, 16, 16), 0.5), torch.rand(64, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    assert patches(grey).abs().max() < 1e-5
    assert 0.5 < patches(rough).std() < 2  # uniform pixels in [-2, 2] have a standard deviation of 1.15


def test_names_and_sizes_that_cannot_be_built_are_refused():
    assert "resnet50" in names() and "vit_b_16" in names()
    with pytest.raises(InputError, match="unknown model 'resnet19'"):
        build("resnet19", 8)
    with pytest.raises(InputError, match="100 px"):
        build("vit_tiny", 8, resolution=100)


def test_a_pickle_is_refused_without_being_loaded(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    path = tmp_path / "model.safetensors"
    path.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(InputError, match="not a safetensors file"):
        load_model(path)
    assert not (tmp_path / "sprung").exists()


def test_wrong_names_shapes_and_missing_files_are_told(tmp_path):
    path = tmp_path / "model.safetensors"
    with pytest.raises(InputError, match="does not exist"):
        load_model(path)
    state = dict(build("resnet18", 8).state_dict())
    meta = {"name": "resnet18", "outputs": 8, "resolution": 32}
    save_tensors(path, state | {"fc.weight": torch.zeros(9, 512)}, meta)
    with pytest.raises(InputError, match=r"fc.weight has shape \(9, 512\), the model needs \(8, 512\)"):
        load_model(path)
    save_tensors(path, {name: tensor for name, tensor in state.items() if name != "fc.bias"}, meta)
    with pytest.raises(InputError, match="lacks tensor 'fc.bias'"):
        load_model(path)
    save_tensors(path, state, {})
    with pytest.raises(InputError, match="which model it holds"):
        load_model(path)


def test_safetensors_keep_their_meta(tmp_path):
    save_tensors(tmp_path / "t.safetensors", {"a": torch.arange(3)}, {"unit": "filter", "b": [1]})
    tensors, meta = load_tensors(tmp_path / "t.safetensors")
    assert meta == {"unit": "filter", "b": [1]} and tensors["a"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "meta, message",
    [
        ({"outputs": 10**12}, "1000000000000 outputs, and none of its tensors"),
        ({"outputs": -5}, "-5 outputs"),
        ({"outputs": "8"}, "'8' outputs"),
        ({"outputs": True}, "True outputs"),
        ({"name": ["resnet18"]}, r"holds a \['resnet18'\]"),
        ({"resolution": 10**12}, "1000000000000 px wide"),
        ({"resolution": "32"}, "'32' px wide"),
        ({"name": "resnet19"}, "unknown model 'resnet19'"),
    ],
)
def test_a_crafted_description_is_refused_before_memory_is_asked_for(tmp_path, meta, message):
    path, model = tmp_path / "model.safetensors", build("shufflenet_v2_x0_5", 8)
    save_tensors(path, dict(model.state_dict()), {"name": "shufflenet_v2_x0_5", "outputs": 8, "resolution": 32} | meta)
    with pytest.raises(InputError, match=message):
        load_model(path)


def test_metadata_that_is_no_mapping_is_refused(tmp_path):
    save_tensors(tmp_path / "t.safetensors", {"a": torch.zeros(1)}, ["name", "outputs", "resolution"])
    with pytest.raises(InputError, match="is no mapping"):
        load_tensors(tmp_path / "t.safetensors")


def test_a_network_whose_modules_have_versions_loads_its_own_weights(tmp_path):
    path, model = tmp_path / "model.safetensors", build("mnasnet0_5", 8)
    save_model(path, model, name="mnasnet0_5", outputs=8)
    assert same_weights(load_model(path), model)


@pytest.mark.parametrize(
    "name, resolution, message",
    [
        ("shufflenet_v2_x0_5", 32, None),
        ("mnasnet0_5", 32, None),
        (
            "alexnet",
            32,
            r"alexnet cannot be used at 32 px: stage train fails .*\(module features.12, MaxPool2d: .+\)",
        ),
        ("squeezenet1_1", 32, None),
        ("timm/resnet10t", 32, None),
        ("maxvit_t", 32, "maxvit_t cannot be used at 32 px: stage train fails"),
    ],
)
def test_a_dry_pass_says_which_networks_can_go_through_all_stages(name, resolution, message):
    config = Config(data=DataConfig(resolution=resolution), model=ModelConfig(name=name))
    if message is None:
        check_network(config, CPU)
        return
    with pytest.raises(InputError, match=message):
        check_network(config, CPU)


@pytest.mark.parametrize("name, resolution", [("timm/vit_tiny_patch16_224", 32), ("timm/mobilenetv3_small_050", 64)])
def test_a_network_of_timm_is_built_saved_loaded_and_drawn_anew(tmp_path, name, resolution):
    before, model = torch.get_rng_state(), build(name, 5, resolution=resolution, seed=1)
    assert torch.equal(before, torch.get_rng_state())
    path = tmp_path / "model.safetensors"
    save_model(path, model, name=name, outputs=5, resolution=resolution)
    assert same_weights(load_model(path), model)
    assert registered_name(model) == name
    assert same_weights(fresh(model, seed=1), model) and not same_weights(fresh(model, seed=2), model)
    assert model.eval()(torch.rand(1, 3, resolution, resolution)).shape == (1, 5)


def test_the_classifier_of_timms_mobilenet_is_not_its_last_convolution():
    assert classifier(build("timm/mobilenetv3_small_050", 5)) == "classifier"
    assert classifier(build("timm/dla46_c", 5)) == "fc"


def test_without_timm_its_names_say_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(InputError, match=r"'timm/resnet18' is one of timm.*pip install 'aru\[timm\]'"):
        build("timm/resnet18", 5)


def test_a_name_that_timm_does_not_know_is_answered_with_the_nearest():
    with pytest.raises(InputError, match="no model 'resnet19'; did you mean 'resnet1"):
        build("timm/resnet19", 5)


def test_googlenet_trains_without_its_auxiliary_classifiers():
    model = build("googlenet", 5)
    assert model.training and model(torch.rand(2, 3, 32, 32)).shape == (2, 5)
