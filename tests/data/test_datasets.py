"""A caller's own data: datasets, loaders and arrays of any kind give the same batches as a loop over them."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from aru.core.errors import InputError
from aru.data.datasets import own_sets

CPU = torch.device("cpu")


class Photos(Dataset):
    """Images by number, each of one colour, as PIL images of a mode and a size (width, height)."""

    def __init__(self, count: int = 6, mode: str = "RGB", size: tuple[int, int] = (5, 4), as_mapping: bool = False) -> None:
        self.count, self.mode, self.size, self.as_mapping = count, mode, size, as_mapping

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int):
        if index >= self.count:
            raise IndexError(index)
        colour = 40 * index if self.mode == "L" else (40 * index, 7, 9)
        image = Image.new(self.mode, self.size, colour)
        return {"image": image, "label": index % 3} if self.as_mapping else (image, index % 3)


def batch_of(source, positions=(4, 1), **options):
    sets = own_sets(source, source, **options)
    return sets.retain.batch(torch.tensor(positions), CPU)


class Relabelled(Photos):
    """Items with labels of their own; `targets` are those that were stored, as torchvision's datasets have them."""

    def __init__(self, transform) -> None:
        super().__init__()
        self.targets, self.target_transform = [index % 3 for index in range(self.count)], transform

    def __getitem__(self, index: int):
        image, target = super().__getitem__(index)
        return image, (self.target_transform or (lambda label: 2 - label))(target)


@pytest.mark.parametrize("transform", [lambda label: 2 - label, None])
def test_labels_are_those_of_the_items_and_not_the_stored_ones(transform):
    source = Relabelled(transform)
    assert own_sets(source, source).forget.targets.tolist() == [2, 1, 0, 2, 1, 0]


@pytest.mark.parametrize("mode, channels, workers", [("RGB", 3, 0), ("L", 1, 0), ("L", 1, 2)])
def test_pil_images_become_channels_first_tensors(mode, channels, workers):
    images, targets = batch_of(Photos(mode=mode), workers=workers)
    assert images.shape == (2, channels, 4, 5) and images.dtype == torch.float32
    assert torch.allclose(images[:, 0, 0, 0], torch.tensor([160.0, 40.0]) / 255)
    assert targets.tolist() == [1, 1]


def sixteen_bits(kind: str) -> Image.Image:
    return Image.frombytes("I;16B" if kind == ">u2" else "I;16", (3, 1), np.array([[0, 32768, 65535]], kind).tobytes())


def see_through(mode: str) -> Image.Image:
    """Black, the left pixel transparent, the middle one half so."""
    image = Image.new("RGBA", (3, 1), (0, 0, 0, 255))
    image.putpixel((0, 0), (0, 0, 0, 0))
    image.putpixel((1, 0), (0, 0, 0, 128))
    return image.convert(mode)


def palette_with_a_hole() -> Image.Image:
    image = Image.new("P", (3, 1), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    image.putpixel((0, 0), 0)
    image.info["transparency"] = 0
    return image


@pytest.mark.parametrize(
    "image, reds",
    [
        (sixteen_bits("<u2"), [0, 128, 255]),
        (sixteen_bits(">u2"), [0, 128, 255]),
        (see_through("RGBA"), [255, 127, 0]),
        (see_through("LA"), [255, 127, 0]),
        (palette_with_a_hole(), [255, 10, 10]),
        (Image.new("1", (3, 1), 1), [255, 255, 255]),
        (Image.new("CMYK", (3, 1), (55, 0, 0, 0)), [200, 200, 200]),
        (Image.new("HSV", (3, 1), (0, 255, 90)), [90, 90, 90]),
    ],
)
def test_pictures_of_other_modes_are_what_a_viewer_shows_on_white(image, reds):
    images, _ = batch_of([(image, 0)] * 2, positions=(0,))
    assert images.shape == (1, 3, 1, 3)
    assert (images[0, 0, 0] * 255).round().tolist() == reds


@pytest.mark.parametrize("mode", ["F", "I"])
def test_pictures_that_do_not_say_what_is_white_are_refused(mode):
    bad, good = [(Image.new(mode, (3, 1)), 0)] * 2, [(Image.new("RGB", (3, 1)), 0)] * 2
    with pytest.raises(InputError, match=f"the test set has pixels of the kind {mode}, .* 8-bit RGB .*, or give tensors"):
        own_sets(good, good, test=bad)


def test_mappings_loaders_and_tuples_are_read_alike():
    plain = batch_of(Photos())[0]
    for source in (Photos(as_mapping=True), DataLoader(Photos(), batch_size=2, shuffle=True)):
        assert torch.equal(batch_of(source)[0], plain)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 16])
