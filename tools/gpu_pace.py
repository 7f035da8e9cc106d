"""`python tools/gpu_pace.py BENCHMARK SECONDS`: images a second of training, attack and prediction, beside plain loops.

The plain training is what a notebook has: a DataLoader with four workers that augments image by image with torchvision,
float32, contiguous tensors, a look at the loss after every step. It decodes nothing (the same array), which favors it. The
plain attack is torchattacks' PGD on batches that are on the device already; where the package is not there, its loop, written
out below. Both run with PyTorch's own settings of cuDNN and TF32. Prints JSON, with the factors and those that are aimed at;
with a third argument, "compiled", training and attack through torch.compile, too.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
import torchvision.transforms as T
from torch.utils.data import DataLoader, Dataset

from aru.compute.device import Compute, make_compute
from aru.core.config import AttackConfig, load_config
from aru.data.images import ImageSet, load_sets
from aru.methods.aru.attack import attack
from aru.nets.models import build
from aru.train.loop import fit, predict
from aru.train.losses import task_loss

_IMAGES = 4096
_ATTACKED = 1024
_GOALS = {"training": 20, "attack": 3}
"""Factors against the plain loops that are aimed at."""


class Plain(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """The images of a set, augmented one by one by the benchmark's list."""

    def __init__(self, data: ImageSet, *, augmented: bool) -> None:
        moved = [T.RandomHorizontalFlip(), T.RandomAffine(0, shear=10, scale=(0.8, 1.2)), T.ColorJitter(0.2, 0.2, 0.2)]
        self.data, self.transform = data, T.Compose([T.ToPILImage(), *(moved if augmented else []), T.ToTensor()])

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, position: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self.transform(self.data.images[self.data.rows[position]].copy()), self.data.targets[position]


def main(benchmark: str, seconds: float, *, compiled: bool = False) -> None:
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

    attacked = data.take(torch.arange(min(_ATTACKED, len(data))).numpy())
    parts = torch.arange(len(attacked)).split(config.attack.batch_size)
    batches = [(images.contiguous(), targets) for images, targets in attacked.batches(parts, compute.device)]
    theirs, whose = _their_attack(plain_model, config.attack)

    def plain_attack() -> None:
        for images, targets in batches:
            (theirs(images, targets) - images).cpu()

    def plain_prediction() -> None:
        plain_model.eval()
        with torch.no_grad():
            for images, _ in DataLoader(Plain(data, augmented=False), batch_size=train.batch_size):
                plain_model(images.to(compute.device)).cpu()

    def training(how: Compute) -> None:
        recipe = train.model_copy(update={"augment": True})
        fit(model, data, recipe, compute=how, generator=torch.Generator().manual_seed(0))

    figures: dict[str, Callable[[], object]] = {
        "training": lambda: training(compute),
        "attack": lambda: attack(model, attacked, config.attack, seed=0, compute=compute),
        "prediction": lambda: predict(model, data, compute=compute),
    }
    if compiled:
        through = replace(compute, compile=True, fast_kernels=False)
        figures["training, compiled"] = lambda: training(through)
        figures["attack, compiled"] = lambda: attack(model, attacked, config.attack, seed=0, compute=through)
    plain = {"training": plain_training, "attack": plain_attack, "prediction": plain_prediction}
    counts = {"training": len(data), "attack": len(attacked), "prediction": len(data)}

    def measured(name: str, once: Callable[[], object]) -> float:
        return round(counts[name.partition(",")[0]] * pace(once, seconds), 1)

    found = {name: measured(name, once) for name, once in figures.items()}
    with own_settings():
        found |= {f"{name}, plain": measured(name, once) for name, once in plain.items()}
    print(
        json.dumps(
            {
                "device": _name(compute.device),
                "precision": compute.precision,
                "torch": torch.__version__,
                "model": config.model.name,
                "resolution": config.data.resolution,
                "plain attack": whose,
                "images_per_second": found,
                "factors": {name: round(found[name] / found[f"{name}, plain"], 2) for name in plain},
                "goals": _GOALS,
            },
            indent=1,
        )
    )


def _their_attack(
    model: torch.nn.Module, config: AttackConfig
) -> tuple[Callable[[torch.Tensor, torch.Tensor], torch.Tensor], str]:
    """PGD as torchattacks makes it, of (images, targets), and whose code that is; the model answers in evaluation mode."""
    try:
        import torchattacks
    except ImportError:
        pass
    else:
        theirs = torchattacks.PGD(model, eps=config.eps, alpha=config.alpha, steps=config.steps, random_start=False)
        return theirs, "that of torchattacks"

    def loop(images: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        model.eval()
        adversarial = images.clone().detach()
        for _ in range(config.steps):
            adversarial.requires_grad = True
            cost = torch.nn.functional.cross_entropy(model(adversarial), targets)
            (gradient,) = torch.autograd.grad(cost, adversarial)
            adversarial = adversarial.detach() + config.alpha * gradient.sign()
            delta = torch.clamp(adversarial - images, min=-config.eps, max=config.eps)
            adversarial = torch.clamp(images + delta, min=0, max=1).detach()
        return adversarial

    return loop, "the loop of torchattacks 3.3.0, written out: the package is not installed"


@contextmanager
def own_settings() -> Iterator[None]:
    """PyTorch's own settings of cuDNN and TF32 in the block, not those that `make_compute` has made."""
    cudnn, cublas = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.benchmark, cudnn.allow_tf32, cublas.allow_tf32
    cudnn.benchmark, cudnn.allow_tf32, cublas.allow_tf32 = False, True, False
    try:
        yield
    finally:
        cudnn.benchmark, cudnn.allow_tf32, cublas.allow_tf32 = before


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
    main(sys.argv[1], float(sys.argv[2]), compiled=sys.argv[3:] == ["compiled"])
