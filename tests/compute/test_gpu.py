"""Every path that a GPU takes: with a device that is only pretended, and on a real one where there is one.

Imports nothing of the operation and no fixture of conftest.py: these run on a machine that has PyTorch alone.
"""

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook

from aru.audit import standard
from aru.audit.audited_model import AuditedModel
from aru.audit.case import AUDITED, make_case
from aru.audit.levels import measure
from aru.audit.verdicts import Measurement
from aru.compute.device import Compute, make_compute
from aru.core.config import AttackConfig, MaskConfig, RuntimeConfig, TrainConfig, load_config
from aru.core.names import ORIGINAL, RETRAINED
from aru.data.images import ImageSet
from aru.methods.aru.attack import attack
from aru.methods.aru.masking import gradients, mask
from aru.methods.registry import METHODS
from aru.metrics.relearning.relearn import RelearnConfig
from aru.nets.models import build
from aru.train.batches import shuffled
from aru.train.descent import Step, counter, descend
from aru.train.loop import fit, predict, predict_placed
from aru.train.losses import task_loss
from aru.train.optimizers import OptimizerOptions, make_optimizer
from tests.helpers import audited
from tests.helpers.methods_quick import quick
from tests.helpers.pretend_cuda import OnDevice, pretended, waits
from tests.helpers.toys import CPU, generator, image_set, sets, small_net
from tests.helpers.untouched import state

ROOT = Path(__file__).resolve().parents[2]
REAL = pytest.param(
    "real",
    marks=[
        pytest.mark.gpu,
        pytest.mark.skipif(
            not torch.cuda.is_available(), reason="no CUDA device here: the same tests run with a pretended one"
        ),
    ],
)


READS_LABELS = {"piu-fr", "a-amu", "regun", "safer"}
"""Methods that draw partners by the labels of a batch, or compare its classes, at every step."""


@pytest.mark.parametrize("precision, tf32", [("fp32", False), ("bf16", True), ("auto", True)])
def test_float32_is_rounded_to_tf32_only_beside_bfloat16(monkeypatch, precision, tf32):
    with pretended():
        for name, value in (("is_available", True), ("device_count", 1), ("is_bf16_supported", True)):
            monkeypatch.setattr(torch.cuda, name, lambda value=value: value)
        cudnn, cublas = torch.backends.cudnn, torch.backends.cuda.matmul
        before = cudnn.benchmark, cudnn.allow_tf32, cublas.allow_tf32
        cudnn.benchmark, cudnn.allow_tf32, cublas.allow_tf32 = False, not tf32, not tf32
        try:
            compute = make_compute(RuntimeConfig(precision=precision))
            assert (compute.device.type, compute.precision == "bf16") == ("cuda", tf32)
            assert (cudnn.benchmark, cudnn.allow_tf32, cublas.allow_tf32) == (True, tf32, tf32)
        finally:
            cudnn.benchmark, cudnn.allow_tf32, cublas.allow_tf32 = before


class Steps:
    """A progress between whose calls nothing may wait for the device, but before the first of each pass."""

    def __init__(self, a_pass: int) -> None:
        self.a_pass, self.within, self.counted, self.waited = a_pass, False, 0, list[str]()

    def __call__(self, done: int, total: int, text: str) -> None:
        found = waits()
        if self.within:
            self.waited += found
            self.counted += 1
        self.within = done % self.a_pass > 0
        if torch.cuda.is_available():  # PyTorch itself raises where something waits before the next call
            torch.cuda.set_sync_debug_mode("error" if self.within else "default")


@pytest.fixture(params=["pretended", REAL])
def gpu(request: pytest.FixtureRequest) -> Iterator[Compute]:
    """Arithmetic on a CUDA device, in float32."""
    if request.param == "real":
        yield Compute(torch.device("cuda", 0))
        torch.cuda.set_sync_debug_mode("default")
        return
    with pretended() as device:
        yield Compute(device)


def test_a_pretended_device_refuses_what_cuda_refuses_and_gives_the_cpu_s_values():
    with pretended() as device:
        there = torch.arange(3.0).to(device)
        with pytest.raises(RuntimeError, match="expected all tensors to be on the same device"):
            there + torch.ones(3)
        with pytest.raises(TypeError, match="numpy"):
            there.numpy()
        assert isinstance(there * 2, OnDevice) and (there * 2).device == device
        assert (there * torch.tensor(2.0)).sum().item() == 6.0
        back = (there * 2).cpu()
        assert type(back) is torch.Tensor and back.tolist() == [0.0, 2.0, 4.0]


def test_training_on_the_device_learns_what_it_learns_on_the_cpu(gpu):
    config = TrainConfig(epochs=2, batch_size=8, augment=True)
    here, there = small_net(), small_net()
    expected = fit(here, sets().retain, config, generator=generator(), compute=CPU)
    history = fit(there, sets().retain, config, generator=generator(), compute=gpu)
    assert all(parameter.device.type == "cuda" for parameter in there.parameters())
    assert history[-1]["loss"] == pytest.approx(expected[-1]["loss"], rel=1e-2)
    assert torch.allclose(predict(there, sets().test, compute=gpu), predict(here, sets().test, compute=CPU), atol=2e-2)


