"""`aru.unlearn` with a loss of the caller's own: which methods take it, and what is said of one that cannot be used."""

import inspect
import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torchvision.models.detection import ssdlite320_mobilenet_v3_large

import aru
from aru.compute.device import Compute
from aru.compute.kernels.convolution import FewPixelConv2d
from aru.core.errors import InputError
from aru.core.names import SETS
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


@pytest.mark.parametrize("name", ["aru", "finetune", "neggrad"])
def test_a_loss_that_draws_numbers_draws_them_by_the_seed(name):
    def mixed(model, batch):
        share = 0.5 + 0.5 * np.random.rand() * random.random() * torch.rand(()).item()
        return share * cross_entropy(model, batch)

    states = torch.get_rng_state(), random.getstate()
    first, again = (own(method=name, loss=mixed) for _ in range(2))
    assert same_weights(first.model, again.model)
    assert torch.equal(torch.get_rng_state(), states[0]) and random.getstate() == states[1]


class Wide(nn.Sequential):
    """Convolutions of as many channels as this project's kernels take."""

    def __init__(self) -> None:
        layers = nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU()
        super().__init__(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 8))


def smooth(model, batch):
    """Cross-entropy with a penalty on its gradient at the inputs: training differentiates twice."""
    images = batch[0].clone().requires_grad_(True)
    losses = cross_entropy(model, (images, batch[1]))
    (gradient,) = torch.autograd.grad(losses.sum(), images, create_graph=True)
    return losses + gradient.flatten(1).norm(dim=1)


@pytest.mark.parametrize("name", TAKING)
def test_a_loss_may_have_a_term_of_its_own_gradient(name):
    torch.manual_seed(0)
    model = Wide()
    placed = Compute(torch.device("cpu"), fast_kernels=True).placed_copy(model)
    assert any(isinstance(module, FewPixelConv2d) for module in placed.modules())
    assert not same_weights(own(model, method=name, loss=smooth, forget=photos(3, 1)).model, model)


def test_figures_and_audit_of_a_loss_with_a_term_of_its_own_gradient():
    torch.manual_seed(0)
    model, sets = Wide().eval(), {name: photos(12, number) for number, name in enumerate(SETS)}
    given = {"original": Wide(), "people": [str(row) for row in range(12)], "resamples": 5, "loss": smooth, **sets}
    expected = smooth(model, sets["test"].tensors).mean().item()
    figures = aru.evaluate(model, precision="fp32", **given)
    assert figures.models["unlearned"]["test/loss"] == pytest.approx(expected, abs=1e-4)
    assert aru.audit(model, precision="fp32", **given).criteria["forgetting"]["verdict"]


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


def right_pixels(predicted, masks):
    return (predicted["out"].argmax(1) == masks).float().mean(dim=(1, 2))


def pixel_sets() -> dict:
    return {name: masked(12, number) for number, name in enumerate(("forget", "retain", "test", "unseen"))}


def test_figures_of_a_task_are_its_losses_scores_and_attacks():
    torch.manual_seed(0)
    model, original, sets = Pixels(), Pixels(), pixel_sets()
    people = [f"person {row // 2}" for row in range(12)]
    given = {"original": original, "people": people, "resamples": 20, "loss": pixel_loss, "precision": "fp32", **sets}
    with unchanged(model), unchanged(original):
        figures = aru.evaluate(model, score=right_pixels, **given)
    images, masks = (torch.stack(part) for part in zip(*sets["test"], strict=True))
    with torch.no_grad():
        outputs = model.eval()(images)
        assert figures.models["unlearned"]["test/score"] == pytest.approx(right_pixels(outputs, masks).mean().item(), abs=1e-5)
        assert figures.models["unlearned"]["test/loss"] == pytest.approx(
            pixel_loss(model, (images, masks)).mean().item(), abs=1e-5
        )
    low, high = figures.intervals["unlearned"]["forget/score"]
    assert low <= figures.models["unlearned"]["forget/score"] <= high
    assert figures.content["people"]["forget"] == 6 and "test/score" in str(figures) and "nomus" in str(figures)
    mean = aru.evaluate(model, score=lambda *batch: right_pixels(*batch).mean(), **given)
    assert mean.models["unlearned"] == figures.models["unlearned"], "a mean is asked for one sample at a time"
    alone = aru.evaluate(model, **given)
    assert "test/score" not in alone.models["unlearned"] and "forget/loss" in str(alone)


