"""Forget two people from an image classifier of transformers: python examples/transformers_model.py

1. Make photos of people. Each has a pattern of his own, and a class, which the network is to learn.
2. Train a small Vision Transformer from a configuration until it knows its training photos. Nothing is downloaded.
3. Forget two people by ARU, and compare with the original. What such a network returns has `.logits`; that is all it takes.
"""

import torch
from torch.utils.data import TensorDataset
from transformers import ViTConfig, ViTForImageClassification

import aru


def people(first: int, count: int, photos: int = 6) -> tuple[TensorDataset, list[int]]:
    """Photos (3, 16, 16) in [0, 1] of some people, and who is on each."""
    classes = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    images, labels, ids = [], [], []
    for person in range(first, first + count):
        random = torch.Generator().manual_seed(person + 1)
        own = torch.rand(3, 16, 16, generator=random)
        for _ in range(photos):
            images.append(0.25 * classes[person % 4] + 0.45 * own + 0.3 * torch.rand(3, 16, 16, generator=random))
            labels.append(person % 4)
            ids.append(person)
    return TensorDataset(torch.stack(images), torch.tensor(labels)), ids


torch.manual_seed(0)
torch.set_num_threads(1)
(forget, ids), (retain, _), (test, _), (unseen, _) = people(0, 2), people(2, 20), people(100, 20), people(200, 20)
size = {"hidden_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 96}
model = ViTForImageClassification(ViTConfig(**size, image_size=16, patch_size=4, num_labels=4))
normalised = {"mean": [0.5] * 3, "std": [0.25] * 3}
images, labels = (torch.cat(parts) for parts in zip(forget.tensors, retain.tensors, strict=True))
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
for _ in range(40):
    for batch in torch.randperm(len(images)).split(33):
        optimizer.zero_grad()
        model(pixel_values=(images[batch] - 0.5) / 0.25, labels=labels[batch]).loss.backward()
        optimizer.step()

settings = {"preprocessing": normalised, "precision": "fp32"}
finetune = {"optimiser": "adamw", "lr": 1e-3, "epochs": 6, "batch_size": 16, "schedule": "constant"}
result = aru.unlearn(model, forget=forget, retain=retain, finetune=finetune, **settings)
print(f"{result.method}: {sum(int(marks.sum()) for marks in result.mask.values())} units reset, {result.cost.total:.1f} s")
sets = {"forget": forget, "retain": retain, "test": test, "unseen": unseen}
print(aru.evaluate(result.model, original=model, people=ids, **sets, **settings))
