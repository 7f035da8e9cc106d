"""Relearning curves, times and AIN; distance and barrier between weights."""

import copy
import json

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from aru.compute.device import Compute
from aru.core.config import TrainConfig
from aru.core.errors import InputError
from aru.data.images import ImageSet, Sets
from aru.metrics.distance.weights import barrier, linear_barrier, renew_statistics, weight_distance
from aru.metrics.relearning.anamnesis import AnamnesisIndex, RelearnTime, anamnesis_index, relearn_time
from aru.metrics.relearning.relearn import RelearnConfig, relearning, relearning_curves
from aru.train.loop import fit, predict
from tests.helpers.toys import CPU, generator, image_set, same_weights, sets, small_net
from tests.helpers.untouched import untouched

GROUPS = np.repeat(np.arange(6), 2)  # the 12 forget images of `sets()`
FAST = RelearnConfig(measured=(0, 1, 2), batch_size=8)


class Memory(nn.Module):
    """Wide enough to know random images by heart."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.hidden, self.fc = nn.Linear(3 * 16 * 16, 128), nn.Linear(128, 8)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.fc(torch.relu(self.hidden(images.flatten(1) - 0.5)))


def trained(data: ImageSet, seed: int = 1) -> Memory:
    model = Memory(seed)
    fit(
        model,
        data,
        TrainConfig(epochs=25, lr=0.05, schedule="constant", augment=False, batch_size=16),
        generator=generator(0),
        compute=CPU,
    )
    return model


@pytest.fixture(scope="module")
def world() -> tuple[Sets, dict[str, nn.Module]]:
    """Labels that only memory can tell; `hidden` is the original whose classifier alone was made anew."""
    data = sets(forget=40, retain=80)
    original, retrained = trained(data.train), trained(data.retain, seed=2)
    hidden = copy.deepcopy(original)
    hidden.fc = Memory(7).fc
    return data, {"original": original, "hidden": hidden, "retrained": retrained}


def test_a_model_that_only_hides_relearns_fast_and_a_retrained_one_does_not(world: tuple) -> None:
    data, models = world
    groups, config = np.repeat(np.arange(20), 2), RelearnConfig(measured=(0, 5, 10, 20, 40), lr=0.02, batch_size=32, share=0.3)
    with untouched(*models.values()):
        result = relearning(models, data, groups, config, original=models["original"], seed=0, compute=CPU)
    assert set(result) == {"retain", "few"} and result["retain"]["steps"] == [0, 5, 10, 20, 40]
    assert json.loads(json.dumps(result, allow_nan=False)) == result  # a file can hold it
    retain, few = result["retain"], result["few"]
    assert retain["threshold"]["forget"] == pytest.approx(0.95)  # the original knows all 40
    assert retain["curves"]["hidden"]["forget"][0] < 0.4 < 0.8 < retain["curves"]["hidden"]["forget"][-1]
    assert max(retain["curves"]["retrained"]["forget"]) < 0.5
    assert retain["times"]["original"]["forget"] == {"steps": 0, "reached": True, "text": "0"}
    assert retain["times"]["retrained"]["forget"] == {"steps": 40, "reached": False, "text": ">= 40"}
    assert retain["ain"]["original"]["forget"] == {"value": pytest.approx(0.01 / 40.01), "bound": "at most"}
    assert "retrained" not in retain["ain"]
    # What was shown is learned by both; the others return only where they were hidden.
    assert few["curves"]["retrained"]["shown"][-1] == few["curves"]["hidden"]["shown"][-1] == 1
    assert few["curves"]["hidden"]["other"][-1] > few["curves"]["retrained"]["other"][-1] + 0.2


def test_shown_and_other_part_the_forget_set(world: tuple) -> None:
    data, models = world
    groups = np.repeat(np.arange(20), 2)
    few = relearning(
        {"original": models["hidden"]},
        data,
        groups,
        FAST.model_copy(update={"share": 0.25}),
        original=models["original"],
        seed=3,
        compute=CPU,
    )["few"]["curves"]["original"]
    for all_of_it, shown, other in zip(few["forget"], few["shown"], few["other"], strict=True):
        assert all_of_it == pytest.approx(0.25 * shown + 0.75 * other)


def test_curves_are_plain_training(world: tuple) -> None:
    """Against a few lines of SGD on the whole set as one batch, whose order cannot matter."""
    data, models = world
    config = RelearnConfig(measured=(0, 1, 3), lr=0.1, momentum=0.0, batch_size=8192)
    curve = relearning_curves(
        models["hidden"], data.retain, data.forget, {"all": np.full(40, True)}, config, seed=0, compute=CPU
    )["all"]
    student, naive = copy.deepcopy(models["hidden"]), []
    images, targets = data.retain.batch(torch.arange(80), CPU.device)
    for step in range(4):
        if step in (0, 1, 3):
            logits = predict(student, data.forget, compute=CPU)
            naive.append((logits.argmax(1) == data.forget.targets).double().mean().item())
        student.zero_grad()
        nn.functional.cross_entropy(student(images), targets).backward()
        with torch.no_grad():
            for parameter in student.parameters():
                parameter -= 0.1 * parameter.grad
    assert curve == pytest.approx(naive, abs=0.026)  # one image, where rounding decides


def test_bfloat16_learns_too(world: tuple) -> None:
    """Casts that were cached while measuring must not cut the gradients off."""
    data, models = world
    curve = relearning_curves(
        models["hidden"],
        data.forget,
        data.forget,
        {"all": np.full(40, True)},
        RelearnConfig(measured=(0, 10), lr=0.05),
        seed=0,
        compute=Compute(torch.device("cpu"), torch.bfloat16),
    )["all"]
    assert curve[1] > curve[0] + 0.3


def test_same_seed_same_curves_and_the_statistics_hold_still() -> None:
    data, model = sets(), small_net()
    parts = {"all": np.full(12, True)}
    curves = [relearning_curves(model, data.retain, data.forget, parts, FAST, seed=5, compute=CPU) for _ in range(2)]
    assert curves[0] == curves[1]
    assert same_weights(model, small_net())


@pytest.mark.parametrize(
    "accuracies, steps, reached",
    [([0.1, 0.5, 0.9, 0.4], 20, True), ([0.95, 0.1, 0.1, 0.1], 0, True), ([0.1, 0.2, 0.3, 0.89], 40, False)],
)
def test_relearn_time_is_the_first_that_reaches(accuracies: list[float], steps: int, reached: bool) -> None:
    assert relearn_time(accuracies, (0, 10, 20, 40), 0.9) == RelearnTime(steps, reached)


def test_anamnesis_index_by_hand_and_its_bounds() -> None:
    assert anamnesis_index(RelearnTime(3, True), RelearnTime(6, True)) == AnamnesisIndex(3.01 / 6.01, "exact")
    assert anamnesis_index(RelearnTime(9, False), RelearnTime(6, True)).bound == "at least"
    assert anamnesis_index(RelearnTime(3, True), RelearnTime(9, False)).bound == "at most"
    assert anamnesis_index(RelearnTime(9, False), RelearnTime(9, False)) == AnamnesisIndex(1.0, "unknown")
    assert str(RelearnTime(9, False)) == ">= 9" and str(RelearnTime(9, True)) == "9"


@pytest.mark.parametrize(
    "groups, share, words",
    [(np.zeros(12), 0.1, "one group"), (np.arange(11), 0.1, "do not fit 12"), (np.arange(12), 0.1, "raise share")],
)
def test_groups_that_cannot_be_parted_are_named(groups: np.ndarray, share: float, words: str) -> None:
    with pytest.raises(InputError, match=words):
        relearning(
            {"unlearned": small_net()},
            sets(),
            groups,
            FAST.model_copy(update={"share": share}),
            original=small_net(),
            seed=0,
            compute=CPU,
        )


@pytest.mark.parametrize("measured", [(1, 2), (0,), (0, 2, 1), (0, 1, 1)])
def test_measured_steps_rise_from_zero(measured: tuple[int, ...]) -> None:
    with pytest.raises(ValidationError, match="begin with 0 and rise"):
        RelearnConfig(measured=measured)


def test_weight_distance_by_hand() -> None:
    origin = small_net()
    model = copy.deepcopy(origin)
    with torch.no_grad():
        model.fc.weight.add_(2.0)
        model.conv1.weight.mul_(1.5)
        model.bn1.running_mean.add_(9)  # no weight
    with untouched(model, origin):
        result = weight_distance(model, origin)
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    layers = result["layers"]
    assert layers["fc"]["distance"] == pytest.approx(2 * 80**0.5)
    norm = (origin.fc.weight.square().sum() + origin.fc.bias.square().sum()).sqrt().item()
    assert layers["fc"]["relative"] == pytest.approx(2 * 80**0.5 / norm, rel=1e-6)
    assert layers["conv1"]["relative"] == pytest.approx(0.5)
    assert layers["bn1"] == {"distance": 0.0, "relative": 0.0}
    assert result["total"]["distance"] == pytest.approx((4 * 80 + layers["conv1"]["distance"] ** 2) ** 0.5)


def test_weights_of_zero_have_no_relative_distance() -> None:
    origin = nn.Linear(3, 2)
    nn.init.zeros_(origin.weight)
    nn.init.zeros_(origin.bias)
    assert weight_distance(nn.Linear(3, 2), origin)["total"]["relative"] is None


def test_other_architectures_are_refused() -> None:
    with pytest.raises(InputError, match=r"fc.bias has the shape \(8,\) in one model and \(5,\)"):
        weight_distance(small_net(), type(small_net())(outputs=5))


def test_barrier_by_hand() -> None:
    assert barrier([1.0, 5.0, 3.0]) == pytest.approx(3.0)
    assert barrier([1.0, 0.0, 3.0]) == 0.0


def test_permuted_units_compute_the_same_and_are_a_ridge_apart(world: tuple) -> None:
    data, models = world
    original = models["original"]
    permuted, order = copy.deepcopy(original), torch.randperm(128, generator=generator(1))
    with torch.no_grad():
        permuted.hidden.weight.copy_(original.hidden.weight[order])
        permuted.hidden.bias.copy_(original.hidden.bias[order])
        permuted.fc.weight.copy_(original.fc.weight[:, order])
    with untouched(original, permuted):
        result = linear_barrier(original, permuted, {"forget": data.forget}, data.retain, seed=0, compute=CPU, points=5)
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    losses = result["loss"]["forget"]
    assert losses[0] == pytest.approx(losses[-1], abs=1e-5)
    assert result["barrier"]["forget"] == pytest.approx(losses[2] - losses[0], abs=1e-4) and losses[2] > losses[0] + 0.05


def test_a_convex_loss_has_no_barrier() -> None:
    """Cross-entropy is convex in the weights of one linear layer: no point lies above the chord."""
    data = image_set(30)
    ends = [nn.Sequential(nn.Flatten(), nn.Linear(768, 8)) for _ in range(2)]
    result = linear_barrier(*ends, {"all": data}, data, seed=0, compute=CPU)
    assert result["barrier"]["all"] == pytest.approx(0.0, abs=1e-6)
    assert result["loss"]["all"][5] < sum(result["loss"]["all"][::10]) / 2


def test_statistics_along_the_line_are_those_of_retain_images() -> None:
    data, model = sets(), small_net()
    spoilt = copy.deepcopy(model)
    spoilt.bn1.running_mean.add_(50)
    with untouched(model, spoilt):
        lines = [
            linear_barrier(*ends, {"test": data.test}, data.retain, seed=0, compute=CPU, points=3)["loss"]["test"]
            for ends in ((model, model), (model, spoilt), (spoilt, model))
        ]
    assert lines[1] == pytest.approx(lines[0]) and lines[2] == pytest.approx(lines[0])


def test_renewed_statistics_are_the_mean_and_variance_of_the_images() -> None:
    data, model = image_set(20), small_net().train()
    model.bn2.eval()
    renew_statistics(model, data, seed=0, compute=CPU)
    seen = model.conv1(data.batch(torch.arange(20), CPU.device)[0])
    assert torch.allclose(model.bn1.running_mean, seen.mean(dim=(0, 2, 3)), atol=1e-5)
    assert torch.allclose(model.bn1.running_var, seen.var(dim=(0, 2, 3)), rtol=1e-4)
    assert model.bn1.momentum == 0.1 and model.training and not model.bn2.training


def test_a_line_needs_something_in_between() -> None:
    with pytest.raises(InputError, match="points is 2"):
        linear_barrier(small_net(), small_net(), {}, image_set(4), seed=0, compute=CPU, points=2)
