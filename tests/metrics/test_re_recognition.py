"""Re-recognition: the ball in which a linear model finds a label is known."""

import numpy as np
import pytest
import torch
from torch import nn

from aru.core.errors import InputError
from aru.data.images import ImageSet
from aru.metrics.relearning.re_recognition import re_recognition
from tests.helpers.toys import CPU
from tests.helpers.untouched import untouched


def linear(offset: float) -> nn.Module:
    """Says 1 where the mean of the pixels is above 1/2 + offset."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    with torch.no_grad():
        model[1].weight.copy_(torch.stack((torch.zeros(12), torch.ones(12) / 12)))
        model[1].bias.copy_(torch.tensor([0.0, -0.5 - offset]))
    return model


def test_a_label_is_found_in_just_the_balls_that_reach_over_the_border() -> None:
    values = np.array([110, 120, 126, 140], dtype=np.uint8)  # 17.5, 7.5, 1.5 below 127.5, and above it
    images = np.broadcast_to(values[:, None, None, None], (4, 2, 2, 3)).copy()
    data = ImageSet(images, np.arange(4), torch.ones(4, dtype=torch.int64), 2)
    radii = (1 / 255, 2 / 255, 8 / 255)
    found = re_recognition({"unlearned": linear(0.0)}, data, np.arange(4), compute=CPU, seed=0, radii=radii, resamples=20)
    assert [one["recognized"]["unlearned"]["share"] for one in found["radii"]] == [0.25, 0.25, 0.5, 0.75]
    assert [one["regained"]["unlearned"]["share"] for one in found["radii"]] == pytest.approx([0, 0, 1 / 3, 2 / 3])
    assert [round(255 * one["radius"]) for one in found["radii"]] == [0, 1, 2, 8] and found["photos"] == 4


def test_the_gap_is_to_the_retrained_model_and_no_model_changes() -> None:
    values = np.resize(np.arange(124, 134, dtype=np.uint8), 40)
    images = np.broadcast_to(values[:, None, None, None], (40, 2, 2, 3)).copy()
    data, people = ImageSet(images, np.arange(40), torch.ones(40, dtype=torch.int64), 2), np.repeat(np.arange(10), 4)
    models = {"unlearned": linear(0.0), "retrained": linear(0.012), "original": linear(-0.2)}
    with untouched(*models.values()):
        found = re_recognition(models, data, people, compute=CPU, seed=0, resamples=100)
    first, *_, last = found["radii"]
    assert first["recognized"]["unlearned"]["gap"] == pytest.approx(0.3) and last["recognized"]["unlearned"]["gap"] == 0
    assert first["regained"]["original"] is None, "it is wrong about no photo"
    for name in models:
        shares = [one["recognized"][name]["share"] for one in found["radii"]]
        assert shares == sorted(shares)


class Tokens:
    """Whole numbers in place of pixels."""

    def take(self, _places: np.ndarray) -> "Tokens":
        return self

    def __len__(self) -> int:
        return 2

    def batch(self, positions: torch.Tensor, _device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.ones((len(positions), 12), dtype=torch.int64), torch.zeros(len(positions), dtype=torch.int64)


def test_inputs_that_are_no_pixels_are_refused() -> None:
    with pytest.raises(InputError, match="pixels in"):
        re_recognition({"unlearned": linear(0.0)}, Tokens(), np.arange(2), compute=CPU, seed=0)
