"""`aru.unlearn`: any method on networks and data of a caller's own, which are left as they are."""

import json
import random
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset, Subset, SubsetRandomSampler
from torchvision import transforms
from torchvision.transforms import v2

import aru
from aru.compute.device import Compute
from aru.compute.kernels import winograd
from aru.core.errors import InputError
from aru.data import datasets
from aru.data.datasets import own_sets
from aru.methods.aru.pipeline import unlearn as attack_and_reset
from aru.methods.registry import METHODS, find
from aru.nets.adapted import adapt, unwrapped
from aru.nets.models import state_tensors
from tests.helpers.methods_quick import QUICK
from tests.helpers.toys import same_weights, small_net
from tests.library.own import NETWORKS, ExtraState, GroupNet, Scale, SequenceNet, VectorNet, VolumeNet, photos
from tests.methods.test_conformance import unchanged
from tests.nets.test_units import COMPUTED

FORGET, RETAIN = photos(6, 1), photos(12, 2)
FAST = {"attack__steps": 1, "finetune__epochs": 1, "finetune__batch_size": 8}


def quick_settings(name: str) -> dict:
    """Settings with which a method takes a moment."""
    fields = METHODS[name].config.model_fields if name in METHODS else {}
    if "finetune" in fields:
        return FAST
    return {key: value for key, value in QUICK.items() if key in fields} | ({"alpha": 1.2} if name == "ssd" else {})


def own(model: nn.Module | None = None, **options):
    given = {"forget": FORGET, "retain": RETAIN, "precision": "fp32"} | options
    settings = quick_settings(given.get("method", "aru")) | given
    return aru.unlearn(small_net() if model is None else model, **settings)


def layout(model: nn.Module) -> dict:
    return {
        name: (tensor.dtype, tensor.device, tensor.shape, tensor.stride(), tensor.requires_grad)
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]
    }


@pytest.mark.parametrize("name", METHODS)
def test_every_method_leaves_the_network_alone_and_gives_one_of_its_kind(name):
    model = small_net().to(memory_format=torch.channels_last)
    model.conv1.requires_grad_(False)
    threads, states = torch.get_num_threads(), torch.get_rng_state()
    with unchanged(model):
        result = own(model, method=name)
    assert type(result.model) is type(model) and layout(result.model) == layout(model)
    assert not any(module.training for module in result.model.modules())
    assert all(torch.isfinite(tensor).all() for tensor in result.model.state_dict().values())
    assert same_weights(result.model, model) == (name == "nothing")
    assert torch.get_num_threads() == threads and torch.equal(torch.get_rng_state(), states)
    assert (result.method, result.seed) == (name, 0) and result.cost.total > 0


FEWER = {"GroupNorm, no Linear layer": {"cf-k", "eu-k"}, "no convolution": {"cf-k", "eu-k"}}
"""Networks of two blocks, and the methods that count three from the end."""
REFUSED = {("no convolution", name) for name in ("ct", "msg", "kde")}


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("kind", NETWORKS)
def test_every_method_on_networks_of_any_kind(kind, name):
    model = NETWORKS[kind]()
    plain, few = unwrapped(model), {"forget": photos(3, 1), "retain": photos(6, 2)}
    given = few | {"method": name, **({"blocks": 2} if name in FEWER.get(kind, ()) else {})}
    with unchanged(plain):
        if (kind, name) in REFUSED:
            with pytest.raises(InputError, match=f"{type(plain).__name__} has no .*convolution"):
                own(model, **given, callbacks=[no_work])
            return
        result = own(model, **given)
    assert type(result.model) is type(plain) and layout(result.model) == layout(plain)
    assert all(torch.isfinite(tensor).all() for tensor in state_tensors(result.model).values())
    assert same_weights(result.model, plain) == (name == "nothing")
    assert set(result.mask or ()) <= {name for name, _ in plain.named_modules()}


def computed_weights(kind: str, seed: int = 0) -> nn.Module:
    """A network all of whose layers compute their weights."""
    model = small_net(seed)
    for name in ("conv1", "conv2", "hidden", "fc"):
        setattr(model, name, COMPUTED[kind](getattr(model, name)))
    return model.eval()


@pytest.mark.parametrize("kind", COMPUTED)
@pytest.mark.parametrize("name", ["retrain", "eu-k", "reset-all", "bad-teacher", "ct", "kde", "aru", "msg"])
@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
def test_weights_that_are_computed_are_not_written_into(kind, name):
    with pytest.raises(InputError, match=r"\(.*\) has a weight that is computed from other parameters"):
        own(computed_weights(kind), method=name, callbacks=[no_work])


