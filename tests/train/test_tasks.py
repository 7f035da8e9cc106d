"""ARU on other tasks than classification: the loss is all it reads."""

import pytest
import torch
from torch import nn
from torchvision.models import detection, segmentation

from aru.core.errors import InputError
from aru.data.images import Sets
from aru.data.structured import structured_sets
from aru.methods.aru.finetuning import finetune_loss
from aru.methods.aru.pipeline import Unlearned, unlearn
from aru.methods.aru.presets import AruConfig
from aru.nets.models import batchnorms
from aru.train.losses import task_loss
from aru.train.tasks import CLASSIFICATION, DETECTION, SEGMENTATION, Task, sample_losses
from tests.helpers.toys import CPU, generator, image_set, sets, small_net

CONFIG = AruConfig.model_validate(
    {
        "attack": {"steps": 2},
        "mask": {"batchnorm": "eval", "ratio": 0.5},
        "finetune": {"epochs": 1, "batch_size": 4, "augment": False, "lr": 0.001},
    }
)


def masks(count: int, side: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Images whose bright pixels are of class 1."""
    images = torch.rand(count, 3, side, side, generator=generator())
    return [(image, (image[0] > 0.5).long()) for image in images]


def boxes(count: int, side: int) -> list[tuple[torch.Tensor, dict[str, torch.Tensor]]]:
    """Images of noise with one bright square each."""
    found, random = [], generator()
    for number in range(count):
        image, at = 0.5 * torch.rand(3, side, side, generator=random), number % (side // 2)
        image[:, at : at + side // 2, at : at + side // 2] = 1
        found.append((image, {"boxes": torch.tensor([[at, at, at + side / 2, at + side / 2]]), "labels": torch.tensor([1])}))
    return found


def four(items: list) -> Sets:
    return structured_sets(items[:3], items[3:9], items[9:10], items[10:12], outputs=3)


def segmenter(name: str) -> nn.Module:
    torch.manual_seed(0)
    return getattr(segmentation, name)(weights=None, weights_backbone=None, num_classes=3).eval()


def detector(name: str, side: int) -> nn.Module:
    torch.manual_seed(0)
    model = getattr(detection, name)(weights=None, weights_backbone=None, num_classes=3).eval()
    if name.startswith("ssd"):
        model.transform.fixed_size = (side, side)
    else:
        model.transform.min_size, model.transform.max_size = (side,), side
    return with_statistics(model, boxes(4, side))


def with_statistics(model: nn.Module, items: list) -> nn.Module:
    """BatchNorm's statistics from a batch: those of a fresh network make a deep detector blind to its input."""
    for module in batchnorms(model):
        module.momentum = 1.0
    with torch.no_grad():
        model.train()([image for image, _ in items], [target for _, target in items])
    return model.eval()


def check(model: nn.Module, data: Sets, task: Task, result: Unlearned) -> None:
    """The noise is within its bounds and works; only masked units differ after the reset; the model given is as it was."""
    assert result.noise.shape == (3, *data.forget.shape) and 0 < result.noise.abs().max() <= CONFIG.attack.eps
    assert any(part.any() for part in result.mask.values())
    assert all(torch.isfinite(score).all() for score in result.scores.values())
    assert result.history[0].keys() == {"epoch", "loss", "lr"}
    inputs, targets = data.forget.batch(torch.arange(3), CPU.device)
    with torch.no_grad():
        before, after = (task.summed(model, images, targets) for images in (inputs, inputs + result.noise))
    if isinstance(model, detection.FasterRCNN):  # its loss jumps where noise changes which boxes are proposed: it may fall
        assert after != before
    else:
        assert after > before
    assert sample_losses(result.model, data.unseen, task, compute=CPU).shape == (2,)


@pytest.mark.parametrize("name", ["lraspp_mobilenet_v3_large", "fcn_resnet50"])
def test_segmentation_models_go_through_aru(name: str) -> None:
    model, data = segmenter(name), four(masks(12, 32))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    result = unlearn(model, data, CONFIG, seed=0, compute=CPU, task=SEGMENTATION)
    check(model, data, SEGMENTATION, result)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    predicted = SEGMENTATION.predict(result.model, data.test.batch(torch.arange(1), CPU.device)[0])
    assert predicted.shape == (1, 32, 32) and predicted.dtype == torch.int64


@pytest.mark.parametrize("name", ["ssdlite320_mobilenet_v3_large", "fasterrcnn_mobilenet_v3_large_320_fpn"])
def test_detection_models_go_through_aru(name: str) -> None:
    model, data = detector(name, 64), four(boxes(12, 64))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    result = unlearn(model, data, CONFIG, seed=0, compute=CPU, task=DETECTION)
    check(model, data, DETECTION, result)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert not any(module.training for module in model.modules())
    assert DETECTION.predict(result.model, data.test.batch(torch.arange(1), CPU.device)[0])[0].keys() >= {"boxes", "scores"}


def test_a_detector_that_draws_boxes_has_one_loss_in_evaluation_mode() -> None:
    model, data = detector("fasterrcnn_mobilenet_v3_large_320_fpn", 64), four(boxes(12, 64))
    state = torch.get_rng_state()
    first = DETECTION.losses(model, *data.forget.batch(torch.arange(3), CPU.device))
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(5)
    assert torch.equal(DETECTION.losses(model, *data.forget.batch(torch.arange(3), CPU.device)), first)


def test_a_detectors_loss_leaves_batchnorm_in_its_mode() -> None:
    model, data = detector("ssdlite320_mobilenet_v3_large", 64), four(boxes(12, 64))
    inputs, targets = data.forget.batch(torch.arange(2), CPU.device)
    statistics = {name: value.clone() for name, value in model.named_buffers()}
    loss = DETECTION.losses(model, inputs, targets)
    with torch.no_grad():
        parts = model.train()(list(inputs), targets)  # BatchNorm by the batch: another loss
    assert loss.ndim == 0 and loss.item() != sum(parts.values()).item()
    model = detector("ssdlite320_mobilenet_v3_large", 64)
    DETECTION.losses(model, inputs, targets)
    assert all(torch.equal(value, statistics[name]) for name, value in model.named_buffers())


def test_classification_by_a_callers_loss_equals_the_default() -> None:
    def loss(model: nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return nn.functional.cross_entropy(model(inputs), targets, reduction="none")

    own = Task("mine", loss, lambda model, inputs: model(inputs))
    config = CONFIG.model_copy(update={"finetune": CONFIG.finetune.model_copy(update={"epochs": 0})})
    results = [unlearn(small_net(), sets(), config, seed=0, compute=CPU, task=task) for task in (CLASSIFICATION, own)]
    assert torch.equal(results[0].noise, results[1].noise)
    for name, score in results[0].scores.items():
        torch.testing.assert_close(results[1].scores[name], score)


def test_a_mean_loss_weighs_as_its_samples_do() -> None:
    model, data = small_net().eval(), image_set(6)
    inputs, targets = data.batch(torch.arange(6), CPU.device)
    mean = Task("mean", lambda model, inputs, targets: task_loss(model(inputs), targets), lambda model, inputs: None)
    torch.testing.assert_close(mean.summed(model, inputs, targets), CLASSIFICATION.summed(model, inputs, targets))
    torch.testing.assert_close(
        sample_losses(model, data, mean, compute=CPU), sample_losses(model, data, CLASSIFICATION, compute=CPU)
    )


def test_a_loss_of_another_shape_is_refused() -> None:
    task = Task("pixels", lambda model, inputs, targets: torch.zeros(len(inputs), 4), lambda model, inputs: None)
    with pytest.raises(InputError, match=r"task 'pixels' returns \(2, 4\) for a batch of 2: return one loss a sample"):
        task.losses(small_net(), torch.zeros(2, 3, 16, 16), None)


def test_distillation_needs_classes() -> None:
    config = CONFIG.finetune.model_copy(update={"distillation": 0.5})
    with pytest.raises(InputError, match="not defined for task 'segmentation'"):
        finetune_loss(small_net(), config, compute=CPU, task=SEGMENTATION)
