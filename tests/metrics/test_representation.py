"""CKA against naive formulas and its invariances; activations by hooks; probes for labels and identity."""

import json
from itertools import permutations

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models import SwinTransformer

from aru.core.errors import InputError
from aru.metrics.representation.activations import activations, block_layers, penultimate, pooled
from aru.metrics.representation.cka import linear_cka, representation
from aru.metrics.representation.probing import probe_identity, probe_label, probing
from aru.nets.adapted import adapt
from aru.nets.models import build
from aru.stats.shares import shares
from tests.helpers.toys import CPU, image_set, sets, small_net
from tests.helpers.untouched import state, untouched


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def naive_biased(one: np.ndarray, other: np.ndarray) -> float:
    """HSIC as the trace of centred kernel matrices."""
    centring = np.eye(len(one)) - 1 / len(one)
    kernels = [centring @ (side @ side.T) @ centring for side in (one, other)]

    def hsic(a: np.ndarray, b: np.ndarray) -> float:
        return np.trace(a @ b)

    return hsic(*kernels) / np.sqrt(hsic(kernels[0], kernels[0]) * hsic(kernels[1], kernels[1]))


def naive_debiased(one: np.ndarray, other: np.ndarray) -> float:
    """HSIC as the U-statistic that defines it: the mean over all quadruples of different images."""
    kernels = [side @ side.T for side in (one, other)]

    def hsic(k: np.ndarray, m: np.ndarray) -> float:
        return np.mean([k[a, b] * (m[a, b] + m[c, d] - 2 * m[a, c]) for a, b, c, d in permutations(range(len(k)), 4)])

    return hsic(*kernels) / np.sqrt(hsic(kernels[0], kernels[0]) * hsic(kernels[1], kernels[1]))


@pytest.mark.parametrize("debiased, naive", [(False, naive_biased), (True, naive_debiased)])
@pytest.mark.parametrize("widths", [(3, 5), (1, 1), (12, 2)])
def test_cka_is_the_naive_formula(debiased: bool, naive, widths: tuple[int, int]) -> None:
    one = normal(8, widths[0])
    other = normal(8, widths[1], seed=1) + one[:, :1] + 4  # partly alike, means off zero
    assert linear_cka(one, other, debiased=debiased) == pytest.approx(naive(one.numpy(), other.numpy()), rel=1e-9)


@pytest.mark.parametrize("debiased", [False, True])
def test_cka_knows_no_rotation_scale_or_shift_but_sees_stretching(debiased: bool) -> None:
    features = normal(40, 6) * torch.tensor([3.0, 1, 1, 1, 1, 0.2])
    rotation = torch.linalg.qr(normal(6, 6, seed=2)).Q
    assert linear_cka(features, 0.01 * features @ rotation + 100, debiased=debiased) == pytest.approx(1.0, abs=1e-8)
    stretched = features * torch.tensor([0.1, 1, 1, 1, 1, 30])
    assert linear_cka(features, stretched, debiased=debiased) < 0.6


def test_only_the_debiased_form_is_near_zero_for_independent_features() -> None:
    pairs = [(normal(60, 50, seed=seed), normal(60, 50, seed=100 + seed)) for seed in range(30)]
    debiased, biased = ([linear_cka(*pair, debiased=kind) for pair in pairs] for kind in (True, False))
    assert abs(np.mean(debiased)) < 3 * np.std(debiased) / 30**0.5 and np.std(debiased) < 0.05
    assert min(debiased) < 0 < max(debiased)
    assert min(biased) > 0.4


def test_cka_refuses_what_it_cannot_align() -> None:
    assert linear_cka(torch.ones(9, 3) * 0.1, normal(9, 3)) is None  # a dead layer
    with pytest.raises(InputError, match="3 and 3 images"):
        linear_cka(normal(3, 2), normal(3, 2))
    with pytest.raises(InputError, match="5 and 6 images"):
        linear_cka(normal(5, 2), normal(6, 2))
    with pytest.raises(InputError, match="all finite"):
        linear_cka(normal(5, 2), torch.full((5, 2), torch.nan))


