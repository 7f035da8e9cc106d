"""`aru.unlearn` with a loss of the caller's own: which methods take it, and what is said of one that cannot be used."""

import inspect

import pytest
import torch
from torch import nn
from torch.nn import functional
from torchvision.models.detection import ssdlite320_mobilenet_v3_large

import aru
from aru.core.errors import InputError
from aru.methods.registry import METHODS
from tests.helpers.toys import same_weights, small_net
from tests.library.own import Scale, photos
from tests.library.test_unlearning import own
from tests.methods.test_conformance import unchanged

TAKING = [name for name, method in METHODS.items() if "loss" in method.accepts]


class Pixels(nn.Module):
    """A class a pixel, under "out" as torchvision has it, by two output layers."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.norm = nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.coarse, self.fine = nn.Conv2d(6, 2, 1), nn.Conv2d(6, 2, 1)

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        features = torch.relu(self.norm(self.body(images)))
        return {"out": self.fine(features), "coarse": self.coarse(features)}


def masked(count: int, seed: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    random = torch.Generator().manual_seed(seed)
    images = torch.rand(count, 3, 8, 8, generator=random)
    return [(image, (image.mean(0) > 0.5).long()) for image in images]


def pixel_loss(model, batch):
    images, masks = batch
    return functional.cross_entropy(model(images)["out"], masks, reduction="none").mean(dim=(1, 2))


def pixels(**options):
    torch.manual_seed(0)
    given = {"loss": pixel_loss, "forget": masked(4, 1), "retain": masked(8, 2)} | options
    return own(given.pop("model", None) or Pixels(), **given)


@pytest.mark.parametrize("name", TAKING)
def test_methods_that_take_a_loss_unlearn_a_network_that_labels_pixels(name):
    model = Pixels()
    with unchanged(model):
        result = pixels(model=model, method=name)
    assert all(torch.isfinite(tensor).all() for tensor in result.model.state_dict().values())
    assert not same_weights(result.model, model)


def cross_entropy(model, batch):
    return functional.cross_entropy(model(batch[0]), batch[1], reduction="none")


@pytest.mark.parametrize("name", TAKING)
def test_the_loss_of_classification_as_a_function_gives_what_the_method_gives_by_itself(name):
    plain, given = own(method=name), own(method=name, loss=cross_entropy)
    for key, tensor in plain.model.state_dict().items():
        assert torch.allclose(given.model.state_dict()[key], tensor, atol=1e-5), key


def test_a_method_takes_a_loss_where_its_function_has_a_task():
    for method in METHODS.values():
        assert ("loss" in method.accepts) == ("task" in inspect.signature(method.function).parameters), method.name
    assert {"scrub", "fcs", "salun", "bad-teacher", "kde"}.isdisjoint(TAKING)
    assert aru.methods()["scrub"].accepts == () and "loss" in aru.methods()["aru"].accepts


def test_heads_are_the_outputs_that_no_reset_touches():
    assert set(pixels().mask) == {"body", "coarse"}, "without heads the last layer alone counts as output"
    model = Pixels()
    result = pixels(model=model, heads=["coarse", "fine"], mask__ratio=1.0, finetune__epochs=0)
    assert set(result.mask) == {"body"}
    assert torch.equal(result.model.coarse.weight, model.coarse.weight)
    assert not torch.equal(result.model.body.weight, model.body.weight)


def test_a_detector_is_unlearned_by_the_loss_that_it_has_in_training():
    torch.manual_seed(0)
    model = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=2)
    model.transform.fixed_size = (32, 32)
    boxes = {"boxes": torch.tensor([[2.0, 2, 20, 20]]), "labels": torch.tensor([1])}
    items = [(torch.rand(3, 32, 32), boxes) for _ in range(4)]
    result = own(
        model, method="finetune", loss="detection", forget=items[:1], retain=items[1:], outputs=2, epochs=1, batch_size=4
    )
    assert not same_weights(result.model, model)


def no_work(done, total, text):
    raise AssertionError("work has started")


@pytest.mark.parametrize(
    "options, message",
    [
        ({"method": "scrub"}, "scrub is defined by the outputs .*leave loss= out, or use one of retrain, "),
        ({"method": "finetune", "heads": ["fine"]}, "finetune resets no units: leave heads= out"),
        ({"heads": ["fin"]}, "Pixels has no module 'fin'; did you mean 'fine'"),
        ({"heads": "fine"}, "give a list of names"),
        ({"loss": "segmentatoin"}, "did you mean 'segmentation'"),
        ({"loss": 3}, "loss is a int"),
        ({"loss": None, "predict": pixel_loss}, "predict= belongs to a task"),
        ({"predict": lambda model, images: model(images)["outs"]}, "loss= or predict= fails .*KeyError: 'outs'"),
        ({"loss": lambda model, batch: pixel_loss(model, batch).detach()}, "a value without a gradient"),
        ({"loss": lambda model, batch: model(batch[0])["out"]}, "return one loss a sample"),
        ({"loss": lambda model, batch: pixel_loss(model, batch) / 0}, "loss= is not finite"),
        ({"preset": "best", "outputs": 2}, "set finetune__distillation=0"),
        ({"outputs": 1}, "classes are from 0 to 1, the model has 1"),
    ],
)
def test_what_cannot_be_used_is_said_before_work_starts(options, message):
    with pytest.raises(InputError, match=message):
        pixels(callbacks=[no_work], **options)


DRAWING = [name for name, method in METHODS.items() if "fresh" in method.accepts]


@pytest.mark.parametrize("name", DRAWING)
def test_fresh_weights_are_the_callers_in_every_method_that_draws_some(name):
    def custom():
        return nn.Sequential(nn.Conv2d(3, 6, 3), Scale(14), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 8))

    torch.manual_seed(0)
    model, calls = custom(), []

    def make():
        calls.append(name)
        return custom()

    with unchanged(model):
        given = {"fresh": make, "forget": photos(4, 1), "retain": photos(6, 2), "method": name}
        first, again, other = own(model, **given), own(model, **given), own(model, **given, seed=1)
    assert calls and same_weights(first.model, again.model) and not same_weights(first.model, other.model)


def test_others_refuse_fresh_weights_by_name():
    for name in METHODS.keys() - set(DRAWING):
        with pytest.raises(InputError, match=f"^{name} draws no weights anew"):
            own(method=name, fresh=small_net)
