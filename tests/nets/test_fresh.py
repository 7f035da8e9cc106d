"""Fresh weights in the network that is there, with all of it that has no weights."""

import pytest
import torch
import torchvision
from torch import nn

from aru.library.problem import filled_copy
from aru.nets.adapted import adapt
from aru.nets.fresh import fresh, registered_name
from aru.nets.models import build
from tests.helpers.toys import same_weights


def changed_resnet() -> nn.Module:
    """A ResNet18 as people change it for small images: nothing of it that is changed has a weight."""
    model = torchvision.models.resnet18(num_classes=5)
    model.maxpool = nn.Identity()
    model.conv1.stride = (1, 1)
    model.bn1.eps = 0.1
    model.layer1[0].relu = nn.SiLU()
    return model


CHANGED = {
    "resnet18": changed_resnet,
    "efficientnet_b0": lambda: torchvision.models.efficientnet_b0(num_classes=5, dropout=0.7),
    "vit_b_32": lambda: torchvision.models.vit_b_32(num_classes=5, image_size=32, dropout=0.3),
}


@pytest.mark.parametrize("name", CHANGED)
def test_what_has_no_weights_stays_as_the_caller_made_it(name):
    model, images = CHANGED[name]().eval(), torch.rand(3, 3, 32, 32)
    drawn = fresh(adapt(model), seed=4).network
    assert registered_name(model) == name and str(drawn) == str(model)
    built = build(name, 5, resolution=32, seed=4, centred=False)
    assert same_weights(drawn, built) and not same_weights(drawn, model)
    for module, other in zip(drawn.modules(), model.modules(), strict=True):
        assert type(module) is type(other) and module.training == other.training
    # The network that a caller gets back answers as the one that was trained.
    assert torch.equal(filled_copy(model, drawn)(images), drawn.eval()(images))


def test_the_first_layer_of_a_callers_transformer_is_drawn_as_its_constructor_does():
    model = torchvision.models.vit_b_32(num_classes=5, image_size=32)
    own = fresh(adapt(model, preprocessing={"mean": 0.5, "std": 0.5}), seed=1).network.conv_proj
    assert own.weight.std().item() == pytest.approx(model.conv_proj.weight.std().item(), rel=0.05)
    assert own.bias.abs().max() == 0


@pytest.mark.parametrize("wrapped", [False, True])
def test_that_of_the_projects_transformers_stays_drawn_for_pixels(wrapped):
    model = build("vit_tiny", 5, resolution=16)
    drawn = fresh(adapt(model), seed=2).network if wrapped else fresh(model, seed=2)
    again = fresh(drawn, seed=3)
    assert same_weights(drawn, build("vit_tiny", 5, resolution=16, seed=2))
    assert same_weights(again, build("vit_tiny", 5, resolution=16, seed=3))


def test_a_replaced_layer_with_an_extra_state_is_no_obstacle():
    class Counted(nn.ReLU):
        def get_extra_state(self) -> int:
            return 3

        def set_extra_state(self, state: int) -> None:
            raise AssertionError("it stays the model's")

    model = torchvision.models.resnet18(num_classes=5)
    model.relu = Counted()
    assert registered_name(model) == "resnet18"
    assert torch.equal(fresh(model, seed=1).conv1.weight, build("resnet18", 5, seed=1).conv1.weight)
