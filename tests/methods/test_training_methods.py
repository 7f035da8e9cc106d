"""The property that makes each training method that method."""

import itertools

import pytest
import torch
from torch.nn import functional

from aru.core.config import TrainConfig
from aru.core.seeds import draw_seed
from aru.core.seeds import generator as stream
from aru.methods import bad_teacher, gli, l1_sparse, salun, scrub, unsir
from aru.methods.registry import METHODS
from aru.nets.fresh import fresh
from aru.train.loop import fit, predict, supervised
from aru.train.losses import distillation_loss, task_loss
from tests.helpers.toys import CPU, generator, same_weights, sets, small_net

ONE_STEP = {"epochs": 1, "batch_size": 64, "momentum": 0.0, "weight_decay": 0.0, "augment": False, "batchnorm": "eval"}


def run(name, given=None, *, preset=None, model=None, seed=0, **changes):
    method = METHODS[name]
    return method.function(model or small_net(), given or sets(), method.configure(preset, **changes), seed=seed, compute=CPU)


def loss_on(model, data):
    return task_loss(predict(model, data, compute=CPU), data.targets).item()


def gradient(model, data):
    images, targets = data.batch(torch.arange(len(data)), torch.device("cpu"))
    return torch.autograd.grad(task_loss(model(images), targets), list(model.parameters()))


def assert_moved(model, result, changes):
    for before, after, change in zip(model.parameters(), result.parameters(), changes, strict=True):
        assert torch.allclose(after, before + change, atol=1e-6)


def statistics(model):
    return [tensor for name, tensor in model.state_dict().items() if "running" in name or "tracked" in name]


def test_retrain_is_the_recipe_from_scratch_on_retain():
    given, config = sets(), TrainConfig(epochs=1, batch_size=8)
    expected = fresh(small_net(), seed=draw_seed(5, "retrain/init"))
    fit(expected, given.retain, config, generator=stream(5, "retrain"), compute=CPU)
    assert same_weights(run("retrain", given, seed=5, epochs=1, batch_size=8), expected)


def test_retrain_does_not_depend_on_the_original():
    assert same_weights(*(run("retrain", model=small_net(seed), epochs=1) for seed in (1, 2)))


def test_finetune_in_train_mode_is_the_training_loop():
    given, expected = sets(), small_net()
    fit(
        expected,
        given.retain,
        METHODS["finetune"].configure("starting-kit", epochs=2),
        generator=stream(0, "finetune"),
        compute=CPU,
        loss=supervised,
    )
    assert same_weights(run("finetune", given, preset="starting-kit", epochs=2), expected)


@pytest.mark.parametrize("batchnorm, frozen", [("eval", True), ("train", False)])
def test_finetune_of_the_benchmark_freezes_the_statistics(batchnorm, frozen):
    model, result = small_net(), run("finetune", batchnorm=batchnorm)
    assert all(torch.equal(*pair) for pair in zip(statistics(model), statistics(result), strict=True)) == frozen
    assert not torch.equal(model.bn1.weight, result.bn1.weight)


@pytest.mark.parametrize("name", ["cf-k", "eu-k"])
def test_all_but_the_last_blocks_are_bit_equal_statistics_included(name):
    model, result = small_net(), run(name, preset="deepunlearn", epochs=2, blocks=2, batch_size=8)
    for part in ("conv1", "bn1", "conv2", "bn2"):
        assert same_weights(getattr(model, part), getattr(result, part)), part
    assert not torch.equal(model.hidden.weight, result.hidden.weight) and not torch.equal(model.fc.bias, result.fc.bias)


def test_eu_k_draws_the_last_blocks_anew_and_cf_k_does_not():
    model = small_net()
    drawn = fresh(model, seed=draw_seed(0, "eu-k/init"))
    result = run("eu-k", epochs=0, blocks=3)
    assert same_weights(result.conv1, model.conv1)
    for part in ("conv2", "bn2", "hidden", "fc"):
        assert same_weights(getattr(result, part), getattr(drawn, part)), part
    assert same_weights(run("cf-k", epochs=0, blocks=3), model)


def test_neggrad_takes_one_step_up_the_forget_loss():
    model, given = small_net(), sets()
    result = run("neggrad", given, lr=0.05, **ONE_STEP)
    assert_moved(model, result, [0.05 * value for value in gradient(model, given.forget)])
    assert loss_on(result, given.forget) > loss_on(model, given.forget)


def test_neggrad_takes_as_many_steps_as_retain_has_batches():
    reports = []
    METHODS["neggrad"].function(
        small_net(),
        sets(),
        METHODS["neggrad"].configure(batch_size=8),
        seed=0,
        compute=CPU,
        progress=lambda *call: reports.append(call),
    )
    assert len(reports) == 2 * 3  # two passes over 20 images


def test_advanced_neggrad_weighs_the_two_gradients():
    model, given = small_net(), sets()
    result = run("advanced-neggrad", given, lr=0.05, retain_weight=0.95, forget_weight=0.05, **ONE_STEP)
    kept, lost = gradient(model, given.retain), gradient(model, given.forget)
    assert_moved(model, result, [-0.05 * (0.95 * a - 0.05 * b) for a, b in zip(kept, lost, strict=True)])


