"""The benchmark's membership inference attack, to the letter, and what is computed from it.

Source: the public notebooks of MUFAC and MUCAC (repository ndb796/MachineUnlearning, functions cal_mia,
simple_mia). One feature, the loss; forget losses shuffled by NumPy's legacy generator seeded with 42 and cut
to the number of unseen ones; unseen 0, forget 1; ten stratified random splits of 90 to 10; a logistic
regression with default settings.

The benchmark never cuts the *unseen* side. On MUFAC that leaves 1,504 unseen against 1,500 forget images (its
published figures are multiples of 1/3010, so it did run so). With many more unseen than forget images, as
when one person is forgotten, the regression would answer "unseen" always and be right most of the time: the
figure would measure the sizes. So an excess of more than 1 % is cut as well, after a shuffle by the same
generator (300 forget against 1,504 unseen images: an accuracy of .502 where the notebooks' is .834). `cut` of
`benchmark_mia` chooses the notebooks' own.
"""

from typing import Literal, TypeVar

import numpy as np
from sklearn import linear_model, model_selection

from aru.core.errors import InputError

SPLITS = 10
SHUFFLE_SEED = 42
SPLIT_SEED = 0
TOLERATED_EXCESS = 0.01
"""Share by which unseen may outnumber forget images uncut: the benchmark's own excess is 0.27 %."""

Cut = Literal["both", "forget"]
"""Which side is cut to the other's number: either, or forget alone, as in the notebooks."""

Figure = TypeVar("Figure", float, np.ndarray)  # one run's figure, or those of many resamples


def attack_indices(forget: int, unseen: int, *, cut: Cut = "both") -> tuple[np.ndarray, np.ndarray]:
    """Which (forget, unseen) images the attack sees, and in which order, given how many there are of each."""
    generator = np.random.RandomState(SHUFFLE_SEED)  # the benchmark's generator: part of its definition
    forget_order, unseen_order = np.arange(forget), np.arange(unseen)
    generator.shuffle(forget_order)
    forget_order = forget_order[:unseen]
    if cut == "both" and unseen > forget * (1 + TOLERATED_EXCESS):
        generator.shuffle(unseen_order)
        unseen_order = unseen_order[:forget]
    return forget_order, unseen_order


def splitter() -> model_selection.StratifiedShuffleSplit:
    """The benchmark's ten random splits."""
    return model_selection.StratifiedShuffleSplit(n_splits=SPLITS, random_state=SPLIT_SEED)


def benchmark_mia(forget_losses: np.ndarray, unseen_losses: np.ndarray, *, cut: Cut = "both") -> float:
    """Accuracy of the benchmark's attack: 0.5 where it learns nothing, with cut `forget` where the sizes are alike.

    Shape: (F,) and (U,), finite, ten images or more each (fewer can not be split 90 to 10 by class).
    """
    forget_losses, unseen_losses = check_losses(forget_losses, unseen_losses)
    forget_order, unseen_order = attack_indices(len(forget_losses), len(unseen_losses), cut=cut)
    sample = np.concatenate((unseen_losses[unseen_order], forget_losses[forget_order])).reshape((-1, 1))
    members = [0] * len(unseen_order) + [1] * len(forget_order)
    scores = model_selection.cross_val_score(
        linear_model.LogisticRegression(), sample, members, cv=splitter(), scoring="accuracy"
    )
    return float(scores.mean())


def forgetting_score(mia_accuracy: Figure) -> Figure:
    """|MIA accuracy - 0.5|, in [0, 0.5]; 0 is best."""
    return abs(mia_accuracy - 0.5)


def nomus(test_accuracy: Figure, mia_accuracy: Figure) -> Figure:
    """The benchmark's single figure, (accuracy + 1 - 2 F) / 2, in [0, 1]; it rewards accuracy as such."""
    return (test_accuracy + 1 - 2 * forgetting_score(mia_accuracy)) / 2


def check_losses(forget_losses: np.ndarray, unseen_losses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both as arrays; raise InputError where they are too few, not finite or not one-dimensional."""
    checked = []
    for name, losses in (("forget", np.asarray(forget_losses)), ("unseen", np.asarray(unseen_losses))):
        if losses.ndim != 1 or len(losses) < SPLITS:
            raise InputError(
                f"{name} losses have the shape {losses.shape}: the attack needs {SPLITS} images or more of "
                "each side; forget more images, or add unseen ones"
            )
        if not np.isfinite(losses).all():
            raise InputError(f"{int((~np.isfinite(losses)).sum())} {name} losses are not finite: the model has diverged")
        checked.append(losses)
    return checked[0], checked[1]
