"""ARU on semantic segmentation: forget a few images of a network that labels pixels.

    python examples/segmentation.py

Any task works that has a differentiable loss. The images here are made: bright discs on noise, to be found.
"""

import torch
from torch import nn
from torchvision.models.segmentation import lraspp_mobilenet_v3_large

import aru

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
images, masks = (torch.stack(part) for part in zip(*items, strict=True))
forget, retain, test, unseen = ((images[part], masks[part]) for part in map(slice, (0, 4, 28, 36), (4, 28, 36, 40)))


# 2. A differentiable loss for each image, which is all that unlearning asks of a task.
def loss(network: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    return nn.functional.cross_entropy(network(batch[0])["out"], batch[1], reduction="none").mean(dim=(1, 2))


# 3. A network, trained on everything.
model = lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=2)
for module in model.modules():
    if isinstance(module, nn.BatchNorm2d):
        module.momentum = 0.2  # torchvision's 0.01 here is for long trainings: statistics would lag behind the weights
optimizer = torch.optim.AdamW(model.parameters(), lr=0.003)
for _ in range(8):
    for positions in torch.randperm(28, generator=random).split(7):
        optimizer.zero_grad()
        loss(model, (images[positions], masks[positions])).mean().backward()
        optimizer.step()

# 4. Unlearn the forget set; the two output layers are spared. Then: pixels labelled correctly, and losses.
heads, finetune = ["classifier.low_classifier", "classifier.high_classifier"], {"epochs": 8, "batch_size": 8, "lr": 0.003}
finetune |= {"optimiser": "adamw", "schedule": "constant"}
result = aru.unlearn(model, forget=forget, retain=retain, loss=loss, heads=heads, mask__ratio=0.3, finetune=finetune)
for name, network in {"original": model.eval(), "unlearned": result.model}.items():
    with torch.no_grad():
        pixels = (network(test[0])["out"].argmax(dim=1) == test[1]).float().mean().item()
        losses = [loss(network, part).mean().item() for part in (forget, unseen)]
    print(f"{name:10} pixels right {pixels:.2f}, loss on forgotten {losses[0]:.3f}, on unseen {losses[1]:.3f}")