def test_noise_and_mask_are_those_of_the_cpu(gpu):
    forget = sets().forget
    config = AttackConfig(steps=3, start="uniform")
    expected = attack(small_net(), forget, config, seed=0, compute=CPU)
    noise = attack(small_net(), forget, config, seed=0, compute=gpu)
    assert noise.device.type == "cpu" and noise.abs().max() <= config.eps
    assert (noise - expected).abs().gt(1e-4).float().mean() < 0.02, "a gradient next to 0 may fall on either side"
    settings = {"config": MaskConfig(), "seed": 0}
    expected_scores, expected_mask = mask(small_net(), forget, expected, compute=CPU, **settings)
    scores, found = mask(small_net(), forget, expected, compute=gpu, **settings)
    assert expected_mask.keys() == found.keys() == scores.keys() == expected_scores.keys()
    assert all(tensor.device.type == "cpu" for tensor in (*scores.values(), *found.values()))
    share = [float((expected_mask[layer] == found[layer]).double().mean()) for layer in found]
    assert min(share) > 0.6, "a filter in the middle may change sides, others may not"


@pytest.fixture(params=["resident", "read ahead"])
def data(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ImageSet:
    """Images of which a pass has 23 batches of 2, on the device or too large for it."""
    if request.param == "read ahead":
        monkeypatch.setattr("aru.data.images.resident", lambda images, device: None)
    return image_set(47)


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_no_step_of_a_training_waits_for_the_device(gpu, data, optimiser):
    steps = Steps(23)
    config = TrainConfig(epochs=1, batch_size=2, augment=True, optimiser=optimiser, lr=0.001)
    fit(small_net(), data, config, generator=generator(), compute=gpu, progress=steps)
    assert steps.waited == [] and steps.counted == 22


def test_no_step_of_a_descent_waits_for_the_device(gpu, data):
    steps, model = Steps(23), gpu.placed_copy(small_net())
    batches = shuffled(data, 2, generator=generator(), compute=gpu, augmented=True)
    losses = (Step(task_loss(model(images), targets)) for images, targets in batches)
    optimizer = make_optimizer(model.parameters(), OptimizerOptions(lr=0.01))
    descend(losses, optimizer, compute=gpu, generator=generator(1), step_done=counter(steps, 23, "descend"))
    assert steps.waited == [] and steps.counted == 22


def test_no_batch_of_attack_mask_and_prediction_waits_for_the_device(gpu, data):
    steps = Steps(47)
    noise = attack(
        small_net(), data, AttackConfig(steps=2, batch_size=4, start="uniform"), seed=0, compute=gpu, progress=steps
    )
    gradients(small_net(), data, MaskConfig(batch_size=4), compute=gpu, noise=noise, progress=steps)
    predict_placed(gpu.placed_copy(small_net()).eval(), data, compute=gpu, batch_size=4, progress=steps)
    assert steps.waited == [] and steps.counted == 3 * 11


@pytest.mark.parametrize("name", METHODS)
def test_every_method_runs_on_the_device_without_waits_and_leaves_the_model_as_it_was(gpu, name):
    model, waited = small_net(), []
    before, places = state(model), {parameter.device.type for parameter in model.parameters()}
    counting = register_optimizer_step_post_hook(lambda *_: waited.append(waits()))
    try:
        result = METHODS[name].function(model, sets(), quick(name), seed=0, compute=gpu)
    finally:
        counting.remove()
    if name not in READS_LABELS:
        assert sum(map(bool, waited[1:])) <= 2, waited  # where one phase of a method ends and the next begins
    assert {parameter.device.type for parameter in result.parameters()} == {"cuda"}
    assert (state(model), {parameter.device.type for parameter in model.parameters()}) == (before, places)


@pytest.fixture(scope="module")
def audited_models() -> dict[str, nn.Module]:
    """Trained before there is a device: under a pretended one it takes four times as long."""
    return {AUDITED: audited.retrained(0), ORIGINAL: audited.original(), RETRAINED: audited.retrained(1)}


def test_an_audit_measures_on_the_device_what_it_measures_on_the_cpu(audited_models, gpu, tmp_path, monkeypatch):
    monkeypatch.setattr(standard, "RelearnConfig", lambda: RelearnConfig(measured=(0, 1, 2, 4)))  # 64 steps take seconds
    config = load_config(ROOT / "params.yaml", "faces")
    found = {}
    for place, compute in (("cpu", CPU), ("gpu", gpu)):
        models = copy.deepcopy(audited_models)
        people = audited.manifest().drop(columns="true")
        case = make_case(models, audited.sets(), people, compute=compute, resamples=20, seed=0)
        found[place], _ = measure(case, "standard", AuditedModel("unlearned", "toy", config, tmp_path, method="aru"))
    assert found["cpu"].keys() == found["gpu"].keys()
    for name, expected in found["cpu"].items():
        assert type(found["gpu"][name]) is type(expected), name
        if isinstance(expected, Measurement):
            assert found["gpu"][name].figure == pytest.approx(expected.figure, abs=0.02), name


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("name", ["resnet18", "vit_tiny"])
def test_two_trainings_on_one_card_are_alike_in_both_precisions(name):
    losses = []
    for dtype in (torch.float32, torch.float32, torch.bfloat16):
        compute = Compute(make_compute(RuntimeConfig(device="cuda")).device, dtype)
        model = build(name, 8, resolution=16)
        history = fit(model, sets().retain, TrainConfig(epochs=2, batch_size=8), generator=generator(), compute=compute)
        losses.append(history[-1]["loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-3) and losses[0] == pytest.approx(losses[2], rel=0.1)
