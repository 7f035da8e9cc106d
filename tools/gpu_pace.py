"""`python tools/gpu_pace.py BENCHMARK SECONDS`: images a second of training, attack and prediction, beside plain loops.

The plain loop is what a notebook has: a DataLoader that decodes nothing (the same array) but augments image by image with
torchvision, float32, contiguous tensors, a look at the loss after every step. Prints JSON.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torchvision.transforms as T
from torch.utils.data import DataLoader, Dataset

from aru.compute.device import make_compute
from aru.core.config import load_config
from aru.data.images import ImageSet, load_sets
from aru.methods.aru.attack import attack
from aru.nets.models import build
from aru.train.loop import fit, predict
from aru.train.losses import task_loss

_IMAGES = 1024


class Plain(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """The images of a set, augmented one by one by the benchmark's list."""

    def __init__(self, data: ImageSet, *, augmented: bool) -> None:
        moved = [T.RandomHorizontalFlip(), T.RandomAffine(0, shear=10, scale=(0.8, 1.2)), T.ColorJitter(0.2, 0.2, 0.2)]
        self.data, self.transform = data, T.Compose([T.ToPILImage(), *(moved if augmented else []), T.ToTensor()])

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, position: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self.transform(self.data.images[self.data.rows[position]].copy()), self.data.targets[position]


def main(benchmark: str, seconds: float) -> None:
    """Measure every figure for about so many seconds after one pass to warm up."""
    config = load_config(Path("params.yaml"), benchmark)
    compute = make_compute(config.runtime)
    data = load_sets(Path("work") / benchmark / "prepared", config.data.task).retain
    data = data.take(torch.arange(min(_IMAGES, len(data))).numpy())

    def fresh() -> torch.nn.Module:
        return build(config.model.name, data.outputs, resolution=config.data.resolution).to(compute.device)

    train = config.train.model_copy(update={"epochs": 1})
    model, plain_model = fresh(), fresh()

    def plain_training() -> None:
        optimizer = torch.optim.SGD(plain_model.parameters(), lr=train.lr, momentum=train.momentum)
        plain_model.train()
        loader = DataLoader(Plain(data, augmented=True), batch_size=train.batch_size, shuffle=True, num_workers=4)
        for images, targets in loader:
            loss = task_loss(plain_model(images.to(compute.device)), targets.to(compute.device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()

    def plain_attack() -> None:
        plain_model.eval()
        for images, targets in DataLoader(Plain(data, augmented=False), batch_size=train.batch_size):
            images, targets = images.to(compute.device), targets.to(compute.device)
            noise = torch.zeros_like(images)
            for _ in range(config.attack.steps):
                noise.requires_grad_(True)
                (gradient,) = torch.autograd.grad(task_loss(plain_model(images + noise), targets), noise)
                noise = (noise + config.attack.alpha * gradient.sign()).clamp(-config.attack.eps, config.attack.eps).detach()

    def plain_prediction() -> None:
        plain_model.eval()
        with torch.no_grad():
            for images, _ in DataLoader(Plain(data, augmented=False), batch_size=train.batch_size):
                plain_model(images.to(compute.device)).cpu()

    figures = {
        "training": lambda: fit(
            model,
            data,
            train.model_copy(update={"augment": True}),
            compute=compute,
            generator=torch.Generator().manual_seed(0),
        ),
        "training, plain": plain_training,
        "attack": lambda: attack(model, data, config.attack, seed=0, compute=compute),
        "attack, plain": plain_attack,
        "prediction": lambda: predict(model, data, compute=compute),
        "prediction, plain": plain_prediction,
    }
    found = {name: round(len(data) * pace(once, seconds), 1) for name, once in figures.items()}
    print(
        json.dumps(
            {
                "device": _name(compute.device),
                "precision": compute.precision,
                "torch": torch.__version__,
                "model": config.model.name,
                "resolution": config.data.resolution,
                "images_per_second": found,
            },
            indent=1,
        )
    )


def pace(once: Callable[[], object], seconds: float) -> float:
    """Passes a second, after one that is not counted."""
    once()
    _wait()
    began, passes = time.perf_counter(), 0
    while passes == 0 or time.perf_counter() - began < seconds:
        once()
        passes += 1
        _wait()
    return passes / (time.perf_counter() - began)


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