@pytest.mark.parametrize("kind", COMPUTED)
@pytest.mark.parametrize(("name", "parts"), [("retrain", "conv1 conv2 hidden fc"), ("eu-k", "hidden fc"), ("kde", "conv1 fc")])
@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
def test_with_fresh_the_parameters_of_computed_weights_are_new(kind, name, parts):
    model, settings = computed_weights(kind), {"retrain": {}, "eu-k": {"blocks": 2}, "kde": {"warmup_epochs": 0}}[name]
    with unchanged(model):
        result = own(model, method=name, fresh=lambda: computed_weights(kind, 1), epochs=0, **settings).model
    new = dict(computed_weights(kind, 1).named_parameters())
    for path, parameter in model.named_parameters():
        if path.split(".")[0] in parts.split():
            parameter = new[path]
            assert not torch.equal(parameter, dict(model.named_parameters())[path]) or parameter.ndim == 1
        elif name == "retrain":
            continue  # BatchNorm's, which are new too
        assert torch.equal(dict(result.named_parameters())[path], parameter), path


def test_more_blocks_than_the_network_has_are_refused_by_its_name():
    with pytest.raises(InputError, match="blocks is 3, but GroupNet has 2"):
        own(GroupNet(), method="cf-k")


@pytest.mark.parametrize("shape", [(3, 12, 20), (1, 16, 16), (16, 8, 8)], ids=["rectangular", "grey", "16 channels"])
def test_images_of_any_shape(shape):
    result = own(GroupNet(shape[0]), forget=photos(6, 1, shape=shape), retain=photos(12, 2, shape=shape))
    assert result.noise.shape == (6, *shape)


ANY_INPUTS = {
    (10,): VectorNet,
    (7, 5): SequenceNet,
    (1, 4, 4, 4): lambda: VolumeNet(1),
    (3, 4, 4, 4): lambda: VolumeNet(3),
}


@pytest.mark.parametrize("shape", ANY_INPUTS, ids=str)
@pytest.mark.parametrize(("name", "preset"), [(name, preset) for name, method in METHODS.items() for preset in method.presets])
def test_every_preset_on_inputs_that_are_no_images_gives_a_network_or_says_why_not(shape, name, preset):
    torch.manual_seed(0)
    model = ANY_INPUTS[shape]()
    given = {"forget": photos(3, 1, shape=shape), "retain": photos(6, 2, shape=shape), "method": name, "preset": preset}
    with unchanged(model):
        try:
            result = own(model, **given, **({"blocks": 2} if "blocks" in METHODS[name].config.model_fields else {}))
        except InputError as error:
            assert name in ("msg", "ct", "kde") and "convolution" in str(error)
            return
    assert all(torch.isfinite(tensor).all() for tensor in result.model.state_dict().values())


@pytest.mark.parametrize("name", ["aru", "unsir", "amun", "gli", "safer", "finetune", "retrain"])
def test_the_default_number_format_of_the_process_changes_nothing(name, float64_default):
    winograd._line.cache_clear()
    model = nn.Sequential(
        nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1), nn.Flatten(), nn.Linear(4096, 8)
    ).float()  # its second convolution runs on kernels of this project
    given = {"forget": photos(4, 1, shape=(3, 8, 8)), "retain": photos(40, 2, shape=(3, 8, 8)), "method": name}
    in_float64 = own(model, **given)
    torch.set_default_dtype(torch.float32)
    assert same_weights(in_float64.model, own(model, **given).model)


def test_loaders_and_arrays_give_the_bytes_that_a_dataset_gives():
    expected = own().model
    loaders = {"forget": DataLoader(FORGET, batch_size=2, shuffle=True), "retain": DataLoader(RETAIN)}
    arrays = {"forget": FORGET.tensors, "retain": tuple(part.numpy() for part in RETAIN.tensors)}
    arrays["retain"] = (np.moveaxis(arrays["retain"][0], 1, -1), arrays["retain"][1])
    for given in (loaders, arrays):
        assert same_weights(own(**given).model, expected)


def test_a_sampler_of_some_photos_gives_the_bytes_of_their_subset():
    part, rest = [4, 0, 2], [1, 3, 5]
    subsets = own(forget=Subset(FORGET, part), retain=Subset(FORGET, rest))
    samplers = own(
        forget=DataLoader(FORGET, batch_size=2, sampler=SubsetRandomSampler(part)),
        retain=DataLoader(FORGET, sampler=SubsetRandomSampler(rest)),
    )
    assert len(samplers.noise) == 3 and torch.equal(samplers.noise, subsets.noise)
    assert same_weights(samplers.model, subsets.model)