def test_torchvisions_tasks_have_their_own_figures():
    torch.manual_seed(0)
    model, sets = Pixels().eval(), pixel_sets()
    given = {"loss": "segmentation", "outputs": 2, "precision": "fp32", "resamples": 20, **sets}
    figures = aru.evaluate(model, original=model, **given)
    images, masks = (torch.stack(part) for part in zip(*sets["test"], strict=True))
    with torch.no_grad():
        found = model(images)["out"].argmax(1)
    ious = [((found == one) & (masks == one)).sum() / ((found == one) | (masks == one)).sum() for one in range(2)]
    assert figures.models["unlearned"]["test/miou"] == pytest.approx(float(sum(ious)) / 2, abs=1e-5)
    torch.manual_seed(0)
    detector = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=2).eval()
    detector.transform.fixed_size = (32, 32)
    detector.topk_candidates = detector.detections_per_img = 5
    boxes = {"boxes": torch.tensor([[2.0, 2, 20, 20]]), "labels": torch.tensor([1])}
    items = [(torch.rand(3, 32, 32), boxes) for _ in range(2)]
    given = dict.fromkeys(("forget", "retain", "test", "unseen"), items)
    figures = aru.evaluate(detector, original=detector, loss="detection", outputs=2, resamples=5, **given)
    assert figures.models["original"]["test/map_50"] < 0.5 and figures.models["original"]["mia_matched/auc"] == 0.5
    assert figures.intervals["original"]["test/map"] and "forget/map" not in figures.intervals["original"]


def test_a_caller_without_gradients_gets_the_same_figures_and_verdict():
    model, original, sets = Pixels(), Pixels(), pixel_sets()
    given = {"original": original, "people": [str(row) for row in range(12)], "resamples": 20, "loss": pixel_loss, **sets}
    expected = aru.evaluate(model, **given).content, aru.audit(model, **given).verdict
    for without in (torch.no_grad, torch.inference_mode):
        with without():
            assert (aru.evaluate(model, **given).content, aru.audit(model, **given).verdict) == expected


def test_an_audit_of_a_task_tests_what_the_loss_gives_away():
    model, sets = Pixels(), pixel_sets()
    people = [f"person {row // 2}" for row in range(12)]
    given = {"original": Pixels(), "people": people, "resamples": 50, "loss": pixel_loss}
    with unchanged(model):
        verdict = aru.audit(model, **given, **sets)
    answers = {"combined", "uniformity", "test_accuracy", "likeness"}
    why = {name: row["not_run"] for name, row in verdict.criteria.items() if not row["verdict"] and name in answers}
    assert set(why.values()) == {"defined by the answers of a classifier"} and why.keys() == answers & verdict.criteria.keys()
    assert verdict.criteria["forgetting"]["verdict"] and verdict.criteria["weights"]["verdict"] == "pass"
    assert verdict.verdict != "pass"
    with pytest.raises(InputError, match="with loss= use level quick"):
        aru.audit(model, **given, **sets, level="standard", retrained=model)


def test_the_loss_of_classification_gives_the_audit_of_one_class():
    sets = {name: photos(12, number) for number, name in enumerate(("forget", "retain", "test", "unseen"))}
    sets = {name: (data.tensors[0], torch.ones(12, dtype=torch.long)) for name, data in sets.items()}
    given = {"original": small_net(1), "people": [f"person {row // 2}" for row in range(12)], "resamples": 50, **sets}
    plain, own_loss = aru.audit(small_net(), **given), aru.audit(small_net(), loss=cross_entropy, **given)
    for name in ("forgetting", "people", "remaining", "individuals", "weights"):
        one, other = plain.criteria[name], own_loss.criteria[name]
        assert one["verdict"] == other["verdict"] and one.get("figure") == other.get("figure"), name


@pytest.mark.parametrize(
    "options, message",
    [
        ({"loss": None, "score": right_pixels}, "score= belongs to a task"),
        ({"score": lambda *batch: 1.0}, "score= returns float for a batch of 12"),
        ({"loss": "segmentation"}, r"loss='segmentation' needs outputs="),
        ({"unseen": []}, "the unseen set is empty"),
    ],
)
def test_what_cannot_be_evaluated_is_said(options, message):
    with pytest.raises(InputError, match=message):
        aru.evaluate(Pixels(), **({"original": Pixels(), "loss": pixel_loss, "resamples": 5} | pixel_sets() | options))