def test_arrays_of_any_number_of_channels_and_either_layout(channels):
    values = torch.rand(6, channels, 4, 5)
    labels = torch.arange(6) % 3
    expected = values[[4, 1]]
    as_numpy = (values.permute(0, 2, 3, 1).numpy(), labels.numpy())
    for source in ((values, labels), TensorDataset(values, labels), as_numpy):
        assert torch.equal(batch_of(source)[0], expected)


def test_floats_are_brought_from_their_bounds_to_the_unit_interval():
    values = torch.rand(6, 3, 4, 5) * 2 - 1
    images, _ = batch_of((values, torch.arange(6) % 3), bounds=(-1.0, 1.0))
    assert torch.allclose(images, (values[[4, 1]] + 1) / 2)


def test_token_ids_stay_whole_numbers():
    tokens = torch.randint(0, 100, (6, 9))
    images, _ = batch_of((tokens, torch.arange(6) % 2))
    assert torch.equal(images, tokens[[4, 1]])


def test_the_sets_share_one_storage_and_count_their_outputs():
    sets = own_sets(Photos(3), Photos(6), test=Photos(2))
    assert [len(part) for part in (sets.forget, sets.retain, sets.test, sets.unseen)] == [3, 6, 2, 0]
    assert sets.retain.outputs == 3 and len(sets.train) == 9
    assert torch.equal(
        sets.train.batch(torch.tensor([0, 4]), CPU)[0],
        torch.stack([sets.forget.batch(torch.tensor([0]), CPU)[0][0], sets.retain.batch(torch.tensor([1]), CPU)[0][0]]),
    )
    assert sets.retain.take(np.array([2])).batch(torch.tensor([0]), CPU)[1].tolist() == [2]
    assert sets.retain.shape == (3, 4, 5)


def test_several_labels_are_columns():
    labels = torch.tensor([[0, 1], [1, 1], [1, 0]])
    sets = own_sets((torch.rand(3, 3, 4, 4), labels), (torch.rand(3, 3, 4, 4), labels))
    assert sets.retain.outputs == 2 and sets.retain.targets.dtype == torch.float32


def test_a_set_too_large_for_memory_is_read_batch_by_batch(monkeypatch):
    whole = batch_of(Photos())[0]
    monkeypatch.setattr("aru.data.datasets.IN_MEMORY", 10)
    reads = []
    monkeypatch.setattr(Photos, "__getitem__", _counted(Photos.__getitem__, reads))
    sets = own_sets(Photos(), Photos())
    before = len(reads)
    assert torch.equal(sets.retain.batch(torch.tensor([4, 1]), CPU)[0], whole)
    assert len(reads) - before == 2, "two images of the batch, no others"


def _counted(plain, reads):
    def getitem(self, index):
        reads.append(index)
        return plain(self, index)

    return getitem


class Endless(IterableDataset):
    """No items by number."""

    def __iter__(self):
        yield from ()


class Restless(Photos):
    """Another picture at each look, as by random transforms."""

    looks = 0

    def __getitem__(self, index):
        self.looks += 1
        return Image.new("RGB", (4, 4), (self.looks, 0, 0)), 0


class Ragged(Photos):
    """Each image of another size."""

    def __getitem__(self, index):
        if index >= self.count:
            raise IndexError(index)
        return Image.new("RGB", (4 + index, 4)), 0


GOOD = (torch.rand(4, 3, 4, 4), torch.arange(4) % 2)


@pytest.mark.parametrize(
    "source, options, said",
    [
        (Endless(), {}, "map-style"),
        (Restless(), {}, "augment="),
        (Ragged(), {}, "resize them"),
        (Photos(0), {}, "retain set is empty"),
        (7, {}, "is a int: give a map-style dataset"),
        ((torch.rand(3, 3, 4, 4), torch.arange(2)), {}, "3 inputs and 2 targets"),
        ((torch.rand(3, 3, 4, 4) * 3, torch.arange(3)), {}, "outside bounds"),
        ((torch.rand(3, 17, 4, 4), torch.arange(3)), {}, "1 to 16 channels"),
        ((torch.rand(3, 3, 4, 4), torch.tensor([0, -1, 2])), {}, "from -1 to 2"),
        ((torch.rand(3, 3, 4, 4), torch.arange(3)), {"outputs": 2}, "the model has 2 outputs"),
        ((torch.rand(3, 3, 4, 4), torch.arange(3)), {"bounds": (1.0, 0.0)}, "bounds are"),
        ([(Image.new("RGB", (4, 4)),)] * 3, {}, r"\(input, target\) is needed"),
        ([{"picture": 1}] * 3, {}, "keys picture"),
    ],
)
def test_what_cannot_be_read_is_named_with_the_remedy(source, options, said):
    with pytest.raises(InputError, match=said):
        own_sets(GOOD, source, **options)