def test_aru_is_the_function_that_the_stages_call():
    result = own(seed=3, mask__ratio=0.3)
    config = find("aru").configure(
        attack={"steps": 1}, mask={"ratio": 0.3}, finetune={"epochs": 1, "batch_size": 8, "augment": False}
    )
    compute = Compute(torch.device("cpu"), fast_kernels=True)
    made = attack_and_reset(adapt(small_net()).eval(), own_sets(FORGET, RETAIN, outputs=8), config, seed=3, compute=compute)
    assert same_weights(result.model, made.model.network) and torch.equal(result.noise, made.noise)
    assert result.mask.keys() == {name.removeprefix("network.") for name in made.mask}
    assert result.settings["mask"]["ratio"] == 0.3 and result.history == made.history
    assert set(result.cost.seconds) == {"attack", "mask", "reset", "finetune"}


def test_noise_is_bounded_in_pixels_before_the_networks_normalisation():
    result = own(preprocessing={"mean": [0.5] * 3, "std": [0.25] * 3}, attack__eps=0.03, attack__alpha=0.03)
    assert result.noise.abs().max() == pytest.approx(0.03)


def test_augmentation_is_the_callers_or_none():
    seen = []

    def turned(image):
        seen.append(image.shape)
        return image.flip(-1)

    plain, own_way, mufac = own(), own(augment=turned), own(augment="mufac")
    assert len(seen) == 12 and set(seen) == {(3, 16, 16)}
    assert not plain.settings["finetune"]["augment"] and mufac.settings["finetune"]["augment"]
    assert not same_weights(plain.model, own_way.model) and not same_weights(plain.model, mufac.model)


def test_a_pipeline_of_torchvision_is_an_augmentation_whose_draws_come_from_the_seed():
    pipeline = v2.Compose([v2.RandomHorizontalFlip(), v2.ColorJitter(0.4), v2.RandomCrop(16, padding=2)])
    first, again, other = own(augment=pipeline), own(augment=pipeline), own(augment=pipeline, seed=1)
    assert same_weights(first.model, again.model) and not same_weights(first.model, other.model)
    assert not same_weights(first.model, own().model)


def chosen(image):
    return transforms.RandomChoice([lambda same: same.flip(-1), lambda same: same.flip(-2)])(image)


def flipped_by_python(image):
    return image.flip(-1) if random.random() < 0.5 else image


def flipped_by_numpy(image):
    return image.flip(-1) if np.random.rand() < 0.5 else image


@pytest.mark.parametrize("augment", [chosen, flipped_by_python, flipped_by_numpy])
def test_augmentations_that_draw_from_python_and_numpy_draw_by_the_seed(augment):
    states = random.getstate(), np.random.get_state()
    first, again, other = (own(method="finetune", epochs=2, augment=augment, seed=seed) for seed in (0, 0, 1))
    assert same_weights(first.model, again.model) and not same_weights(first.model, other.model)
    assert random.getstate() == states[0]
    np.testing.assert_equal(np.random.get_state(), states[1])


@pytest.mark.parametrize("augment", [None, "mufac", lambda image: image.flip(-1)])
@pytest.mark.parametrize("in_memory", [True, False])
def test_a_batch_may_have_neighbours_alone(augment, in_memory, monkeypatch):
    if not in_memory:
        monkeypatch.setattr(datasets, "IN_MEMORY", 0)
    given = {"method": "amun", "use_retain": False, "batch_size": 2, "epochs": 3, "augment": augment}
    first, again = (own(forget=photos(4, 1), **given).model for _ in range(2))
    assert same_weights(first, again) and not same_weights(first, small_net())


class Pictures(Dataset):
    """PIL images, as torchvision's datasets give them; with names instead of a pair where `named`."""

    def __init__(self, data: Dataset, mode: str, *, named: bool = False) -> None:
        self.data, self.mode, self.named = data, mode, named

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int):
        image, label = self.data[index]
        picture = Image.fromarray((image.permute(1, 2, 0) * 255).byte().numpy()).convert(self.mode)
        return {"image": picture, "label": int(label)} if self.named else (picture, int(label))


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_pictures_of_pillow_are_read_as_their_bytes(mode):
    given = {"forget": FORGET, "retain": RETAIN}
    bytes_of = {
        name: (np.stack([np.atleast_3d(np.array(picture)) for picture, _ in Pictures(data, mode)]), data.tensors[1])
        for name, data in given.items()
    }
    model = GroupNet(len(mode))
    expected = own(model, **bytes_of)
    assert expected.noise.shape[1] == len(mode)
    for named in (False, True):
        pictures = {name: Pictures(data, mode, named=named) for name, data in given.items()}
        assert same_weights(own(model, **pictures).model, expected.model)


