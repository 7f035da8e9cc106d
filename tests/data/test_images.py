"""Images are decoded once and read batch by batch: exact, lean and fast beside the training step."""

import errno
import io
import os
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

from aru.compute.device import make_compute
from aru.core.config import RuntimeConfig
from aru.core.errors import InputError
from aru.data.augment import augment
from aru.data.decoding import decode_photo
from aru.data.images import ImageSet, write_images
from aru.nets.models import build
from aru.train.losses import task_loss
from tests.helpers.archives import jpeg
from tests.helpers.toys import CPU, generator


def test_decoding_equals_torchvisions_resize_and_to_tensor(tmp_path):
    contents = [jpeg(seed, side=128) for seed in range(3)]
    write_images(map(decode_photo, contents), 3, 64, tmp_path / "images.npy")
    images = np.load(tmp_path / "images.npy", mmap_mode="r")
    ours, targets = ImageSet(images, np.arange(3), torch.arange(3), 3).batch(torch.tensor([2, 0]), CPU.device)
    recipe = transforms.Compose([transforms.Resize((64, 64)), transforms.ToTensor()])
    theirs = torch.stack([recipe(Image.open(io.BytesIO(contents[row]))) for row in (2, 0)])
    assert torch.equal(ours, theirs) and targets.tolist() == [2, 0]
    assert ours.is_contiguous(memory_format=torch.channels_last)


def test_an_interrupted_decoding_leaves_nothing(tmp_path):
    def broken():
        yield decode_photo(jpeg(0))
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        write_images(broken(), 2, 16, tmp_path / "images.npy")
    assert list(tmp_path.iterdir()) == []


def test_the_array_is_the_file_that_numpy_writes(tmp_path):
    contents = [jpeg(seed, side=24) for seed in range(3)]
    write_images(map(decode_photo, contents), 3, 24, tmp_path / "images.npy")
    np.save(tmp_path / "numpys.npy", np.stack([np.asarray(decode_photo(content)) for content in contents]))
    assert (tmp_path / "images.npy").read_bytes() == (tmp_path / "numpys.npy").read_bytes()


def test_a_disk_without_room_is_named_before_a_photo_is_decoded(tmp_path, monkeypatch):
    def full(descriptor: int, offset: int, size: int) -> None:
        raise OSError(errno.ENOSPC, f"no room for {offset} + {size}")

    monkeypatch.setattr(os, "posix_fallocate", full)
    photos = iter([decode_photo(jpeg(0))] * 100)
    with pytest.raises(InputError, match=r"no room for .*images\.npy: it needs 300 MiB, the disk of .* has [\d,]+ MiB free"):
        write_images(photos, 100, 1024, tmp_path / "images.npy")
    assert len(list(photos)) == 100 and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("cannot", [errno.EOPNOTSUPP, errno.EINVAL])
def test_file_systems_that_reserve_nothing_are_written_as_they_are(tmp_path, monkeypatch, cannot):
    def refuse(*given: int) -> None:
        raise OSError(cannot, "not here")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    write_images([decode_photo(jpeg(0))], 1, 24, tmp_path / "images.npy")
    assert np.load(tmp_path / "images.npy").shape == (1, 24, 24, 3)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's account of memory")
def test_memory_does_not_grow_with_the_number_of_images(tmp_path):
    count, side = 6000, 64  # 70 MiB of pixels
    images = np.lib.format.open_memmap(tmp_path / "images.npy", mode="w+", dtype=np.uint8, shape=(count, side, side, 3))
    images[:] = 7
    images.flush()
    data = ImageSet(np.load(tmp_path / "images.npy", mmap_mode="r"), np.arange(count), torch.zeros(count, dtype=torch.long), 1)
    data.batch(torch.arange(64), CPU.device)
    before = _own_memory()
    for positions in torch.randperm(count, generator=generator()).split(64):
        data.batch(positions, CPU.device)
    assert _own_memory() - before < 16 << 20


def _own_memory() -> int:
    """Bytes that belong to this process alone; pages of a mapped file are the system's to drop."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("RssAnon:")).split()[1]) << 10


def test_at_128_px_the_input_pipeline_takes_at_most_a_tenth_of_a_training_step(tmp_path):
    """Ratio of the best of several timings in one run: a neighbour on the machine slows both."""
    count, side = 32, 128
    compute = make_compute(RuntimeConfig())
    data = ImageSet(
        np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8),
        np.arange(count),
        torch.arange(count) % 8,
        8,
    )
    model = compute.place(build("resnet18", 8)).train()
    rng = generator()

    def read() -> tuple[torch.Tensor, torch.Tensor]:
        images, targets = data.batch(torch.randperm(count, generator=rng), compute.device)
        return augment(images, generator=rng), targets

    images, targets = read()

    def learn() -> None:
        with compute.autocast():
            loss = task_loss(model(images), targets)
        loss.backward()

    reading, learning = _best(read, 5), _best(learn, 3)
    assert reading / (reading + learning) <= 0.10, f"{reading:.4f} s of {reading + learning:.4f} s"


def _best(work, times: int) -> float:
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)
