"""The interclass confusion test: a planted memory, so that it is known what a model forgets that forgets.

Source: Goel et al. 2022 (arXiv 2201.06640). The labels of some training images of two classes are swapped; a
model trained on them confuses the two classes; the swapped images are then unlearned. What confusion is left, against a
model trained without these images, is what was not forgotten: no attack and no statistics stand in between.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypedDict

import numpy as np
import torch
from torch import nn

from aru.compute.device import Compute
from aru.core.errors import InputError
from aru.core.names import ORIGINAL, RETRAINED, UNLEARNED
from aru.core.seeds import draw_seed
from aru.data.images import ImageSet, Sets
from aru.metrics.utility import check_logits
from aru.stats.intervals import Share
from aru.stats.shares import RESAMPLES, shares
from aru.train.loop import predict

Classes = tuple[int, int]
Train = Callable[[ImageSet], nn.Module]
Unlearn = Callable[[nn.Module, Sets], nn.Module]


class Residue(TypedDict):
    """Of images of the two classes, by model: the share answered as the other class, and the share answered wrongly."""

    confusion: dict[str, Share]
    error: dict[str, Share]


class InterclassResult(TypedDict):
    """The two classes, how many images were swapped, and what confusion is left on forget and on test images."""

    classes: list[int]
    images: int
    forget: Residue
    test: Residue


def interclass_test(
    sets: Sets,
    *,
    count: int,
    train: Train,
    unlearn: Unlearn,
    compute: Compute,
    seed: int,
    subjects: np.ndarray | None = None,
    classes: Classes | None = None,
    resamples: int = RESAMPLES,
) -> InterclassResult:
    """Plant a confusion, train on it, unlearn it, and count what is left on forget and test images.

    `train` makes a fresh model from a set, always by the same recipe and seed; `unlearn` is given the confused model and
    the sets with the swapped images as forget set. `classes`: None takes the two with the most training images.

    Result: `classes`, `images` (swapped ones), and role (`forget`, `test`) -> `confusion` and `error`, each model ->
    share with interval over people and gap to `retrained` (`aru.stats.shares`); the models are `original` (confused),
    `unlearned` and `retrained`. For `subjects`, `count` and errors see `confuse`.
    """
    pair = largest_classes(sets) if classes is None else classes
    confused = confuse(sets, pair, count, seed, subjects=subjects)
    original = train(confused.train)
    models: dict[str, nn.Module] = {
        ORIGINAL: original,
        UNLEARNED: unlearn(original, confused),
        RETRAINED: train(confused.retain),
    }

    def residue(data: ImageSet) -> Residue:
        logits = {name: predict(model, data, compute=compute) for name, model in models.items()}
        people = None if subjects is None else subjects[data.rows]
        return _residue(logits, data.targets, pair, people, seed=seed, resamples=resamples)

    return {
        "classes": list(pair),
        "images": len(confused.forget),
        "forget": residue(with_swapped_labels(confused.forget, pair)),
        "test": residue(confused.test),
    }


def confuse(sets: Sets, classes: Classes, count: int, seed: int, *, subjects: np.ndarray | None = None) -> Sets:
    """The sets of the test: `count` training images of two classes, half of each, become the forget set, labels swapped.

    All other training images are the retain set, with their own labels; test and unseen stay as they are. People are
    taken in a random order, each with all their images of the two classes, as long as neither half is overrun: where
    nobody left is small enough, a half is that much smaller. Their images of other classes stay in retain. So nobody
    stands on both sides within the two classes.

    Shape: subjects (N,), the person of every row of the image array, or None where every image is a person. Raises
    InputError where the task is multi-label, or a class has too few images.
    """
    train = sets.train
    _check(train, classes, count)
    people = train.rows if subjects is None else np.asarray(subjects)[train.rows]
    inside = np.stack([(train.targets == label).numpy() for label in classes])
    order = np.random.default_rng(draw_seed(seed, "interclass")).permutation(np.unique(people[inside.any(axis=0)]))
    chosen, left = np.full(len(train), False), np.array([count // 2, count // 2])
    for person in order:
        images = inside & (people == person)
        if (images.sum(axis=1) <= left).all():
            chosen, left = chosen | images.any(axis=0), left - images.sum(axis=1)
    if (left == count // 2).any():
        raise InputError(
            f"of the classes {classes[0]} and {classes[1]} nobody has few enough images to be among {count} "
            "swapped ones: raise count"
        )
    forget = with_swapped_labels(train.take(np.flatnonzero(chosen)), classes)
    return replace(sets, forget=forget, retain=train.take(np.flatnonzero(~chosen)))


def with_swapped_labels(data: ImageSet, classes: Classes) -> ImageSet:
    """The same images, one class's label for the other's; done twice, the labels are as they were."""
    one, other = (data.targets == label for label in classes)
    return replace(data, targets=data.targets.masked_fill(one, classes[1]).masked_fill(other, classes[0]))


def largest_classes(sets: Sets) -> Classes:
    """The two classes with the most training images, the larger first; the lower number where they are equal."""
    if sets.retain.targets.is_floating_point():
        raise InputError("the interclass confusion test needs classes and is not defined for the multi-label task")
    counts = torch.bincount(sets.train.targets, minlength=sets.retain.outputs)
    first, second = counts.argsort(descending=True, stable=True)[:2].tolist()
    return first, second


def residual_confusion(
    logits: torch.Tensor, truth: torch.Tensor, classes: Classes
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the images of the two classes are, which are answered as the other class, and which wrongly at all.

    The mean of the second is the confusion, of the third the error rate.

    Shape: logits (M, C), truth (M,) the true labels; result (K,) int64 positions, (K,) bool, (K,) bool.
    """
    check_logits(logits, truth)
    said, truth = logits.argmax(dim=1).cpu(), truth.cpu()
    one, other = ((truth == label) for label in classes)
    places = (one | other).nonzero()[:, 0]
    swapped = (one & (said == classes[1])) | (other & (said == classes[0]))
    return places.numpy(), swapped[places].numpy(), (said != truth)[places].numpy()


def _residue(
    logits: Mapping[str, torch.Tensor],
    truth: torch.Tensor,
    classes: Classes,
    people: np.ndarray | None,
    *,
    seed: int,
    resamples: int,
) -> Residue:
    found = {name: residual_confusion(answers, truth, classes) for name, answers in logits.items()}
    places = next(iter(found.values()))[0]
    drawn = None if people is None else people[places]
    confusion, error = (
        shares({name: columns[number] for name, columns in found.items()}, drawn, seed=seed, resamples=resamples)
        for number in (1, 2)
    )
    return {"confusion": confusion, "error": error}


def _check(train: ImageSet, classes: Classes, count: int) -> None:
    if train.targets.is_floating_point():
        raise InputError("the interclass confusion test needs classes and is not defined for the multi-label task")
    one, other = classes
    if one == other or not all(0 <= label < train.outputs for label in classes):
        raise InputError(f"classes {one} and {other}: name two different ones from 0 to {train.outputs - 1}")
    least = min(int((train.targets == label).sum()) for label in classes)
    if not 2 <= count <= 2 * (least - 1):
        remedy = f"choose 2 to {2 * (least - 1)}, so that some of each stay" if least > 1 else "choose larger classes"
        raise InputError(
            f"count is {count}, but the smaller of the classes {one} and {other} has {least} training images: {remedy}"
        )