@pytest.mark.parametrize("preset", ["benchmark", "paper"])
def test_unsir_noise_runs_away_from_the_forget_set(preset):
    model, given = small_net(), sets()
    images, targets = given.forget.batch(torch.arange(12), torch.device("cpu"))
    config = METHODS["unsir"].configure(preset, noise_steps=20, noise_lr=0.1, noise_penalty=0.0)
    start = torch.randn(images.shape, generator=generator())
    noise = unsir.learn_noise(model, images, targets, config, generator=generator())
    if preset == "paper":
        assert task_loss(model(noise), targets) > task_loss(model(start), targets)
    else:
        assert noise.min() >= 0 and noise.max() <= 1
        assert functional.mse_loss(model(noise), model(images)) > functional.mse_loss(model(start.clamp(0, 1)), model(images))
    assert same_weights(model, small_net())


def test_unsir_repairs_on_retain_alone():
    given, expected = sets(), small_net()
    result = run("unsir", given, repair_epochs=1, repair_lr=0.05, **{**ONE_STEP, "epochs": 0})
    assert_moved(expected, result, [-0.05 * value for value in gradient(expected, given.retain)])


@pytest.mark.parametrize("weight", [0.0, 1000.0])
def test_gli_moves_retain_images_from_forget_outputs_or_towards_their_labels(weight):
    model, given = small_net(), sets()
    batch, (forget, _) = (data.batch(torch.arange(12), torch.device("cpu")) for data in (given.retain, given.forget))
    moved = gli.guided(model, batch, forget, METHODS["gli"].configure(noise_steps=5), weight=weight)
    assert moved.min() >= 0 and moved.max() <= 1
    assert 0 < (moved - batch[0]).abs().max() <= 5 * 0.01 + 1e-6
    if weight:
        assert task_loss(model(moved), batch[1]) < task_loss(model(batch[0]), batch[1])
    else:
        away = model(forget)
        assert functional.mse_loss(model(moved), away) > functional.mse_loss(model(batch[0]), away)
    assert same_weights(model, small_net())


def test_gli_without_noise_is_a_step_on_retain_alone():
    given, expected = sets(forget=20), small_net()  # as many as retain, whose images are then all in the step
    result = run("gli", given, noise_steps=0, lr=0.05, **ONE_STEP)
    assert_moved(expected, result, [-0.05 * value for value in gradient(expected, given.retain)])


def test_gli_guidance_grows_linearly_over_the_steps(monkeypatch):
    weights = []
    monkeypatch.setattr(gli, "guided", lambda model, retain, forget, config, *, weight: weights.append(weight) or retain[0])
    run("gli", epochs=2, batch_size=6, first_guidance=10.0, last_guidance=20.0)
    assert len(weights) > 3 and weights[0] == 10.0 and weights[-1] < 20.0
    assert all(abs(b - a - 10.0 / len(weights)) < 1e-9 for a, b in itertools.pairwise(weights))


def test_the_divergence_of_equal_models_is_zero_and_so_is_its_gradient():
    logits = torch.randn(6, 8, generator=generator(), requires_grad=True)
    loss = distillation_loss(logits, logits.detach(), temperature=4.0)
    loss.backward()
    assert abs(loss.item()) < 1e-6 and logits.grad.abs().max() < 1e-6


def test_scrub_s_student_starts_as_its_teacher():
    # one step on forget, from the teacher itself: the divergence is at its minimum, there is nowhere to climb
    model = small_net()
    result = run("scrub", alpha=0.0, gamma=0.0, first="forget", forget_epochs=1, lr=0.1, **ONE_STEP)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(model.parameters(), result.parameters(), strict=True))


def test_scrub_leaves_its_teacher_on_forget_and_stays_on_retain():
    given, model = sets(), small_net()
    options = {"batch_size": 8, "forget_batch_size": 8, "epochs": 4, "forget_epochs": 4, "lr": 0.02, "augment": False}
    apart = {}
    for alpha in (0.0, 1.0):
        result = run("scrub", given, alpha=alpha, first="retain", batchnorm="eval", **options)
        apart[alpha] = {
            role: distillation_loss(
                *(predict(net, getattr(given, role), compute=CPU) for net in (result, model)), temperature=4.0
            ).item()
            for role in ("forget", "retain")
        }
    assert apart[0.0]["forget"] > 1e-4
    assert apart[1.0]["retain"] < apart[0.0]["retain"]


def test_scrub_skips_forget_after_its_forget_epochs():
    reports = []
    METHODS["scrub"].function(
        small_net(),
        sets(),
        METHODS["scrub"].configure(epochs=3, forget_epochs=1, batch_size=20),
        seed=0,
        compute=CPU,
        progress=lambda *call: reports.append(call),
    )
    assert len(reports) == 3 * 1 + 1


