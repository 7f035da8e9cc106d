"""Images on a device: the values of the CPU on either way, one upload an array, and none where it does not fit."""

import gc
from dataclasses import replace

import pytest
import torch

from aru.core.errors import TrainingError
from aru.data import resident as resident_module
from aru.data.resident import resident
from aru.train.finite import LossWatch
from tests.helpers.pretend_cuda import FREE_MEMORY, pretended
from tests.helpers.toys import CPU, image_set

PARTS = [torch.tensor([3, 1, 4]), torch.tensor([9, 2]), torch.tensor([1, 5, 8]), torch.tensor([7])]


@pytest.mark.parametrize("free, fits", [(FREE_MEMORY, True), (20 * 16 * 16 * 3 * 2, True), (20 * 16 * 16 * 3 * 2 - 1, False)])
def test_batches_are_those_of_the_cpu_whether_the_array_fits_or_not(monkeypatch, free, fits):
    whole = image_set(20)
    data = replace(whole, rows=whole.rows[5:][::-1], targets=whole.targets[5:].flip(0))
    expected = [data.batch(part, CPU.device) for part in PARTS]
    with pretended() as device:
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, FREE_MEMORY))
        assert (resident(data.images, device) is not None) == fits
        found = [(images.cpu(), targets.cpu()) for images, targets in data.batches(PARTS, device)]
        alone = [tuple(tensor.cpu() for tensor in data.batch(part, device)) for part in PARTS]
    for batches in (found, alone):
        assert len(batches) == len(PARTS)
        for (images, targets), (true_images, true_targets) in zip(batches, expected, strict=True):
            assert torch.equal(images, true_images) and torch.equal(targets, true_targets)


def test_an_array_is_uploaded_once_in_pieces_and_goes_with_its_owner(monkeypatch):
    monkeypatch.setattr(resident_module, "_PIECE", 3 * 16 * 16 * 3)
    data = image_set(20)
    before = len(resident_module._resident)
    with pretended() as device:
        there = resident(data.images, device)
        assert resident(data.take(data.rows[:3]).images, device) is there and resident(data.images, CPU.device) is None
        assert torch.equal(there.cpu(), torch.from_numpy(data.images))
        assert len(resident_module._resident) == before + 1
        del data
        gc.collect()
        assert len(resident_module._resident) == before


def test_a_pass_that_is_left_early_ends_its_reader(monkeypatch):
    monkeypatch.setattr("aru.data.images.resident", lambda images, device: None)
    data = image_set(20)
    with pretended() as device:
        batches = data.batches(PARTS, device)
        next(batches)
        batches.close()
        with pytest.raises(IndexError):
            list(replace(data, rows=data.rows + 15).batches(PARTS, device))


def test_a_loss_that_is_not_finite_is_told_for_the_step_at_which_it_was_looked_at():
    def told(steps: int) -> str:
        watch = LossWatch("the loss", lambda number: f" at step {number}")
        with pytest.raises(TrainingError) as error:
            total = torch.zeros((), device=device)
            for number in range(1, steps + 1):
                if number == 15:
                    total += torch.inf
                watch.step(total, number)
            watch.last(total, steps)
        return f"{error.value}, found after {number}"

    with pretended() as device:
        assert told(50) == "the loss is inf at step 20, found after 40"
        assert told(25) == "the loss is inf at step 20, found after 25"
        assert told(18) == "the loss is inf at step 18, found after 18"
    device = CPU.device
    assert told(50) == "the loss is inf at step 20, found after 20"