def test_worker_processes_decode_what_does_not_fit_into_memory(monkeypatch):
    expected = own().model
    monkeypatch.setattr(datasets, "IN_MEMORY", 0)
    assert same_weights(own(workers=2).model, expected)
    assert same_weights(own().model, expected)


def test_fresh_weights_come_from_the_caller_where_a_layer_has_none():
    def custom():
        return nn.Sequential(nn.Conv2d(3, 6, 3), Scale(14), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 8))

    new = custom()
    for given in (new, lambda: new):
        result = own(custom(), fresh=given, reset__batchnorm=False, finetune__epochs=0, mask__ratio=1.0)
        assert torch.equal(result.model[0].weight, new[0].weight)
    with pytest.raises(InputError, match=r"fresh= and the model differ at '0.bias'"):
        own(custom(), fresh=nn.Sequential(nn.Conv2d(3, 7, 3)))
    with pytest.raises(InputError, match=r"1 \(Scale\) holds parameters that cannot be drawn anew"):
        own(custom(), method="retrain")


def test_fresh_weights_from_python_and_numpy_are_drawn_by_the_seed():
    def make():
        model = small_net()
        nn.init.constant_(model.conv1.weight, random.random() * np.random.rand())
        return model

    first, again, other = (own(method="retrain", fresh=make, epochs=0, seed=seed).model for seed in (0, 0, 1))
    assert same_weights(first, again) and not same_weights(first, other)


def no_work(done, total, text):
    raise AssertionError("work has started")


@pytest.mark.parametrize(
    "options, message",
    [
        ({"mask__ratoi": 0.3}, "aru has no setting 'mask__ratoi'; did you mean 'mask__ratio'"),
        ({"mask__ratio": 1.3}, "mask.ratio = 1.3"),
        ({"method": "arru"}, "unknown method 'arru'; did you mean 'aru'"),
        ({"device": "gpu"}, "device is 'gpu'"),
        ({"finetune__augment": True}, "needs the augmentation itself"),
        ({"augment": "mufak"}, "augment is 'mufak'"),
        ({"outputs": 9}, "outputs is 9, the network gives 8"),
        (
            dict.fromkeys(("forget", "retain"), photos(4, 1, shape=(4, 16, 16))),
            "SmallNet cannot take inputs",
        ),
        (
            {"retain": (torch.rand(4, 3, 16, 16), torch.tensor([0, 1, 2, 8]))},
            "retain set has the label 8",
        ),
        ({"method": "scrub", "fresh": small_net}, "scrub draws no weights anew: leave fresh= out"),
    ],
)
def test_what_is_wrong_is_said_before_work_starts(options, message):
    with pytest.raises(InputError, match=message):
        own(callbacks=[no_work], **options)


@pytest.mark.parametrize("name", ["aru", "finetune", "amun", "ssd"])
def test_a_caller_without_gradients_gets_the_same_bytes(name):
    expected = own(method=name).model
    for without in (torch.no_grad, torch.inference_mode):
        with without():
            found = own(method=name).model
            assert not torch.is_grad_enabled()
        assert same_weights(found, expected) and not any(tensor.is_inference() for tensor in found.parameters())


class Encoded(Dataset):
    """Photos as a network of the dataset's makes them."""

    def __init__(self, data: Dataset) -> None:
        self.data, self.network = data, nn.Sequential(nn.Conv2d(3, 3, 1), nn.Sigmoid())

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int):
        return self.network(self.data[index][0]), self.data[index][1]


def test_items_that_a_network_makes_bring_no_gradients():
    torch.manual_seed(0)
    data = Encoded(FORGET)
    plain = [(image.detach(), label) for image, label in data]
    for method in ("aru", "finetune"):
        assert same_weights(own(method=method, forget=data).model, own(method=method, forget=plain).model)


MASKING = [name for name, method in METHODS.items() if "mask" in method.config.model_fields and name != "reset-all"]


@pytest.mark.parametrize("name", MASKING)
@pytest.mark.parametrize(
    "options, message",
    [
        ({"retain": photos(1, 2)}, "at least 2"),
        ({"forget": photos(1, 1), "mask__batchnorm": "train"}, "mask.batchnorm is 'train' and one image"),
        (
            {"retain": photos(1, 2), "finetune__epochs": 0, "mask__batchnorm": "train", "mask__normalise": "retain"},
            "mask.batchnorm is 'train' and one image",
        ),
    ],
)
def test_too_few_photos_are_named_before_work_starts(name, options, message):
    with pytest.raises(InputError, match=message):
        own(method=name, callbacks=[no_work], **options)


