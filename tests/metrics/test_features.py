"""Spectra of activation maps, filtered and corrupted images."""

import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from aru.core.errors import InputError
from aru.data.images import ImageSet
from aru.metrics.representation.feature_use import band_powers, evenness, feature_use
from aru.metrics.representation.filtering import (
    blur,
    contrast,
    corruptions,
    filter_sensitivity,
    frequencies,
    gaussian_noise,
    high_pass,
    low_pass,
)
from aru.nets.models import build
from tests.helpers.toys import CPU, generator, image_set, small_net
from tests.helpers.untouched import untouched

SIDE = 32


def wave(cycles: float, *, side: int = SIDE, vertical: bool = False) -> torch.Tensor:
    """(1, 1, side, side): a cosine of so many cycles a pixel."""
    line = torch.cos(2 * torch.pi * cycles * torch.arange(side))
    wide = line.expand(side, side)
    return (wide.T if vertical else wide)[None, None]


def band_sizes(height: int, width: int) -> list[int]:
    radius = frequencies(height, width)
    return [int(((radius > low) & (radius <= high)).sum()) for low, high in pairwise((0, 1 / 8, 1 / 4, 3 / 8, 1))]


@pytest.mark.parametrize(
    "cycles, band",
    [(1 / 32, 0), (4 / 32, 0), (5 / 32, 1), (8 / 32, 1), (10 / 32, 2), (12 / 32, 2), (13 / 32, 3), (16 / 32, 3)],
)
@pytest.mark.parametrize("vertical", [False, True])
def test_a_wave_has_its_power_in_its_band(cycles: float, band: int, vertical: bool) -> None:
    maps, sizes = 7 + 3 * wave(cycles, vertical=vertical), band_sizes(SIDE, SIDE)
    energy = band_powers(maps)[0] * torch.tensor(sizes)
    assert energy[band] == pytest.approx(float((maps - 7).square().sum()), rel=1e-4)  # Parseval; the mean counts nothing
    assert float(energy.sum() - energy[band]) == pytest.approx(0, abs=1e-3)


def test_diagonals_are_finer_than_their_rows() -> None:
    row, column = wave(10 / 32), wave(10 / 32, vertical=True)
    assert band_powers(row * column)[0].argmax() == 3 != band_powers(row)[0].argmax()


def test_powers_are_means_over_the_single_coefficients() -> None:
    maps = torch.randn(2, 3, 9, 12, generator=generator())
    naive = np.zeros((2, 4))
    for image, channel in np.ndindex(2, 3):
        power = np.abs(np.fft.fft2(maps[image, channel].double().numpy())) ** 2 / (9 * 12)
        for i, j in np.ndindex(9, 12):
            radius = np.hypot(min(i, 9 - i) / 9, min(j, 12 - j) / 12)
            if radius > 0:
                naive[image, np.searchsorted([1 / 8, 1 / 4, 3 / 8], radius - 1e-9)] += power[i, j]
    assert band_powers(maps).numpy() == pytest.approx(naive / band_sizes(9, 12), rel=1e-5)


def test_bands_that_small_maps_do_not_hold_are_missing() -> None:
    assert torch.isnan(band_powers(torch.randn(1, 2, 4, 4)))[0].tolist() == [True, False, False, False]
    assert torch.isnan(band_powers(torch.randn(1, 2, 8, 8)))[0].tolist() == [False] * 4
    for no_map in (torch.randn(3, 5), torch.randn(3, 2, 1, 1), torch.randn(3, 7, 2)):
        assert band_powers(no_map).shape == (3, 4) and torch.isnan(band_powers(no_map)).all()


@pytest.mark.parametrize("value", [0.0, 3.3, -1e4])
def test_constant_maps_have_no_power(value: float) -> None:
    assert band_powers(torch.full((1, 3, 12, 11), value)).tolist() == [[0.0] * 4]


def test_tokens_are_a_grid_with_or_without_a_class_token() -> None:
    maps = torch.randn(2, 5, 8, 8, generator=generator())
    tokens = maps.flatten(2).transpose(1, 2)
    with_class = torch.cat([torch.full((2, 1, 5), 99.0), tokens], dim=1)
    assert torch.equal(band_powers(tokens), band_powers(maps))
    assert torch.equal(band_powers(with_class), band_powers(maps))


