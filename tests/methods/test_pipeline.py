"""ARU as one function: reproducible, blind to the forget set while fine-tuning, and kind to its input."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from aru.core.config import Config, parse_config
from aru.data.images import ImageSet
from aru.methods.aru.pipeline import reset_and_finetune, unlearn
from aru.nets.models import build
from tests.helpers.toys import CPU, same_weights, sets

CONFIG = parse_config(
    {
        "data": {"resolution": 24},
        "attack": {"steps": 2},
        "mask": {"batch_size": 4},
        "finetune": {"epochs": 2, "batch_size": 8},
        "runtime": {"precision": "fp32"},
    },
    where="test",
)


def original():
    return build("resnet18", 8, resolution=24, seed=5).eval()


class Canary(np.ndarray):
    """An image array that remembers which rows were read."""

    read: set

    def __getitem__(self, rows):
        self.read.update(np.atleast_1d(rows).tolist())
        return np.asarray(super().__getitem__(rows))


def watched(data: ImageSet) -> tuple[ImageSet, set]:
    images = data.images.view(Canary)
    images.read = set()
    return replace(data, images=images), images.read


def test_the_fine_tune_reads_retain_and_nothing_else():
    given = sets(side=24)
    retain, read = watched(given.retain)
    config = CONFIG.model_copy(update={"finetune": CONFIG.finetune.model_copy(update={"distillation": 0.5})})
    mask = {name: torch.ones(len(weight), dtype=torch.bool) for name, weight in _layers()}
    reset_and_finetune(original(), mask, retain, config, compute=CPU)
    assert read == set(given.retain.rows.tolist())


def _layers():
    from aru.nets.models import resettable

    return resettable(original()).items()


def test_attack_and_mask_read_forget_and_nothing_else():
    given = sets(side=24)
    forget, read = watched(given.forget)
    others = {role: watched(getattr(given, role)) for role in ("test", "unseen")}
    unlearn(original(), replace(given, forget=forget, **{role: pair[0] for role, pair in others.items()}), CONFIG, compute=CPU)
    assert read == set(given.forget.rows.tolist())
    assert not any(pair[1] for pair in others.values()), "test and unseen are for evaluation alone"


def test_the_same_seed_gives_the_same_bytes_and_the_original_is_not_changed():
    model, given = original(), sets(side=24)
    one, same = (unlearn(model, given, CONFIG, compute=CPU) for _ in range(2))
    other = unlearn(model, given, _with(seed=1), compute=CPU)
    assert same_weights(one, same) and not same_weights(one, other)
    assert same_weights(model, original())


def _with(**runtime) -> Config:
    return CONFIG.model_copy(update={"runtime": CONFIG.runtime.model_copy(update=runtime)})


@pytest.mark.parametrize("ratio, epochs, changed", [(0.0, 0, False), (0.5, 0, True), (0.0, 1, True)])
def test_only_reset_and_fine_tune_change_weights(ratio, epochs, changed):
    config = CONFIG.model_copy(
        update={
            "mask": CONFIG.mask.model_copy(update={"ratio": ratio}),
            "finetune": CONFIG.finetune.model_copy(update={"epochs": epochs}),
        }
    )
    model = original()
    assert same_weights(unlearn(model, sets(side=24), config, compute=CPU), model) != changed


def test_a_vision_transformer_unlearns():
    config = CONFIG.model_copy(update={"model": CONFIG.model.model_copy(update={"name": "vit_tiny"})})
    model = build("vit_tiny", 8, resolution=24)
    assert not same_weights(unlearn(model, sets(side=24), config, compute=CPU), model)
