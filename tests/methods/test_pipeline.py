"""ARU as one function: reproducible, blind to the forget set while fine-tuning, and kind to its input."""

from dataclasses import replace

import numpy as np
import pytest

from aru.data.images import ImageSet
from aru.methods.aru.finetuning import finetune
from aru.methods.aru.pipeline import Unlearned, unlearn, unlearn_model
from aru.methods.aru.presets import AruConfig
from aru.nets.models import build
from tests.helpers.toys import CPU, same_weights, sets, small_net

CONFIG = AruConfig.model_validate(
    {"attack": {"steps": 2}, "mask": {"batch_size": 4}, "finetune": {"epochs": 2, "batch_size": 8}}
)


def original():
    return small_net(5)


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
    config = CONFIG.finetune.model_copy(update={"distillation": 0.5})
    finetune(original(), original(), retain, config, seed=0, compute=CPU)
    assert read == set(given.retain.rows.tolist())


def test_attack_and_mask_read_forget_and_nothing_else():
    given = sets(side=24)
    forget, read = watched(given.forget)
    others = {role: watched(getattr(given, role)) for role in ("test", "unseen")}
    unlearn(
        original(),
        replace(given, forget=forget, **{role: pair[0] for role, pair in others.items()}),
        CONFIG,
        seed=0,
        compute=CPU,
    )
    assert read == set(given.forget.rows.tolist())
    assert not any(pair[1] for pair in others.values()), "test and unseen are for evaluation alone"


def test_the_same_seed_gives_the_same_bytes_and_the_original_is_not_changed():
    model, given = original(), sets(side=24)
    one, same, other = (unlearn_model(model, given, CONFIG, seed=seed, compute=CPU) for seed in (0, 0, 1))
    assert same_weights(one, same) and not same_weights(one, other)
    assert same_weights(model, original())


def test_the_result_has_what_each_step_made():
    model, given = original(), sets(side=24)
    result = unlearn(model, given, CONFIG, seed=0, compute=CPU)
    assert isinstance(result, Unlearned) and result.noise.shape == (len(given.forget), 3, 24, 24)
    assert result.scores.keys() == result.mask.keys() and result.mask["conv1"].sum() == 3, "half of the first layer's 6"
    assert [record["epoch"] for record in result.history] == [1, 2]
    assert list(result.seconds) == ["attack", "mask", "reset", "finetune"] and min(result.seconds.values()) > 0
    assert not result.model.training and same_weights(result.model, unlearn_model(model, given, CONFIG, seed=0, compute=CPU))


@pytest.mark.parametrize("ratio, epochs, changed", [(0.0, 0, False), (0.5, 0, True), (0.0, 1, True)])
def test_only_reset_and_fine_tune_change_weights(ratio, epochs, changed):
    config = CONFIG.model_copy(
        update={
            "mask": CONFIG.mask.model_copy(update={"ratio": ratio}),
            "finetune": CONFIG.finetune.model_copy(update={"epochs": epochs}),
        }
    )
    model = original()
    assert same_weights(unlearn_model(model, sets(side=24), config, seed=0, compute=CPU), model) != changed


def test_a_vision_transformer_unlearns():
    model = build("vit_tiny", 8, resolution=24)
    assert not same_weights(unlearn_model(model, sets(side=24), CONFIG, seed=0, compute=CPU), model)