def test_representation_compares_every_pair_by_layer() -> None:
    data, models = sets(), {"original": small_net(0), "unlearned": small_net(0), "retrained": small_net(1)}
    with torch.no_grad():
        models["unlearned"].hidden.weight.mul_(-1)
    with untouched(*models.values()):
        result = representation(models, data, compute=CPU)
    assert json.loads(json.dumps(result, allow_nan=False)) == result  # a file can hold it
    assert list(result) == ["forget", "test"]
    assert list(result["test"]) == ["original/unlearned", "original/retrained", "unlearned/retrained"]
    same = result["forget"]["original/unlearned"]
    assert list(same) == ["conv1", "conv2", "hidden", "fc"]
    assert same["conv1"] == {"cka": pytest.approx(1), "cka_biased": pytest.approx(1)} == same["conv2"]
    assert same["hidden"]["cka"] == pytest.approx(1)  # the sign is a rotation; what ReLU makes of it is not
    assert same["fc"]["cka"] < 0.99
    other = result["forget"]["original/retrained"]["conv2"]["cka"]
    features = [activations(models[name], data.forget, compute=CPU)["conv2"] for name in ("original", "retrained")]
    assert other == linear_cka(*features) < 0.99


def test_models_of_other_layers_are_refused() -> None:
    models = {"one": small_net(), "other": nn.Sequential(nn.Flatten(), nn.Linear(768, 8))}
    with pytest.raises(InputError, match="only one of one and other has the layer"):
        representation(models, sets(), compute=CPU, roles=("test",))


@pytest.mark.parametrize(
    "name, layers, widths",
    [
        ("resnet18", ["conv1", "layer1", "layer2", "layer3", "layer4", "fc"], [64, 64, 128, 256, 512, 8]),
        ("vit_tiny", ["conv_proj", *(f"encoder.layers.encoder_layer_{i}" for i in range(12)), "heads"], [192] * 13 + [8]),
    ],
)
def test_layers_of_real_models(name: str, layers: list[str], widths: list[int]) -> None:
    model, data = build(name, 8, resolution=32), image_set(5, side=32)
    assert list(block_layers(model)) == layers
    with untouched(model):
        found = activations(model, data, compute=CPU)
        features = penultimate(model, data, compute=CPU)
    assert [tuple(feature.shape) for feature in found.values()] == [(5, width) for width in widths]
    images, _ = data.batch(torch.arange(5), CPU.device)
    model.eval()
    with torch.no_grad():
        head = model.get_submodule(layers[-1])
        assert torch.allclose(head(features), model(images), atol=1e-5)
        assert torch.allclose(found[layers[-1]], model(images), atol=1e-5)
        if name == "resnet18":  # the stem as it was before ReLU worked on it in place
            stem = model.bn1(model.conv1(images)).mean(dim=(2, 3))
            assert stem.min() < 0 and torch.allclose(found["conv1"], stem, atol=1e-5)


def test_pooling_by_hand() -> None:
    maps = normal(2, 3, 4, 5).float()
    assert torch.allclose(pooled(maps), maps.mean(dim=(2, 3)), atol=1e-6)
    tokens = normal(2, 7, 3).float()
    assert torch.allclose(pooled(tokens), tokens.mean(dim=1), atol=1e-6)
    with pytest.raises(InputError, match="only"):
        pooled(normal(2, 2, 2, 2, 2, 2))


def test_what_follows_in_place_does_not_change_what_was_kept() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(768, 6), nn.ReLU(inplace=True), nn.Linear(6, 8))
    data = image_set(5)
    with torch.no_grad():
        wanted = model[1](data.batch(torch.arange(5), CPU.device)[0].flatten(1))
    assert wanted.min() < 0 and torch.allclose(activations(model, data, compute=CPU)["1"], wanted, atol=1e-6)


def test_layers_by_name_and_what_is_refused() -> None:
    model = small_net()
    assert list(activations(model, image_set(3), compute=CPU, layers=["bn2", "conv1"])) == ["bn2", "conv1"]
    with pytest.raises(InputError, match="no layer 'layer9': by default they are conv1, conv2, hidden, fc"):
        activations(model, image_set(3), compute=CPU, layers=["layer9"])


