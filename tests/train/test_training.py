"""The loop: reproducible, resumable, honest about NaN, and blind to what it is not given."""

import copy

import pytest
import torch
from torch import nn

from aru.core.config import FinetuneConfig, TrainConfig
from aru.core.errors import InputError, TrainingError
from aru.methods.aru.finetuning import finetune_loss
from aru.nets.models import load_weights
from aru.train import loop
from aru.train.checkpoint import Checkpoint
from aru.train.loop import batches_of, fit, predict, predict_joined
from aru.train.losses import distillation_loss, task_loss
from tests.helpers.toys import CPU, generator, image_set, same_weights, small_net

CONFIG = TrainConfig(epochs=3, batch_size=8, lr=0.05, schedule="cosine")


def trained(config=CONFIG, seed=0, **options):
    model = small_net()
    history = fit(model, image_set(21), config, generator=generator(seed), compute=CPU, **options)
    return model, history


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others():
    (one, history), (same, again), (other, _) = trained(), trained(), trained(seed=1)
    assert same_weights(one, same) and history == again
    assert not same_weights(one, other)


def test_the_global_generator_neither_matters_nor_moves():
    one, _ = trained()
    torch.manual_seed(99)
    before = torch.get_rng_state()
    other, _ = trained()
    assert same_weights(one, other) and torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("schedule", ["constant", "step", "cosine", "epoch-cosine", "onecycle"])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_training_learns(optimizer, schedule):
    config = TrainConfig(epochs=12, batch_size=8, lr=0.02, optimiser=optimizer, schedule=schedule, augment=False)
    model, history = trained(config)
    assert history[-1]["loss"] < history[0]["loss"] and len(history) == 12 and not model.training


def test_a_schedule_counts_the_batches_that_there_are() -> None:
    """Of 9 images in batches of 8 the lone last one joins the first batch: an epoch is one step, not two."""
    reports: list[tuple[int, int, str]] = []
    config = TrainConfig(epochs=4, batch_size=8, milestones=(2,), augment=False)
    history = fit(
        small_net(),
        image_set(9),
        config,
        generator=generator(),
        compute=CPU,
        progress=lambda *call: reports.append(call),
    )
    assert [row["lr"] for row in history] == pytest.approx([0.01, 0.01, 0.001, 0.001])
    assert [call[:2] for call in reports] == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_an_interrupted_training_ends_in_the_same_weights(tmp_path):
    whole, whole_history = trained()

    def interrupt(done, total, text):
        if "epoch 3" in text:
            raise KeyboardInterrupt

    path = tmp_path / "train.pt"
    with pytest.raises(KeyboardInterrupt):
        trained(checkpoint=Checkpoint(path, "key", every_seconds=0), progress=interrupt)
    assert path.exists()
    epochs = []
    resumed, history = trained(
        checkpoint=Checkpoint(path, "key", every_seconds=0), progress=lambda done, total, text: epochs.append(text)
    )
    assert same_weights(whole, resumed) and history == whole_history
    assert all("epoch 3" in text for text in epochs) and path.exists()  # whoever keeps the weights removes it


def test_a_resumed_training_counts_what_was_spent_before(tmp_path):
    begun, model = Checkpoint(tmp_path / "train.pt", "key", every_seconds=0), small_net()
    begun.clock.add({"seconds": 100.0, "cpu_seconds": 50.0})
    begun.save({"model": model}, generator(), [{"epoch": 1}])
    resumed = Checkpoint(tmp_path / "train.pt", "key")
    assert resumed.clock.seconds < 5
    assert resumed.restore({"model": model}, generator()) == [{"epoch": 1}]
    assert 100 < resumed.clock.seconds < 105 and 50 < resumed.clock.cpu_seconds < 55
    assert set(resumed.clock.spent()) == {"seconds", "cpu_seconds"}


def test_a_checkpoint_of_other_inputs_is_not_used(tmp_path):
    path = tmp_path / "train.pt"
    checkpoint = Checkpoint(path, "old", every_seconds=0)
    model = small_net()
    optimizer = torch.optim.SGD(model.parameters(), lr=1)
    checkpoint.save({"model": model, "optimizer": optimizer}, generator(), [{"epoch": 1}])
    assert Checkpoint(path, "new").restore({"model": model}, generator()) == []
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(InputError, match="remove it to begin anew"):
        Checkpoint(path, "old").restore({"model": model}, generator())


def test_a_loss_that_is_not_finite_stops_with_the_place_and_a_remedy():
    with pytest.raises(TrainingError, match=r"train: the loss is (nan|inf) at epoch \d.*with lr = 1e\+30: lower lr"):
        trained(TrainConfig(epochs=3, batch_size=8, lr=1e30, schedule="constant"))


