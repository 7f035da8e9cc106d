"""Training shared by processes: the weights and the history of one process with the same batches, to rounding.

Compared in float64, where rounding stays at 1e-14: in float32 a network with BatchNorm on few values amplifies it, in two
processes as between two kernels of one.
"""

import copy
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from aru.compute import distributed
from aru.compute.distributed import ALONE, Group
from aru.core.config import FinetuneConfig, TrainConfig
from aru.core.errors import InputError
from aru.data.images import ImageSet
from aru.methods.aru.finetuning import finetune
from aru.train.checkpoint import Checkpoint
from aru.train.loop import fit
from tests.helpers.grouped import in_group
from tests.helpers.toys import CPU, generator, image_set, same_weights, small_net

CONFIG = TrainConfig(epochs=2, batch_size=16, lr=0.05, weight_decay=0.01, schedule="cosine", augment=True)
DATA = image_set(50, side=24)  # the last batch has two images, of which a third process has none
ROUNDING = 1e-9


class InDouble(nn.Module):
    """A SmallNet in float64, with a second kind of BatchNorm, a layer that is not used and one that is not trained."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.net = small_net()
            self.head = nn.Sequential(nn.BatchNorm1d(8, momentum=None), nn.Linear(8, 8))
            self.unused, self.fixed = nn.Linear(2, 2), nn.Linear(8, 8).requires_grad_(False)
        self.double()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.fixed(self.head(self.net(images.double())))


def loss(model: nn.Module, images: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    logits = model(images)
    return functional.cross_entropy(logits, targets), logits


def trained(group: Group = ALONE, data: ImageSet = DATA, **options: Any) -> dict[str, Any]:
    model = InDouble()
    history = fit(model, data, CONFIG, generator=generator(), compute=CPU, loss=loss, group=group, **options)
    assert all(type(module).__module__ == "torch.nn.modules.batchnorm" for module in (model.net.bn1, model.head[0]))
    return {"weights": model.state_dict(), "history": history}


def distance(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    assert list(one) == list(other)
    return max(float((one[name] - other[name]).abs().max()) for name in one)


FAULTS = ("BatchNorm of the share alone", "uneven shares that count alike", "augmentation of the share alone")


def data_of(fault: str) -> ImageSet:
    return DATA.take(np.arange(48)) if "BatchNorm" in fault else DATA  # on its own a share of one image would be refused


def faulty(fault: str, group: Group) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        if "BatchNorm" in fault:
            patch.setattr(distributed, "synced_batchnorms", lambda *_: nullcontext())
        elif "uneven" in fault:
            patch.setattr(Group, "part", lambda self, value, images, count: value)
            patch.setattr(Group, "share", lambda self, count: slice(0, 3) if self.rank == 0 else slice(3, count))
        else:
            whole = ImageSet.augment
            patch.setattr(ImageSet, "augment", lambda *given, generator, **_: whole(*given, generator=generator))
        return trained(group, data_of(fault))


def tuned(group: Group = ALONE) -> dict[str, torch.Tensor]:
    """A fine-tune with a teacher, in float32."""
    model, config = small_net(1), FinetuneConfig(epochs=1, batch_size=16, distillation=0.5, augment=True)
    finetune(model, small_net(2), DATA, config, seed=0, compute=CPU, group=group)
    return model.state_dict()


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of two processes finds: all in one pair, as a fork of the tests' process is most of the time."""

    def work(group: Group) -> dict[str, Any]:
        with pytest.raises(InputError) as refusal:
            group.check_same(group.rank)
        found = {"right": trained(group), "tuned": tuned(group), "refusal": str(refusal.value)}
        return found | {fault: faulty(fault, group) for fault in FAULTS}

    return in_group(2, tmp_path_factory.mktemp("two") / "group", work)


@pytest.mark.parametrize("size", [2, 3])
def test_processes_that_share_a_training_end_where_one_ends(two: list[dict[str, Any]], tmp_path: Path, size: int) -> None:
    one, start = trained(), InDouble().state_dict()
    assert distance(start, one["weights"]) > 0.05
    for found in [each["right"] for each in two] if size == 2 else in_group(size, tmp_path / "group", trained):
        assert distance(one["weights"], found["weights"]) < ROUNDING
        assert torch.equal(start["unused.weight"], found["weights"]["unused.weight"])  # not even by weight decay
        for row, own in zip(one["history"], found["history"], strict=True):
            assert row == pytest.approx(own, rel=1e-6)  # its sums are float32