def test_one_photo_to_retain_is_enough_without_a_fine_tune():
    assert own(retain=photos(1, 2), finetune__epochs=0).noise.shape == (6, 3, 16, 16)


def test_a_network_that_is_a_classifier_alone_has_nothing_to_reset():
    with pytest.raises(InputError, match="Sequential has no layer before its classifier"):
        own(nn.Sequential(nn.Flatten(), nn.Linear(768, 8)), callbacks=[no_work])


class HeadFirst(nn.Module):
    """Registers the layer of its logits before the others."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.conv, self.hidden = nn.Linear(12, 8), nn.Conv2d(3, 6, 3), nn.Linear(6, 12)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.fc(torch.relu(self.hidden(torch.relu(self.conv(images)).mean(dim=(2, 3)))))


@pytest.mark.parametrize("name", ["aru", "random-mask"])
def test_a_last_layer_that_does_not_give_the_logits_is_not_taken_for_the_classifier(name):
    model = HeadFirst()
    with pytest.raises(InputError, match=r"hidden, .* gives 12 values and HeadFirst 8 logits: .*heads="):
        own(model, method=name, callbacks=[no_work])
    result = own(model, method=name, heads=["fc"], mask__ratio=1.0, finetune__epochs=0).model
    assert same_weights(result.fc, model.fc) and not torch.equal(result.hidden.weight, model.hidden.weight)


def test_device_precision_and_seed_are_the_callers():
    rough = own(device=torch.device("cpu"), precision="bf16")
    assert (rough.cost.device, rough.cost.precision) == ("cpu", "bf16")
    assert all(tensor.dtype != torch.bfloat16 for tensor in rough.model.state_dict().values())
    exact, again, other = own(device="cpu"), own(), own(seed=1)
    assert exact.cost.precision == "fp32" and same_weights(exact.model, again.model)
    assert not same_weights(exact.model, rough.model) and not same_weights(exact.model, other.model)
    with pytest.raises(InputError, match="precision is 'fp8'"):
        own(precision="fp8", callbacks=[no_work])


def test_a_notebook_shows_a_bar_by_itself(capsys, monkeypatch):
    shell = type("ZMQInteractiveShell", (), {})()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    own(progress=False)
    assert capsys.readouterr().out == ""
    own()
    assert "fine-tune" in capsys.readouterr().out


def test_callbacks_hear_of_every_step_and_a_script_shows_nothing(capsys):
    heard = []
    own(callbacks=[lambda *news: heard.append(news)])
    assert [text.split(",")[0] for _, _, text in heard if text] and heard[-1][0] == heard[-1][1]
    assert capsys.readouterr() == ("", "")
    own(progress=True)
    assert "fine-tune" in capsys.readouterr().out


def test_a_saved_unlearning_comes_back(tmp_path):
    result, model = own(), small_net().to(torch.float16)
    result.save(tmp_path / "plain")
    assert {path.name for path in tmp_path.glob("plain/*")} == {
        "model.safetensors",
        "mask.safetensors",
        "unlearning.json",
    }
    assert json.loads((tmp_path / "plain" / "unlearning.json").read_text())["method"] == "aru"
    result.save(tmp_path / "with noise", noise=True)
    assert (tmp_path / "with noise" / "noise.safetensors").is_file()
    with unchanged(model):
        back = aru.load(tmp_path / "plain", model)
    assert layout(back) == layout(model)
    assert same_weights(aru.load(tmp_path / "plain", small_net()), result.model)
    with pytest.raises(InputError, match="unknown tensor"):
        aru.load(tmp_path / "plain", GroupNet())
    with pytest.raises(InputError, match="does not exist"):
        aru.load(tmp_path / "nowhere", model)


def test_an_unlearning_of_a_network_with_an_extra_state_comes_back(tmp_path):
    result = own(ExtraState(), method="finetune")
    result.save(tmp_path)
    assert same_weights(aru.load(tmp_path, ExtraState()), result.model)


def test_the_table_of_methods_has_every_parameter_as_a_keyword():
    table = aru.methods()
    assert [row.name for row in table] == list(METHODS)
    assert table["aru"].parameters["mask__ratio"] == 0.5 and table["aru"].presets == ("paper", "vitmul", "best", "recommended")
    assert "convolution" in table["ct"].cannot and "arXiv 2401.08998" in str(table)