@pytest.mark.parametrize("wrapped", [False, True])
def test_maps_with_channels_last_are_read_as_others(wrapped: bool) -> None:
    torch.manual_seed(0)
    swin = SwinTransformer([4, 4], 8, [2, 2], [1, 2], [2, 2], num_classes=8).eval()
    data = image_set(3)
    found = activations(adapt(swin) if wrapped else swin, data, compute=CPU)
    assert [part.shape[1] for part in found.values()] == [8, 8, 16, 16, 8]  # patches; stage; merged; stage, norm; head
    images, _ = data.batch(torch.arange(3), CPU.device)
    with torch.no_grad():
        first = swin.features[0](images).mean(dim=(1, 2))
    assert torch.allclose(next(iter(found.values())), first, atol=1e-5)


class _Listed(nn.Module):
    """Blocks in a list, of which one is run twice and one never."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))
        self.stem, self.head = nn.Linear(768, 4), nn.Linear(4, 8)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.parts[1](self.parts[1](self.parts[0](self.stem(images.flatten(1))))))


def test_blocks_in_lists_are_looked_at_where_a_pass_runs_through_them_once() -> None:
    model, data = _Listed(), image_set(3)
    assert list(block_layers(model)) == ["parts.0", "parts.1", "parts.2", "stem", "head"]
    assert list(activations(model, data, compute=CPU)) == ["parts.0", "stem", "head"]
    with pytest.raises(InputError, match="'parts.2' answered 0 times on 3 images"):
        activations(model, data, compute=CPU, layers=["parts.2"])


def test_a_classifier_that_takes_no_part_in_the_answer_is_named() -> None:
    model = _Listed()
    model.unused = nn.Linear(4, 4)
    with pytest.raises(
        InputError, match="unused, taken for the classifier of _Listed, saw 0 inputs of 3 images.*get_classifier"
    ):
        penultimate(model, image_set(3), compute=CPU)


def test_of_a_layer_that_returns_several_tensors_the_first_counts() -> None:
    model = nn.Sequential(nn.Flatten(2), nn.GRU(256, 5, batch_first=True))
    found = activations(adapt(_Last(model)), image_set(3), compute=CPU, layers=["network.body.1"])
    assert found["network.body.1"].shape == (3, 5)


class _Last(nn.Module):
    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body, self.head = body, nn.Linear(5, 8)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(images)[0][:, -1])


def test_a_layer_that_is_passed_twice_is_refused_and_leaves_no_hooks() -> None:
    shared = nn.ReLU()
    model = nn.Sequential(nn.Flatten(), nn.Linear(768, 4), shared, nn.Linear(4, 8), shared).train()
    before = state(model)
    with pytest.raises(InputError, match="answered 6 times on 3 images"):
        activations(model, image_set(3), compute=CPU, layers=["2"])

    def refuse(_: torch.Tensor) -> torch.Tensor:
        raise InputError("no")

    with pytest.raises(InputError, match="no"):
        activations(model, image_set(3), compute=CPU, reduce=refuse)
    assert state(model) == before


# Probes: people and photos -------------------------------------------------------------------------------------------

PEOPLE = np.repeat([f"p{number:02d}" for number in range(12)], 4)
LABELS = torch.from_numpy(np.repeat(np.arange(12) % 2, 4))
PHOTOS = np.arange(48)


def features_of(*, identity: float = 0.0, label: float = 0.0, seed: int = 0) -> torch.Tensor:
    """Noise with traces: a direction of its own for each person, one for the label."""
    person = torch.from_numpy(np.unique(PEOPLE, return_inverse=True)[1])
    noise = normal(48, 20, seed=seed)
    noise[:, :12] += identity * torch.nn.functional.one_hot(person, 12)
    noise[:, 12] += label * (2 * LABELS - 1)
    return noise.float()


def test_identity_is_found_where_it_is_and_only_there() -> None:
    result = probe_identity({"unlearned": features_of(identity=8), "retrained": features_of(seed=1)}, PEOPLE, PHOTOS, seed=0)
    assert (result["people"], result["images"]) == (12, 48) and result["chance"] < 0.15
    for probe in ("linear", "neighbours"):
        found, reference = result[probe]["unlearned"], result[probe]["retrained"]
        assert found["share"] > 0.9 and reference["share"] < 0.3
        assert found["gap"] == pytest.approx(found["share"] - reference["share"])
        assert found["gap_interval"][0] > 0.5 and reference["interval"][0] <= 1 / 12 <= reference["interval"][1] + 0.1


def test_labels_are_found_across_people_not_within() -> None:
    """A trace of the person tells nothing of the label, where no person is on both sides of a fold."""
    result = probe_label(
        {"original": features_of(label=4), "unlearned": features_of(identity=30), "retrained": features_of(seed=1)},
        LABELS,
        PEOPLE,
        seed=0,
    )
    assert result["linear"]["original"]["share"] > 0.9 and result["neighbours"]["original"]["share"] > 0.8
    assert result["linear"]["unlearned"]["share"] < 0.75 and result["linear"]["retrained"]["share"] < 0.75
    assert result["chance"] <= 0.5


def test_copies_of_a_photo_do_not_give_a_person_away() -> None:
    """Each image twice, as copies: a neighbour that is the copy itself would find everybody."""
    twice = np.repeat(np.arange(48), 2)
    features = {"unlearned": features_of()[twice]}
    honest = probe_identity(features, PEOPLE[twice], PHOTOS[twice], seed=0)["neighbours"]["unlearned"]["share"]
    leaked = probe_identity(features, PEOPLE[twice], np.arange(96), seed=0)["neighbours"]["unlearned"]["share"]
    assert honest < 0.3 and leaked > 0.6


def test_people_with_less_than_three_photos_are_left_out() -> None:
    photos = PHOTOS.copy()
    photos[:4] = [0, 0, 1, 1]  # p00 has four images of two photos
    result = probe_identity({"unlearned": features_of()}, PEOPLE, photos, seed=0)
    assert (result["people"], result["images"]) == (11, 44)


def test_probing_reads_the_features_before_the_classifier() -> None:
    data = image_set(48)
    data = type(data)(data.images, data.rows, LABELS, 8)
    models = {"original": small_net(0), "retrained": small_net(1)}
    with untouched(*models.values()):
        result = probing(models, data, subjects=PEOPLE, compute=CPU, seed=0, resamples=200)
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    features = {name: penultimate(model, data, compute=CPU) for name, model in models.items()}
    assert result["identity"] == probe_identity(features, PEOPLE, PHOTOS, seed=0, resamples=200)
    assert result["label"] == probe_label(features, LABELS, PEOPLE, seed=0, resamples=200)


def test_probes_that_cannot_be_fitted_are_named() -> None:
    features = {"unlearned": features_of()}
    with pytest.raises(InputError, match="0 people have 3 photos"):
        probe_identity(features, PEOPLE, np.repeat(np.arange(24), 2), seed=0)
    with pytest.raises(InputError, match="1 people with 2 classes"):
        probe_label(features, LABELS, np.zeros(48), seed=0)
    with pytest.raises(InputError, match="12 people with 1 classes"):
        probe_label(features, torch.zeros(48, dtype=torch.int64), PEOPLE, seed=0)


def test_shares_are_paired_and_drawn_by_people() -> None:
    rng = np.random.default_rng(0)
    right = np.repeat(rng.random(40) < 0.6, 5)  # a person is known or not, with all photos
    worse = right & (rng.random(200) < 0.9)
    people = np.repeat(np.arange(40), 5)
    by_person = shares({"unlearned": worse, "retrained": right}, people, seed=0)
    by_image = shares({"unlearned": worse, "retrained": right}, None, seed=0)

    def width(ends: list[float]) -> float:
        return ends[1] - ends[0]

    assert by_person["retrained"]["share"] == right.mean() and "gap" not in by_person["retrained"]
    assert width(by_person["retrained"]["interval"]) > 1.6 * width(by_image["retrained"]["interval"])
    assert by_person["unlearned"]["gap"] == pytest.approx(worse.mean() - right.mean())
    assert width(by_person["unlearned"]["gap_interval"]) < width(by_person["unlearned"]["interval"]) / 2
    assert "gap" not in shares({"unlearned": worse}, people, seed=0)["unlearned"]
    with pytest.raises(InputError, match="cannot be compared"):
        shares({"unlearned": worse, "retrained": right[:9]}, None, seed=0)