def test_evenness_from_one_band_to_all() -> None:
    nan = np.nan
    rows = np.array([[2.0, 2, 2, 2], [5, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]])
    assert evenness(rows) == pytest.approx([1, 0, np.log(2) / np.log(4), nan], nan_ok=True)
    assert evenness(np.array([[nan, 3.0, 3.0, 3.0]])) == pytest.approx([1])
    shares = np.array([0.5, 0.25, 0.15, 0.1])
    assert evenness(8 * shares[None])[0] == pytest.approx(-(shares * np.log(shares)).sum() / np.log(4))


class Stage(nn.Module):
    """One convolution with a given kernel, and a classifier that looks at the energy of its map."""

    def __init__(self, kernel: list[float]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 1, (1, len(kernel)), bias=False, padding="same", padding_mode="circular")
        self.fc = nn.Linear(1, 8)
        with torch.no_grad():
            self.conv.weight.copy_(torch.tensor(kernel).expand(1, 3, 1, -1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.fc(self.conv(images).square().mean(dim=(2, 3)))


def test_a_smoothing_stage_is_less_even_than_one_that_passes_all() -> None:
    data, people = image_set(24, side=SIDE), np.repeat(np.arange(8), 3)
    models = {"original": Stage([1 / 9] * 9), "unlearned": Stage([0, 1, 0]), "retrained": Stage([1 / 9] * 9)}
    with untouched(*models.values()):
        result = feature_use(models, data, compute=CPU, seed=0, subjects=people, resamples=200)
    assert json.loads(json.dumps(result, allow_nan=False)) == result  # a file can hold it
    figures = result["models"]
    assert result["bands"] == [1 / 8, 1 / 4, 3 / 8, None] and list(figures["original"]["layers"]) == ["conv"]  # fc has no map
    assert figures["original"] | {"gaps": 0} == figures["retrained"] | {"gaps": 0}
    gap = figures["unlearned"]["gaps"]["original"]
    assert gap["gap"] == pytest.approx(figures["unlearned"]["evenness"] - figures["original"]["evenness"])
    assert 0.05 < gap["gap_interval"][0] < gap["gap"] < gap["gap_interval"][1]
    assert figures["retrained"]["gaps"]["original"] == {"gap": 0.0, "gap_interval": [0.0, 0.0]}
    assert figures["unlearned"]["layers"]["conv"]["shares"] == pytest.approx([0.25] * 4, abs=0.02)  # random pixels
    assert figures["unlearned"]["evenness"] > 0.99


def test_the_model_is_as_even_as_its_layers_on_average() -> None:
    model, data = build("resnet18", 8, resolution=128), image_set(4, side=128)
    figures = feature_use({"original": model}, data, compute=CPU, seed=0, resamples=100)["models"]["original"]
    assert list(figures["layers"]) == ["conv1", "layer1", "layer2", "layer3", "layer4"]
    assert figures["layers"]["layer4"]["shares"][0] is None  # 4 x 4 pixels
    assert figures["evenness"] == pytest.approx(np.mean([layer["evenness"] for layer in figures["layers"].values()]))
    assert figures["gaps"] == {}


def test_dead_maps_have_no_evenness() -> None:
    figures = feature_use({"original": Stage([0.0])}, image_set(4), compute=CPU, seed=0, resamples=100)["models"]["original"]
    assert figures["layers"]["conv"] == {"shares": [None] * 4, "evenness": None}
    assert figures["evenness"] is None and figures["interval"] is None


def test_models_without_maps_and_diverged_ones_are_named() -> None:
    with pytest.raises(InputError, match="answers with maps"):
        feature_use({"original": nn.Sequential(nn.Flatten(), nn.Linear(768, 8))}, image_set(4), compute=CPU, seed=0)
    with pytest.raises(InputError, match="diverged"):
        feature_use({"original": Stage([float("nan")])}, image_set(4), compute=CPU, seed=0)


# Filters -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("radius", [1 / 32, 0.2, 0.5])
def test_low_and_high_part_the_image(radius: float) -> None:
    images = torch.rand(2, 3, 24, 31, generator=generator())
    low, high = low_pass(images, radius), high_pass(images, radius)
    mean = images.mean(dim=(2, 3), keepdim=True)
    assert torch.allclose(low + high - mean, images, atol=1e-5)
    assert torch.allclose(low.mean(dim=(2, 3)), mean[..., 0, 0], atol=1e-5)
    assert torch.allclose(low_pass(low, radius), low, atol=1e-5)
    assert torch.allclose(low_pass(high, radius), mean.expand_as(images), atol=1e-5)


def test_filters_pass_and_stop_waves() -> None:
    coarse, fine = wave(2 / 32), wave(9 / 32, vertical=True)
    assert torch.allclose(low_pass(coarse + fine, 0.125), coarse, atol=1e-5)
    assert torch.allclose(high_pass(coarse + fine, 0.125), fine, atol=1e-5)
    assert torch.allclose(low_pass(coarse + fine, 0.71), coarse + fine, atol=1e-5)


def test_blur_is_the_convolution_with_a_gaussian() -> None:
    point = torch.zeros(1, 1, 32, 32)
    point[0, 0, 16, 16] = 1
    distance = (torch.arange(32) - 16.0) ** 2
    bell = torch.exp(-(distance[:, None] + distance[None]) / (2 * 2.0**2))
    assert torch.allclose(blur(point, 2)[0, 0], bell / bell.sum(), atol=1e-6)


def test_contrast_and_noise_by_hand() -> None:
    images = torch.tensor([0.2, 0.4, 0.6]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    assert torch.allclose(contrast(images, 0.5)[0, :, 0, 0], torch.tensor([0.3, 0.4, 0.5]))
    grey = torch.full((4, 3, 50, 50), 0.5)
    noisy = gaussian_noise(grey, 0.1, generator=generator())
    assert (noisy - grey).std().item() == pytest.approx(0.1, rel=0.02)
    assert gaussian_noise(torch.ones(1, 3, 9, 9), 0.1, generator=generator()).max() == 1
    make = corruptions(0)["noise 0.1"]
    first, fresh = make(), make()
    assert torch.equal(first(grey), fresh(grey)) and not torch.equal(first(grey), make()(grey))


class Wavelength(nn.Module):
    """Class 1 where the images hold energy at `cycles`, else 0: a model that rests on one frequency."""

    def __init__(self, cycles: float) -> None:
        super().__init__()
        self.probe = nn.Parameter(wave(cycles), requires_grad=False)
        self.fc = nn.Linear(1, 2)
        with torch.no_grad():
            self.fc.weight.copy_(torch.tensor([[-1.0], [1]]))
            self.fc.bias.copy_(torch.tensor([10.0, -10]))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.fc((images * self.probe).sum(dim=(1, 2, 3))[:, None])


def waves() -> tuple[ImageSet, np.ndarray]:
    """Half of the images hold a coarse wave and a fine one, half are grey."""
    picture = (128 + 50 * wave(2 / 32) + 50 * wave(9 / 32))[0, 0].numpy()
    pixels = np.stack([np.full((SIDE, SIDE), 128), picture]).astype(np.uint8)[np.arange(20) % 2]
    targets = torch.from_numpy(np.arange(20) % 2)
    return ImageSet(np.repeat(pixels[..., None], 3, axis=3), np.arange(20), targets, 2), np.repeat(np.arange(5), 4)


@pytest.fixture(scope="module")
def sensitivity() -> dict:
    data, people = waves()
    models = {"original": Wavelength(9 / 32), "unlearned": Wavelength(2 / 32), "retrained": Wavelength(2 / 32)}
    with untouched(*models.values()):
        return filter_sensitivity(
            models, data, compute=CPU, seed=0, subjects=people, radii=(1 / 32, 1 / 8, 1 / 2), resamples=200
        )


def test_accuracy_falls_where_the_frequency_goes_on_which_it_rests(sensitivity: dict) -> None:
    def found(key: str, model: str) -> list[float]:
        return [entry[model]["share"] for entry in sensitivity[key]]

    assert sensitivity["radii"] == [1 / 32, 1 / 8, 1 / 2]
    assert {entry["share"] for entry in sensitivity["clean"].values()} == {1.0}
    assert found("low_pass", "original") == [0.5, 0.5, 1] and found("low_pass", "unlearned") == [0.5, 1, 1]
    assert found("high_pass", "original") == [1, 1, 0.5] and found("high_pass", "unlearned") == [1, 0.5, 0.5]
    assert sensitivity["low_pass"][1]["original"]["gap"] == -0.5
    corrupted = sensitivity["corruptions"]
    assert corrupted["blur 2"]["original"]["share"] == 0.5 and corrupted["blur 2"]["unlearned"]["share"] == 1
    assert set(corrupted) == {"noise 0.05", "noise 0.1", "blur 1", "blur 2", "contrast 0.5", "contrast 0.25"}


def test_same_seed_same_noise() -> None:
    data, model = image_set(12), small_net()
    first, second = (
        filter_sensitivity({"original": model}, data, compute=CPU, seed=3, radii=(0.2,), resamples=100) for _ in range(2)
    )
    assert json.loads(json.dumps(first, allow_nan=False)) == first == second
