"""Which layers have units, for networks of many kinds, and that a reset changes the marked units alone."""

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from aru.core.config import ResetConfig
from aru.core.errors import InputError
from aru.methods.aru.resetting import reset
from aru.nets.adapted import adapt
from aru.nets.fresh import fresh
from aru.nets.models import build, classifier
from aru.nets.units import unit_layers, unit_weights


class Recurrent(nn.Module):
    """A GRU over (B, T, 3) and a classifier of its last state."""

    def __init__(self, outputs: int = 2) -> None:
        super().__init__()
        self.gru = nn.GRU(3, 5, batch_first=True)
        self.head = nn.Linear(5, outputs)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.head(self.gru(inputs)[0][:, -1])


class Tokens(nn.Module):
    """A transformer encoder over token ids (B, T)."""

    def __init__(self, outputs: int = 2) -> None:
        super().__init__()
        self.embedding = nn.Embedding(11, 8)
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.head = nn.Linear(8, outputs)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.head(self.encoder(self.embedding(inputs)).mean(dim=1))


class Decoder(nn.Module):
    """Down and up again, then a classifier: a transposed convolution, group norm, convolutions of three dimensions."""

    def __init__(self, outputs: int = 2) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv3d(1, 4, 3, padding=1), nn.GroupNorm(2, 4), nn.ReLU(), nn.ConvTranspose3d(4, 6, 2, 2))
        self.head = nn.Linear(6, outputs)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(inputs).mean(dim=(2, 3, 4)))


CASES = {
    "resnet18": (lambda: build("resnet18", 4), torch.rand(1, 3, 32, 32), "fc", 20),
    "squeezenet": (lambda: build("squeezenet1_1", 4), torch.rand(1, 3, 32, 32), "classifier.1", 25),
    "vit": (lambda: build("vit_tiny", 4, resolution=16), torch.rand(1, 3, 16, 16), "heads.head", 49),
    "gru": (Recurrent, torch.rand(1, 6, 3), "head", 2),
    "tokens": (Tokens, torch.tensor([[1, 2, 3]]), "head", 4),
    "decoder": (Decoder, torch.rand(1, 1, 4, 4, 4), "head", 2),
}


@pytest.fixture(params=CASES, name="case")
def _case(request):
    make, example, head, layers = CASES[request.param]
    torch.manual_seed(0)
    return make().eval(), example, head, layers


def test_layers_with_units_are_all_but_the_classifier(case):
    model, example, head, count = case
    layers = unit_layers(model)
    assert classifier(model) == head and head not in layers
    assert len(layers) == count
    for name, weight in unit_weights(model).items():
        assert weight.shape == layers[name].units_first(layers[name].parameter(model)).shape


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_reset_changes_the_marked_units_alone(case, wrapped):
    plain, example, _, _ = case
    model = adapt(plain).eval() if wrapped else plain
    mask = {name: torch.zeros(len(weight), dtype=torch.bool) for name, weight in unit_weights(model).items()}
    for marked in mask.values():
        marked[::2] = True
    result = reset(model, mask, ResetConfig(batchnorm=False), seed=1, example=example)
    assert torch.isfinite(result(example)).all()
    old = unit_weights(model)
    for name, weight in unit_weights(result).items():
        assert torch.equal(weight[1::2], old[name][1::2])
        assert not torch.equal(weight[::2], old[name][::2])


def test_units_of_a_transposed_convolution_are_its_output_channels():
    model = Decoder()
    assert unit_weights(model)["body.3"].shape[:2] == (6, 4)


@pytest.mark.parametrize("normalise", [nn.utils.weight_norm, nn.utils.parametrizations.weight_norm])
@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
def test_a_weight_that_is_computed_from_others_is_refused_by_name(normalise):
    model = nn.Sequential(nn.Linear(4, 4), normalise(nn.Linear(4, 4)), nn.Linear(4, 2))
    with pytest.raises(InputError, match=r"1 \(.*Linear\) has a weight.*remove_parametrizations"):
        unit_layers(model)
    assert list(unit_layers(nn.Sequential(nn.Linear(4, 4), normalise(nn.Linear(4, 2))))) == ["0"]


def test_a_shared_weight_counts_once():
    one = nn.Linear(4, 4)
    model = nn.Sequential(one, nn.ReLU(), one, nn.ReLU(), nn.Linear(4, 2))
    model[2] = nn.Linear(4, 4)
    model[2].weight = one.weight
    assert list(unit_layers(model)) == ["0"]


def test_a_layer_that_shares_its_weight_with_the_classifier_is_spared_as_that_is():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    model[2].weight = model[4].weight
    assert list(unit_layers(model)) == ["0"]
    result = reset(model, {"0": torch.ones(4, dtype=torch.bool)}, ResetConfig(), seed=1, example=torch.rand(1, 3))
    assert torch.equal(result[4].weight, model[4].weight) and not torch.equal(result[0].weight, model[0].weight)


def _pruned(layer: nn.Module) -> nn.Module:
    return prune.random_unstructured(layer, "weight", amount=0.5)


COMPUTED = {
    "weight_norm, old": nn.utils.weight_norm,
    "weight_norm": nn.utils.parametrizations.weight_norm,
    "spectral_norm, old": nn.utils.spectral_norm,
    "spectral_norm": nn.utils.parametrizations.spectral_norm,
    "pruning": _pruned,
}


@pytest.mark.parametrize("kind", COMPUTED)
@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
def test_a_computed_weight_is_not_drawn_anew_where_its_values_would_be_used(kind):
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), COMPUTED[kind](nn.Linear(4, 2)))
    message = r"2 \(.*Linear\) has a weight that is computed from other parameters, so that it cannot be drawn anew.*fresh="
    for only in (None, {"0", "2"}):
        with pytest.raises(InputError, match=message):
            fresh(model, seed=0, only=only)
    assert not torch.equal(fresh(model, seed=0, only={"0"})[0].weight, model[0].weight)


class Own(nn.Module):
    """A layer of somebody's own that does not know how to draw its parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs * self.scale


def test_a_layer_that_cannot_be_drawn_anew_is_named_with_the_remedy_where_it_is_needed():
    model = nn.Sequential(nn.Linear(4, 4), Own(), nn.Linear(4, 2))
    assert torch.equal(fresh(model, seed=0, only={"0"})[1].scale, model[1].scale)
    with pytest.raises(InputError, match=r"1 \(Own\).*reset_parameters.*fresh="):
        fresh(model, seed=0)


def test_a_wrapped_network_of_the_registry_is_drawn_as_its_own_builder_does():
    drawn = fresh(adapt(build("resnet18", 4)), seed=3)
    assert torch.equal(drawn.network.conv1.weight, build("resnet18", 4, seed=3).conv1.weight)