@pytest.mark.parametrize(
    "lr, message",
    [
        (1e30, r"retrain ends in (weights that are not finite|a model whose loss is (nan|inf)).*: lower train\.lr"),
        (1e-3, None),
    ],
)
def test_a_training_of_one_batch_whose_only_step_breaks_the_weights_is_named(lr, message):
    options = {"lr_name": "train.lr", "text": "retrain"}
    config = TrainConfig(epochs=1, batch_size=64, lr=lr, schedule="constant")
    if message is None:
        trained(config, **options)
        return
    with pytest.raises(TrainingError, match=message):
        trained(config, **options)


def test_a_single_image_cannot_be_trained_on_and_a_lone_last_one_joins_its_neighbours():
    with pytest.raises(InputError, match="at least 2 images"):
        batches_of(1, 8, generator())
    chunks = batches_of(17, 8, generator())
    assert [len(chunk) for chunk in chunks] == [8, 9] and sorted(torch.cat(chunks).tolist()) == list(range(17))


def test_predict_equals_a_plain_forward_pass_and_changes_nothing():
    model, data = small_net().train(), image_set(9)
    model.bn1.eval()
    before = copy.deepcopy(model)
    logits = predict(model, data, compute=CPU, batch_size=4)
    images, _ = data.batch(torch.arange(9), CPU.device)
    torch.testing.assert_close(logits, before.eval()(images))
    assert model.training and not model.bn1.training and model.bn2.training
    assert same_weights(model, before)


@pytest.mark.parametrize("in_memory", [1 << 20, 0])
def test_sets_predicted_into_one_tensor_also_in_a_file_are_each_sets_logits(monkeypatch, in_memory):
    monkeypatch.setattr(loop, "_IN_MEMORY", in_memory)
    model, parts = small_net(), [image_set(9), image_set(4)]
    joined = predict_joined(model, parts, compute=CPU)
    assert torch.equal(joined, torch.cat([predict(model, part, compute=CPU) for part in parts]))
    joined += 1  # of its own, and still there
    assert joined.shape == (13, joined.shape[1])


def test_multilabel_loss_is_the_mean_over_labels():
    logits, targets = torch.tensor([[0.0, 100.0]]), torch.tensor([[1.0, 1.0]])
    assert task_loss(logits, targets).item() == pytest.approx(0.693147 / 2, abs=1e-5)
    assert task_loss(logits, targets, reduction="none").shape == (1,)


def test_distillation_is_zero_from_itself_and_scales_with_its_weight():
    logits = torch.randn(5, 8, generator=generator())
    assert distillation_loss(logits, logits, temperature=4).item() == pytest.approx(0, abs=1e-6)
    teacher, student = small_net(0), small_net(1)
    images, targets = image_set(6).batch(torch.arange(6), CPU.device)
    parts = {}
    for weight in (0.0, 0.25, 1.0):
        loss = finetune_loss(teacher, FinetuneConfig(distillation=weight), compute=CPU)
        parts[weight] = loss(student, images, targets)[0].item()
    assert parts[0.25] == pytest.approx(0.75 * parts[0.0] + 0.25 * parts[1.0], rel=1e-5)


def test_distillation_of_a_multilabel_task_is_refused():
    loss = finetune_loss(small_net(), FinetuneConfig(distillation=0.5), compute=CPU)
    with pytest.raises(InputError, match="multi-label"):
        loss(small_net(), torch.zeros(2, 3, 16, 16), torch.zeros(2, 8))


def test_dropout_models_are_reproducible_too():
    def run():
        model = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(3 * 16 * 16, 8))
        torch.nn.init.ones_(model[2].weight)
        torch.nn.init.zeros_(model[2].bias)
        fit(model, image_set(8), TrainConfig(epochs=2, batch_size=4), generator=generator(), compute=CPU)
        return model

    assert same_weights(run(), run())


def test_what_a_network_has_infinite_by_design_is_no_divergence():
    model = small_net()
    model.register_buffer("bound", torch.tensor([-torch.inf, 0.0]))
    fit(model, image_set(8), TrainConfig(epochs=1, batch_size=8, lr=1e-3), generator=generator(), compute=CPU)
    load_weights(model, model.state_dict(), where="here")
    with pytest.raises(InputError, match=r"here holds weights that are not finite \(bound\)"):
        load_weights(model, model.state_dict() | {"bound": torch.tensor([0.0, torch.inf])}, where="here")
    with pytest.raises(InputError, match=r"weights that are not finite \(bound\)"):
        load_weights(model, model.state_dict() | {"bound": torch.full((2,), torch.nan)}, where="here")