@pytest.mark.parametrize("fault", FAULTS)
def test_it_would_be_seen_if_they_did_not(two: list[dict[str, Any]], fault: str) -> None:
    one = trained(data=data_of(fault))
    assert all(distance(one["weights"], found[fault]["weights"]) > 1000 * ROUNDING for found in two)


def test_a_fine_tune_with_a_teacher_in_float32_is_shared_too(two: list[dict[str, Any]]) -> None:
    one = tuned()
    for found in two:
        assert distance(one, found["tuned"]) < 1e-5 < distance(small_net(1).state_dict(), one)


def test_they_do_not_begin_at_different_epochs(two: list[dict[str, Any]]) -> None:
    assert all(found["refusal"].startswith("the processes would go on after 0 and 1 epochs") for found in two)


def test_interrupted_they_go_on_from_the_checkpoint_of_the_first_and_count_the_time_of_all(
    two: list[dict[str, Any]], tmp_path: Path
) -> None:
    path = tmp_path / "train.pt"

    def checkpoint() -> Checkpoint:
        return Checkpoint(path, "key", every_seconds=0)

    def interrupted(group: Group) -> dict[str, Any]:
        def interrupt(done: int, total: int, text: str) -> None:
            if "epoch 2" in text:
                raise KeyboardInterrupt

        return trained(group, checkpoint=checkpoint(), progress=interrupt)

    first, second = in_group(2, tmp_path / "interrupted", interrupted)
    assert first.startswith("KeyboardInterrupt") and second.startswith("RuntimeError")  # it has nobody to go on with
    spent = torch.load(path, weights_only=True)["spent"]["cpu_seconds"]

    def resumed(group: Group) -> dict[str, Any]:
        epochs: list[str] = []
        kept = checkpoint()
        found = trained(group, checkpoint=kept, progress=lambda done, total, text: epochs.append(text))
        own = kept.clock.own_cpu_seconds
        group.count_cpu(kept.clock)
        return found | {"epochs": epochs, "own": own, "all": kept.clock.cpu_seconds}

    first, second = in_group(2, tmp_path / "resumed", resumed)
    assert all("epoch 2" in text for text in first["epochs"]) and first["epochs"] and second["epochs"] == []
    for found, own in zip((first, second), [each["right"] for each in two], strict=True):
        assert distance(found["weights"], own["weights"]) == 0 and found["history"] == own["history"]
    assert first["all"] == pytest.approx(spent + first["own"] + second["own"], abs=0.05)


def test_a_batchnorm_of_an_unknown_kind_is_refused_by_name() -> None:
    class Own(nn.BatchNorm2d):
        pass

    model = nn.Sequential(nn.BatchNorm2d(3), Own(3))
    with pytest.raises(InputError, match="module 1 is a Own"), Group(0, 2).parallel(model):
        pass
    assert type(model[0]) is nn.BatchNorm2d


def test_on_a_gpu_it_is_pytorchs_synchronised_batchnorm() -> None:
    model = small_net()
    images, before = torch.rand(4, 3, 16, 16), copy.deepcopy(model)
    with distributed.synced_batchnorms(model, torch.device("cuda", 1)):
        assert isinstance(model.bn1, nn.SyncBatchNorm)
        assert torch.equal(model(images), before(images))  # in evaluation mode, which needs no GPU
    assert type(model.bn1) is type(before.bn1) and vars(model.bn1).keys() == vars(before.bn1).keys()
    assert same_weights(model, before)


@pytest.mark.parametrize("size", [1, 2, 3, 8])
@pytest.mark.parametrize("count", [2, 7, 16, 65])
def test_shares_are_parts_of_the_batch_as_even_as_can_be(size: int, count: int) -> None:
    parts = [list(range(count))[Group(rank, size).share(count)] for rank in range(size)]
    assert [image for part in parts for image in part] == list(range(count))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    weights = [float(Group(rank, size).part(torch.tensor(1.0), len(part), count)) for rank, part in enumerate(parts)]
    assert sum(weights) / size == pytest.approx(1)  # DistributedDataParallel takes the mean


def test_one_process_alone_pays_nothing() -> None:
    value, model = torch.tensor(2.0, requires_grad=True), small_net()
    assert ALONE.part(value, 3, 3) is value and ALONE.total(value) is value
    with ALONE.parallel(model) as called:
        assert called is model
