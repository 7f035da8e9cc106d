"""Forget two people from a network of one's own: python examples/own_model.py

1. Make photos of people. Each has a pattern of his own, and a class, which the network is to learn.
2. Train a small network until it knows its training photos.
3. Forget two people, and hold the result to the audit's quick criteria.
"""

import torch
from torch import nn
from torch.utils.data import TensorDataset

import aru


def people(first: int, count: int, photos: int = 6) -> tuple[TensorDataset, list[int]]:
    """Photos (3, 16, 16) in [0, 1] of some people, and who is on each."""
    classes = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    images, labels, ids = [], [], []
    for person in range(first, first + count):
        random = torch.Generator().manual_seed(person + 1)
        own = torch.rand(3, 16, 16, generator=random)
        for _ in range(photos):
            noise = torch.rand(3, 16, 16, generator=random)
            images.append(0.25 * classes[person % 4] + 0.45 * own + 0.3 * noise)
            labels.append(person % 4)
            ids.append(person)
    return TensorDataset(torch.stack(images), torch.tensor(labels)), ids


torch.manual_seed(0)
(forget, forget_ids), (retain, _), (test, _), (unseen, unseen_ids) = (
    people(0, 2),
    people(2, 20),
    people(100, 20),
    people(200, 40),
)
model = nn.Sequential(
    nn.Conv2d(3, 16, 3),
    nn.BatchNorm2d(16),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(16, 32, 3),
    nn.ReLU(),
    nn.Flatten(),
    nn.Linear(800, 4),
)
images, labels = (torch.cat(parts) for parts in zip(forget.tensors, retain.tensors, strict=True))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for _ in range(40):
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(images), labels).backward()
    optimizer.step()

sets = {"forget": forget, "retain": retain, "test": test, "unseen": unseen}
result = aru.unlearn(model, forget=forget, retain=retain, preset="recommended", finetune__batch_size=16, precision="fp32")
print(aru.evaluate(result.model, original=model, people=forget_ids, **sets), "\n")
print(aru.audit(result.model, original=model, people={"forget": forget_ids, "unseen": unseen_ids}, **sets))