@pytest.mark.parametrize("reference, epoch", [(0.0, 1), (0.3, 2), (0.45, 3), (0.9, 3), (0.25, 1)])
def test_scrub_rewinds_to_the_epoch_nearest_the_reference_error(monkeypatch, reference, epoch):
    errors = iter([0.125, 0.375, 0.5])
    monkeypatch.setattr(scrub, "error_on", lambda *parts: next(errors))
    rewound = run("scrub", epochs=3, forget_epochs=3, reference_error=reference)
    assert same_weights(rewound, run("scrub", epochs=epoch, forget_epochs=3))


def test_scrub_s_error_is_the_share_of_wrong_answers():
    data, model = sets().forget, small_net()
    wrong = (predict(model, data, compute=CPU).argmax(dim=1) != data.targets).float().mean()
    assert scrub.error_on(model, data, CPU) == pytest.approx(wrong.item())


def test_scrub_s_learning_rate_falls_after_half_of_the_epochs():
    config = METHODS["scrub"].configure("deepunlearn")
    factors = [scrub.decayed(config, epoch) for epoch in range(1, 11)]
    assert factors == pytest.approx([1] * 5 + [0.1] * 3 + [0.01] + [0.001])


def test_the_bad_teacher_teaches_the_forgotten_alone():
    good, bad = small_net(1), small_net(2)
    images, forgotten = torch.rand(4, 3, 16, 16, generator=generator()), torch.tensor([True, False, False, True])
    lesson = bad_teacher.lesson(good, bad, images, forgotten)
    assert torch.equal(lesson[forgotten], bad(images)[forgotten]) and torch.equal(lesson[~forgotten], good(images)[~forgotten])


def test_bad_teacher_nears_the_bad_teacher_on_forget():
    given, model = sets(), small_net()
    bad = fresh(model, seed=draw_seed(0, "bad-teacher/init")).eval()
    result = run("bad-teacher", given, epochs=20, batch_size=16, lr=3e-3, augment=False)

    def distance(net):
        return distillation_loss(*(predict(one, given.forget, compute=CPU) for one in (net, bad)), temperature=1.0)

    assert distance(result) < 0.8 * distance(model)


def test_random_labels_unlearn_the_forget_set_and_keep_the_rest():
    given, model = sets(), small_net()
    options = {"lr": 0.1, "momentum": 0.9, "augment": False, "batchnorm": "train", "batch_size": 8}
    learnt = run("finetune", given, model=model, epochs=30, **options)
    result = run("random-labels", given, model=learnt, epochs=15, **options)
    assert loss_on(result, given.forget) > loss_on(result, given.retain)


@pytest.mark.parametrize("redraw, draws", [(True, 4), (False, 1)])
def test_random_labels_are_drawn_for_every_epoch_or_once(monkeypatch, redraw, draws):
    from aru.methods import random_labels

    calls = []
    original = random_labels.relabelled
    monkeypatch.setattr(random_labels, "relabelled", lambda *args, **options: calls.append(1) or original(*args, **options))
    run("random-labels", epochs=4, redraw=redraw)
    assert len(calls) == draws


@pytest.mark.parametrize("free, weights", [(0, [1, 0.75, 0.5, 0.25]), (2, [1, 0.5, 0, 0]), (4, [0, 0, 0, 0])])
def test_l1_sparse_penalises_ever_less(free, weights):
    config = METHODS["l1-sparse"].configure(epochs=4, free_epochs=free, alpha=0.5)
    assert [l1_sparse.penalty(config, epoch) for epoch in range(4)] == pytest.approx([0.5 * weight for weight in weights])


def test_l1_sparse_takes_the_subgradient_step():
    model, given = small_net(), sets()
    result = run("l1-sparse", given, lr=0.05, alpha=0.1, **ONE_STEP)
    expected = [
        -0.05 * (slope + 0.1 * value.sign())
        for slope, value in zip(gradient(model, given.retain), model.parameters(), strict=True)
    ]
    assert_moved(model, result, expected)
    assert l1_sparse.l1_norm(model).item() == pytest.approx(sum(value.abs().sum().item() for value in model.parameters()))


def test_salun_marks_the_largest_gradients_exactly():
    values = {"a": torch.tensor([[0.5, -3.0], [0.1, 2.0]]), "b": torch.tensor([-2.0, 0.0, 2.0])}
    mask = salun.saliency(values, 0.5)  # three of seven; ties go to the lower index
    assert mask["a"].tolist() == [[False, True], [False, True]] and mask["b"].tolist() == [True, False, False]


def test_salun_holds_the_frozen_weights_bit_by_bit():
    model, given = small_net(), sets()
    slopes = dict(zip(dict(model.named_parameters()), gradient(model, given.forget), strict=True))
    mask = salun.saliency(slopes, 0.3)
    result = run("salun", given, share=0.3, epochs=3, batch_size=16, momentum=0.9, weight_decay=0.1, lr=0.05)
    moved = 0
    for (name, before), after in zip(model.named_parameters(), result.parameters(), strict=True):
        assert torch.equal(before[~mask[name]], after[~mask[name]]), name
        moved += (before != after).sum().item()
    assert moved > 0.9 * sum(part.sum().item() for part in mask.values())
