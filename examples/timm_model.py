"""Forget two people from a network of timm: python examples/timm_model.py

1. Make photos of people. Each has a pattern of his own, and a class, which the network is to learn.
2. Train a small ResNet of timm, with its own normalisation, until it knows its training photos. Nothing is downloaded.
3. Forget two people by ARU, and compare with the original.
"""

import timm
import torch
from torch import nn
from torch.utils.data import TensorDataset

import aru


def people(first: int, count: int, photos: int = 6) -> tuple[TensorDataset, list[int]]:
    """Photos (3, 32, 32) in [0, 1] of some people, and who is on each."""
    classes = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    images, labels, ids = [], [], []
    for person in range(first, first + count):
        random = torch.Generator().manual_seed(person + 1)
        own = torch.rand(3, 32, 32, generator=random)
        for _ in range(photos):
            images.append(0.25 * classes[person % 4] + 0.45 * own + 0.3 * torch.rand(3, 32, 32, generator=random))
            labels.append(person % 4)
            ids.append(person)
    return TensorDataset(torch.stack(images), torch.tensor(labels)), ids


torch.manual_seed(0)
torch.set_num_threads(1)
(forget, ids), (retain, _), (test, _), (unseen, _) = people(0, 2), people(2, 20), people(100, 20), people(200, 20)
model = timm.create_model("resnet10t", pretrained=False, num_classes=4)
normalised = {"mean": model.pretrained_cfg["mean"], "std": model.pretrained_cfg["std"]}
mean, std = (torch.tensor(values).view(3, 1, 1) for values in normalised.values())
images, labels = (torch.cat(parts) for parts in zip(forget.tensors, retain.tensors, strict=True))
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
for _ in range(12):
    for batch in torch.randperm(len(images)).split(33):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model((images[batch] - mean) / std), labels[batch]).backward()
        optimizer.step()

settings = {"preprocessing": normalised, "precision": "fp32"}
result = aru.unlearn(model, forget=forget, retain=retain, preset="recommended", finetune__batch_size=16, **settings)
print(f"{result.method}: {sum(int(marks.sum()) for marks in result.mask.values())} filters reset, {result.cost.total:.1f} s")
sets = {"forget": forget, "retain": retain, "test": test, "unseen": unseen}
print(aru.evaluate(result.model, original=model, people=ids, **sets, **settings))
