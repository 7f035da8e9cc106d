"""Small models and image sets for tests of the science."""

import numpy as np
import torch
from torch import nn

from aru.compute.device import Compute
from aru.data.images import ImageSet, Sets
from aru.nets.models import state_tensors

CPU = Compute(torch.device("cpu"))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def image_set(count: int, *, side: int = 16, outputs: int = 8, seed: int = 0) -> ImageSet:
    """Random images with random classes."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    targets = torch.from_numpy(rng.integers(0, outputs, count))
    return ImageSet(images, np.arange(count), targets, outputs)


def sets(*, forget: int = 12, retain: int = 20, test: int = 10, unseen: int = 10, side: int = 16) -> Sets:
    """Four sets that share one image array, as `prepare` makes them."""
    whole = image_set(forget + retain + test + unseen, side=side)
    ends = np.cumsum([forget, retain, test, unseen])
    parts = np.split(np.arange(ends[-1]), ends[:-1])
    return Sets(*(whole.take(part) for part in parts))


class SmallNet(nn.Module):
    """Two convolutions with BatchNorm, a hidden Linear layer and a classifier."""

    def __init__(self, outputs: int = 8) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6)
        self.conv2, self.bn2 = nn.Conv2d(6, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8)
        self.hidden, self.fc = nn.Linear(8, 10), nn.Linear(10, outputs)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = torch.relu(self.bn1(self.conv1(images)))
        features = torch.relu(self.bn2(self.conv2(features))).mean(dim=(2, 3))
        return self.fc(torch.relu(self.hidden(features)))


def small_net(seed: int = 0) -> SmallNet:
    """A SmallNet whose BatchNorm statistics are not those of a fresh one."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = SmallNet()
        with torch.no_grad():
            for module in (model.bn1, model.bn2):
                module.running_mean.uniform_(-0.5, 0.5)
                module.running_var.uniform_(0.5, 2)
                module.weight.uniform_(0.5, 1.5)
                module.bias.uniform_(-0.3, 0.3)
    return model.eval()


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    """Whether two models agree in every parameter and buffer, bit for bit."""
    first, second = state_tensors(one), state_tensors(other)
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
