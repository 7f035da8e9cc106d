"""Small networks and data of a caller's own."""

from types import SimpleNamespace

import torch
from torch import nn
from torch.utils.data import TensorDataset

from tests.helpers.toys import SmallNet, small_net


def photos(count: int, seed: int, *, shape: tuple[int, ...] = (3, 16, 16)) -> TensorDataset:
    """Random inputs, images as a rule, with random classes."""
    random = torch.Generator().manual_seed(seed)
    inputs = torch.rand(count, *shape, generator=random, dtype=torch.float32)
    return TensorDataset(inputs, torch.randint(0, 8, (count,), generator=random))


class GroupNet(nn.Module):
    """Convolutions with GroupNorm, without a Linear layer, as SqueezeNet has none; any number of channels and any size."""

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(channels, 8, 3, padding=1), nn.GroupNorm(2, 8)
        self.classes = nn.Conv2d(8, 8, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.classes(torch.relu(self.norm(self.first(images)))).mean(dim=(2, 3))


class Scale(nn.Module):
    """A layer with a parameter that it cannot draw anew."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.ones(features))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return values * self.factor


def frozen_net() -> nn.Module:
    """A network one layer of which was not trained."""
    model = small_net()
    model.conv1.requires_grad_(False)
    return model


def after_a_pass() -> nn.Module:
    """A network that keeps activations, and those of a training step, graphs and all."""
    model = KeepsActivations().train()
    model(torch.rand(4, 3, 16, 16))
    return model


class Perceptron(nn.Sequential):
    """Linear layers alone."""

    def __init__(self) -> None:
        super().__init__(nn.Flatten(), nn.Linear(768, 10), nn.ReLU(), nn.Linear(10, 8))


class VectorNet(nn.Sequential):
    """For vectors of ten numbers."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(10, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 8))


class SequenceNet(nn.Module):
    """For sequences of vectors of five numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.cells, self.classes = nn.GRU(5, 8, batch_first=True), nn.Linear(8, 8)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.classes(self.cells(inputs)[0][:, -1])


class VolumeNet(nn.Module):
    """For volumes of some channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv3d(channels, 6, 3, padding=1), nn.BatchNorm3d(6)
        self.classes = nn.Linear(6, 8)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.classes(torch.relu(self.norm(self.first(inputs))).mean(dim=(2, 3, 4)))


class Wrapped(nn.Module):
    """Returns an object with `.logits`, as transformers' networks do."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = small_net()

    def forward(self, pixel_values: torch.Tensor) -> SimpleNamespace:
        return SimpleNamespace(logits=self.inner(pixel_values), loss=None)


class KeepsActivations(SmallNet):
    """Has what it computed last as an attribute, for somebody who looks at it, and in a list."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.seen = torch.relu(self.bn1(self.conv1(images)))
        self.all_seen = [self.seen, torch.relu(self.bn2(self.conv2(self.seen))).mean(dim=(2, 3))]
        return self.fc(torch.relu(self.hidden(self.all_seen[-1])))


class BufferOfTheBatch(SmallNet):
    """Has a buffer of the batch's size, made anew where the size changes, and one that it makes in its first pass."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("ones", torch.ones(0), persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if len(self.ones) != len(images):
            self.ones = torch.ones(len(images), device=images.device)
        if not hasattr(self, "offset"):
            self.register_buffer("offset", torch.zeros(images.shape[1:], device=images.device))
        return super().forward(images + self.offset) * self.ones[:, None]


class ExtraState(SmallNet):
    """Has something in its state_dict that is no tensor."""

    def get_extra_state(self) -> dict[str, int]:
        return {"version": 1}

    def set_extra_state(self, state: dict[str, int]) -> None:
        assert state == {"version": 1}


class WholeNumbers(SmallNet):
    """Has a parameter of whole numbers, as quantised layers have."""

    def __init__(self) -> None:
        super().__init__()
        self.levels = nn.Parameter(torch.ones(3, dtype=torch.int8), requires_grad=False)

    def reset_parameters(self) -> None:
        nn.init.ones_(self.levels)


NETWORKS = {
    "half precision": lambda: small_net().half(),
    "bfloat16": lambda: small_net().bfloat16(),
    "wrapped for several GPUs": lambda: nn.DataParallel(small_net()),
    "compiled": lambda: torch.compile(small_net(), backend="eager"),
    "an object with logits": Wrapped,
    "no convolution": Perceptron,
    "GroupNorm, no Linear layer": GroupNet,
    "normalisation in front": lambda: nn.Sequential(nn.BatchNorm2d(3, affine=False), small_net()),
    "channels last": lambda: small_net().to(memory_format=torch.channels_last),
    "a frozen layer": frozen_net,
    "activations kept as attributes": KeepsActivations,
    "after a pass with its graph": after_a_pass,
    "buffers made in a pass": BufferOfTheBatch,
    "an extra state": ExtraState,
    "a parameter of whole numbers": WholeNumbers,
}
