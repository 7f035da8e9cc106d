"""A small unlearning problem with people, and models of it that are known to be good or bad, trained in a second each."""

import copy
import dataclasses
from functools import cache

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn import functional as F

from aru.audit.case import AUDITED, Case, make_case
from aru.core.config import TrainConfig
from aru.core.names import ORIGINAL, RETRAINED
from aru.data.images import ImageSet, Sets
from aru.train.loop import fit
from tests.helpers.toys import CPU, generator

SIDE, CLASSES, PHOTOS = 24, 4, 8
PEOPLE = {"forget": 40, "retain": 80, "test": 40, "unseen": 40}
RECIPE = TrainConfig(epochs=12, batch_size=32, lr=0.02, momentum=0.9, schedule="cosine", augment=False)


@cache
def manifest() -> pd.DataFrame:
    """Eight photos a person in the manifest's columns; the age is wrong on every third photo."""
    rng = np.random.default_rng(0)
    rows = []
    for role, people in PEOPLE.items():
        for person in range(people):
            for photo in range(PHOTOS):
                true = person % CLASSES
                age = int(rng.integers(CLASSES)) if photo % 3 == 0 else true
                rows.append(
                    {
                        "role": role,
                        "subject": f"{role}{person:03d}",
                        "family": f"F{role}{person // 4}",
                        "photo": f"{role}{person:03d}/{photo}",
                        "age": age,
                        "true": true,
                    }
                )
    return pd.DataFrame(rows).rename_axis("row").reset_index()


@cache
def sets() -> Sets:
    """Noise with the pattern of a class in it, the stronger the better it can be learned."""
    rng, table = np.random.default_rng(1), manifest()
    patterns = rng.normal(0, 5, (CLASSES, SIDE, SIDE, 3))
    noise = rng.normal(128, 40, (len(table), SIDE, SIDE, 3))
    images = np.clip(noise + patterns[table["true"]], 0, 255).astype(np.uint8)
    targets = torch.from_numpy(table["age"].to_numpy().copy())
    rows = {role: np.flatnonzero(table["role"] == role) for role in PEOPLE}
    return Sets(
        **{role: ImageSet(images, chosen, targets[torch.from_numpy(chosen)], CLASSES) for role, chosen in rows.items()}
    )


class Centred(nn.Module):
    """Pixels of mean 0 and deviation 1; a BatchNorm of three channels takes as long as all else."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return (images - 0.5) * (255 / 40)


def network(seed: int) -> nn.Module:
    """Small, and large enough to remember all of its training images."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(Centred(), nn.Flatten(), nn.Linear(3 * SIDE**2, 64), nn.ReLU(), nn.Linear(64, CLASSES))


def trained(data: ImageSet, seed: int, *, start: nn.Module | None = None, epochs: int = RECIPE.epochs) -> nn.Module:
    """A network trained on `data`, from scratch or further."""
    model = copy.deepcopy(start) if start is not None else network(seed)
    fit(model, data, RECIPE.model_copy(update={"epochs": epochs}), generator=generator(seed), compute=CPU)
    return model


@cache
def original() -> nn.Module:
    """Trained on forget and retain."""
    return trained(sets().train, 0)


@cache
def retrained(seed: int) -> nn.Module:
    """Trained on retain alone."""
    return trained(sets().retain, 100 + seed)


FAINT = RECIPE.model_copy(update={"epochs": 1, "lr": 0.003})


@cache
def faint_original() -> nn.Module:
    """Trained so little that it gives about as much away as an original of real photos: a class-matched AUC of .61."""
    return _faint(sets().train, 0)


@cache
def faint_retrained(seed: int) -> nn.Module:
    """Trained alike on retain alone."""
    return _faint(sets().retain, 100 + seed)


def _faint(data: ImageSet, seed: int) -> nn.Module:
    model = network(seed)
    fit(model, data, FAINT, generator=generator(seed), compute=CPU)
    return model


def classifier_reset(*, refitted: bool) -> nn.Module:
    """The original with a fresh classifier, which is or is not trained on retain while all else stays."""
    model = copy.deepcopy(original())
    model[-1] = network(7)[-1]
    if refitted:
        for parameter in model[2].parameters():
            parameter.requires_grad_(False)
        model = trained(sets().retain, 1, start=model)
    return model


def uniform_on_forget() -> nn.Module:
    """The original taught to answer evenly on forget images, while it goes on learning retain."""
    forget, retain = sets().forget, sets().retain
    model = copy.deepcopy(original()).train()
    optimizer, rng = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9), generator(3)
    for _ in range(150):
        hidden, _ = forget.batch(torch.randint(len(forget), (64,), generator=rng), CPU.device)
        images, targets = retain.batch(torch.randint(len(retain), (64,), generator=rng), CPU.device)
        loss = F.cross_entropy(model(images), targets) - model(hidden).log_softmax(dim=1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def taught_again() -> nn.Module:
    """A retrained model fine-tuned on the forget set."""
    return trained(sets().forget, 5, start=retrained(0), epochs=6)


def case_of(
    model: nn.Module, *, reference: nn.Module | None = None, resamples: int = 200, beside: nn.Module | None = None
) -> Case:
    """The case of one model, beside the original (or another one) and, where it is given, a retrained reference."""
    models = {AUDITED: model, ORIGINAL: beside if beside is not None else original()}
    models |= {RETRAINED: reference} if reference is not None else {}
    return make_case(models, sets(), manifest().drop(columns="true"), compute=CPU, resamples=resamples, seed=0)


def answered_case(*, resamples: int = 20, **memory: float) -> Case:
    """A case of networks that nobody trained, whose answers are made up: by so much each knows forget labels better.

    memory: of `audited`, `original` and, where it is given, `retrained`. All have the same photos to find hard, and a taste of
    their own in people and photos.
    """
    case = case_of(network(0), beside=network(1), reference=network(2) if RETRAINED in memory else None, resamples=resamples)
    shared = {role: np.random.default_rng(number).normal(0, 1, len(case.targets[role])) for number, role in enumerate(PEOPLE)}
    logits = {}
    for number, (name, more) in enumerate(memory.items()):
        rng, logits[name] = np.random.default_rng([9, number]), {}
        for role, hard in shared.items():
            own = rng.normal(0, 0.5, PEOPLE[role]).repeat(PHOTOS) + rng.normal(0, 0.5, len(hard))
            margin = torch.from_numpy(hard + own + more * (role == "forget"))
            logits[name][role] = F.one_hot(case.targets[role], CLASSES) * margin[:, None]
    return dataclasses.replace(case, logits=logits)
