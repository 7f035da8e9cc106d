"""ARU on semantic segmentation: forget a few images of a network that labels pixels.

    python examples/segmentation.py

Any task works that has a differentiable loss. The images here are made: bright discs on noise, to be found.
"""

import torch
from torchvision.models.segmentation import lraspp_mobilenet_v3_large

from aru.compute.device import Compute
from aru.core.config import TrainConfig
from aru.data.structured import structured_sets
from aru.methods.aru.pipeline import unlearn
from aru.methods.aru.presets import AruConfig
from aru.train.loop import fit
from aru.train.tasks import SEGMENTATION, sample_losses

SIDE = 32
random = torch.Generator().manual_seed(0)
torch.manual_seed(0)
torch.set_num_threads(1)

# 1. A dataset of (image, mask): images (3, H, W) in [0, 1], masks (H, W) with a class for each pixel.
rows, columns = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")


def disc() -> tuple[torch.Tensor, torch.Tensor]:
    y, x, radius = (torch.rand(3, generator=random) * torch.tensor([16, 16, 6]) + torch.tensor([8, 8, 4])).tolist()
    mask = ((rows - y) ** 2 + (columns - x) ** 2 < radius**2).long()
    return (0.5 * torch.rand(3, SIDE, SIDE, generator=random) + 0.4 * mask), mask


items = [disc() for _ in range(40)]
sets = structured_sets(items[:4], items[4:28], items[28:36], items[36:], outputs=2)

# 2. A network, trained on everything. SEGMENTATION is Task(name, loss, predict): write your own for another loss.
model = lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=2)
for module in model.modules():
    if isinstance(module, torch.nn.BatchNorm2d):
        module.momentum = 0.2  # torchvision's 0.01 here is for long trainings: statistics would lag behind the weights
compute = Compute(torch.device("cpu"))
training = TrainConfig(epochs=8, batch_size=8, optimiser="adamw", lr=0.003, schedule="constant", augment=False)
fit(model, sets.train, training, generator=random, compute=compute, task=SEGMENTATION)

# 3. Unlearn the forget set: noise by attack, filters by mask, reset, fine-tune on the retain set.
config = AruConfig.model_validate({"mask": {"ratio": 0.3}, "finetune": training.model_dump()})
result = unlearn(model, sets, config, seed=0, compute=compute, task=SEGMENTATION)

# 4. What it did: pixels labelled correctly on the test set, and the loss on forgotten and on unseen images.
for name, network in {"original": model, "unlearned": result.model}.items():
    images, masks = sets.test.batch(torch.arange(len(sets.test)), compute.device)
    with torch.no_grad():
        pixels = (SEGMENTATION.predict(network.eval(), images) == masks).float().mean().item()
    losses = [sample_losses(network, part, SEGMENTATION, compute=compute).mean() for part in (sets.forget, sets.unseen)]
    print(f"{name:10} pixels right {pixels:.2f}, loss on forgotten {losses[0]:.3f}, on unseen {losses[1]:.3f}")
