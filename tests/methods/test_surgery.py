"""The property that makes each method that cuts, resets or dampens that method."""

import math

import numpy as np
import pytest
import torch

from aru.core.errors import InputError
from aru.core.progress import silent
from aru.core.seeds import generator as stream
from aru.methods import amun, ct, fcs, kde, msg, sfron, ssd
from aru.methods.importance import importance, summed_gradient
from aru.methods.registry import METHODS
from aru.nets.models import build
from aru.train.loop import predict
from aru.train.losses import task_loss
from tests.helpers.toys import CPU, generator, image_set, same_weights, sets, small_net
from tests.methods.test_training_methods import ONE_STEP, assert_moved, gradient, loss_on, run


def changed(model, result):
    return {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, result.state_dict()[name])}


def naive_importance(model, data, size):
    total = [torch.zeros_like(parameter) for parameter in model.parameters()]
    parts = torch.arange(len(data)).split(size)
    for positions in parts:
        images, targets = data.batch(positions, torch.device("cpu"))
        slopes = torch.autograd.grad(task_loss(model(images), targets), list(model.parameters()))
        for value, slope in zip(total, slopes, strict=True):
            value += slope**2 / len(parts)
    return total


def test_importance_is_the_mean_squared_batch_gradient():
    model, data = small_net(), image_set(11)
    options = {"batch_size": 4, "compute": CPU, "progress": silent, "text": ""}
    for value, expected in zip(importance(model, data, **options).values(), naive_importance(model, data, 4), strict=True):
        assert torch.allclose(value, expected, rtol=1e-4, atol=1e-9)
    # of 11 images in batches of 4, 4 and 3: three means, each of weight one
    means = [gradient(model, data.take(np.arange(*ends))) for ends in ((0, 4), (4, 8), (8, 11))]
    for value, *parts in zip(summed_gradient(model, data, **options).values(), *means, strict=True):
        assert torch.allclose(value, sum(parts), rtol=1e-4, atol=1e-6)


def test_ssd_dampens_what_exceeds_alpha_by_exactly_the_ratio():
    model, given = small_net(), sets()
    result = run("ssd", given, selection="alpha", alpha=1.5, lam=0.8, batch_size=4)
    of_all, of_forget = naive_importance(model, given.train, 4), naive_importance(model, given.forget, 4)
    selected = 0
    for before, after, every, lost in zip(model.parameters(), result.parameters(), of_all, of_forget, strict=True):
        chosen = lost > 1.5 * every
        assert torch.equal(after[~chosen], before[~chosen])
        assert torch.allclose(after[chosen], (before * (0.8 * every / lost).clamp(max=1))[chosen], rtol=1e-3, atol=1e-9)
        selected += chosen.sum().item()
    assert selected > 0


def test_ssd_never_makes_a_weight_larger():
    weight = torch.nn.Linear(3, 1, bias=False)
    before = weight.weight.detach().clone()
    ssd.dampen(weight, {"weight": torch.ones(1, 3)}, {"weight": torch.tensor([[1.0, 5.0, 20.0]])}, alpha=2.0, lam=10.0)
    assert torch.allclose(weight.weight / before, torch.tensor([[1.0, 1.0, 0.5]]))


@pytest.mark.parametrize("ratio", [0.0, 0.3, 1.0])
def test_msg_marks_exactly_the_smallest_gradients_of_each_convolution(ratio):
    model, given = small_net(), sets(forget=6, retain=6)  # of equal size: the sample of retain is all of it
    config = METHODS["msg"].configure(ratio=ratio, measured="eval")
    mask = msg.smallest(model, given, config, generator=generator(), compute=CPU)
    slopes = {
        name: kept - lost
        for (name, _), kept, lost in zip(
            model.named_parameters(), gradient(model, given.retain), gradient(model, given.forget), strict=True
        )
    }
    for name in ("conv1", "conv2"):
        size = slopes[f"{name}.weight"].abs()
        count = round(ratio * size.numel())
        assert mask[name].sum() == count
        assert count in (0, size.numel()) or size[mask[name]].max() <= size[~mask[name]].min() + 1e-8
    assert not mask["hidden"].any()


def test_msg_draws_the_marked_weights_anew_and_nothing_else():
    model, given = small_net(), sets()
    result = run("msg", given, epochs=0)
    mask = msg.smallest(model, given, METHODS["msg"].configure(), generator=stream(0, "msg"), compute=CPU)
    assert changed(model, result) == {"conv1.weight", "conv2.weight"}
    for name in ("conv1", "conv2"):
        assert torch.equal(getattr(model, name).weight != getattr(result, name).weight, mask[name])


def test_msg_draws_from_kaiming_s_normal_by_fan_out():
    model = build("resnet18", 8)
    drawn = msg.kaiming(model, generator=generator()).layer4[1].conv2.weight
    assert drawn.std().item() == pytest.approx(math.sqrt(2 / (512 * 9)), rel=0.01)
    assert not torch.equal(drawn, model.layer4[1].conv2.weight)


def test_msg_scales_the_gradients_of_the_weights_that_stay():
    given = sets()
    start, mask = (
        run("msg", given, epochs=0),
        msg.smallest(small_net(), given, METHODS["msg"].configure(), generator=stream(0, "msg"), compute=CPU),
    )
    result = run("msg", given, lr=0.05, **ONE_STEP)
    factors = {f"{name}.weight": torch.where(mask[name], 1.0, 0.1) for name in ("conv1", "conv2")}
    assert_moved(
        start,
        result,
        [
            -0.05 * factors.get(name, 1.0) * slope
            for (name, _), slope in zip(start.named_parameters(), gradient(start, given.retain), strict=True)
        ],
    )


@pytest.mark.parametrize("epochs, factors", [(5, [1 / 3, 2 / 3, 1, 2 / 3, 1 / 3]), (4, [1 / 2, 1, 2 / 3, 1 / 3]), (1, [1])])
def test_msg_warms_up_and_cools_down(epochs, factors):
    assert [msg.warmth(epoch, epochs) for epoch in range(epochs)] == pytest.approx(factors)


def test_ct_is_its_own_inverse():
    model = small_net()
    ct.transpose(model)
    assert changed(small_net(), model) == {"conv1.weight", "conv2.weight"}
    assert torch.equal(model.conv1.weight[2, 1], small_net().conv1.weight[2, 1].T)
    assert same_weights(run("ct", epochs=0), model)
    ct.transpose(model)
    assert same_weights(model, small_net())


def test_ct_transposes_a_kernel_that_layers_share_once():
    model = small_net()
    model.conv3 = torch.nn.Conv2d(6, 8, 3)
    model.conv3.weight = model.conv2.weight
    before = model.conv2.weight.detach().clone()
    ct.transpose(model)
    assert torch.equal(model.conv2.weight, before.transpose(2, 3)) and model.conv3.weight is model.conv2.weight


def test_ct_and_msg_need_a_convolution():
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 16 * 16, 8))
    for name in ("ct", "msg", "kde"):
        with pytest.raises(InputError, match="convolution"):
            run(name, model=model)


def test_kde_resets_the_first_convolution_and_the_classifier():
    result = run("kde", epochs=0, warmup_epochs=0)
    assert changed(small_net(), result) == {"conv1.weight", "fc.weight", "fc.bias"}


def test_kde_s_losses_are_those_of_the_source():
    student, fixed = small_net(1), small_net(2)
    images, targets = torch.rand(5, 3, 16, 16, generator=generator()), torch.tensor([0, 1, 2, 3, 4])
    s, t = (student(images) / 5).log_softmax(1), (fixed(images) / 5).softmax(1)
    divergence, soft = (t * (t.log() - s)).sum(1).mean(), -(t * s).sum(1).mean()
    assert torch.allclose(kde.distilling(fixed, 5.0, labelled=False)(student, images, targets)[0], divergence, atol=1e-6)
    whole = task_loss(student(images), targets) + soft + divergence
    assert torch.allclose(kde.distilling(fixed, 5.0, labelled=True)(student, images, targets)[0], whole, atol=1e-6)
    assert abs(kde.distilling(fixed, 5.0, labelled=False)(fixed, images, targets)[0].item()) < 1e-6


def test_fcs_s_losses_are_those_of_the_source():
    logits = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.5, 0.5]])
    expected = -math.log(3) - logits.log_softmax(1).mean(1)
    assert torch.allclose(fcs.uniform_divergence(logits), expected.mean()) and expected[1].abs() < 1e-6
    others = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    rows = [[sum(a * b for a, b in zip(z, r, strict=True)) / 1.15 for r in others.tolist()] for z in logits.tolist()]
    naive = [math.log(sum(map(math.exp, row))) - value for row in rows for value in row]
    assert fcs.contrast(logits, others, 1.15).item() == pytest.approx(sum(naive) / 4, rel=1e-5)


def test_fcs_s_first_stage_levels_the_forget_outputs():
    given, model = sets(), small_net()
    result = run("fcs", given, epochs=0, uniform_lr=0.5, momentum=0.0, augment=False)
    images, _ = given.forget.batch(torch.arange(12), torch.device("cpu"))
    before, after = (fcs.uniform_divergence(net.train()(images)) for net in (model, result))
    assert after < before


def test_sfron_weighs_and_masks_the_ascent():
    losses = torch.tensor([4.0, 1.0, 0.25], requires_grad=True)
    weights = torch.tensor([0.5, 1.0, 2.0]) / 3.5
    value = sfron.adaptive(losses, 0.5)
    value.backward()
    assert value.item() == pytest.approx((weights * losses.detach()).sum().item())
    assert torch.allclose(losses.grad, weights), "the weights are held fixed"
    mask = sfron.at_least({"a": torch.tensor([1.0, 2.0, 0.0, 3.0])}, {"a": torch.tensor([2.0, 2.0, 0.0, 0.0])}, 1.0)
    assert mask["a"].tolist() == [False, True, True, True]


def test_sfron_without_salient_weights_does_not_ascend():
    options = {"iterations": 3, "every": 2, "batch_size": 8}
    barred, idle = run("sfron", threshold=1e30, **options), run("sfron", threshold=1e30, strength=0.0, **options)
    assert same_weights(barred, idle) and not same_weights(barred, run("sfron", threshold=0.0, **options))


def test_sfron_clips_the_ascent():
    gentle = run("sfron", strength=1.0, clip=1e-6, iterations=1, batch_size=8, weight_decay=0.0)
    fierce = run("sfron", strength=1e6, clip=1e-6, iterations=1, batch_size=8, weight_decay=0.0)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(gentle.parameters(), fierce.parameters(), strict=True))


def confident():
    """A net that has learnt some images and the images: their labels take an effort to flip."""
    given = sets()
    model = run("finetune", given, epochs=40, lr=0.1, momentum=0.9, batch_size=8, augment=False, batchnorm="train")
    return model, given.retain


def test_amun_s_neighbours_flip_the_label_within_the_smallest_radius():
    model, data = confident()
    config = METHODS["amun"].configure(steps=20, eps=0.01)
    images, targets = data.batch(torch.arange(len(data)), torch.device("cpu"))
    found, labels, radius, flipped = amun.nearest(model, images, targets, config, compute=CPU)
    assert flipped.all() and torch.equal(model(found).argmax(1), labels) and (labels != targets).all()
    assert ((found - images).flatten(1).norm(dim=1) <= radius * 1.0001).all()
    assert found.min() >= 0 and found.max() <= 1
    doublings = torch.log2(radius / 0.01)
    assert torch.allclose(doublings, doublings.round(), atol=1e-4) and doublings.max() >= 1
    for position in range(len(data)):  # with one doubling fewer, the label holds
        fewer = round(doublings[position].item()) - 1
        if fewer >= 0:
            less = config.model_copy(update={"doublings": fewer})
            one = slice(position, position + 1)
            assert not amun.nearest(model, images[one], targets[one], less, compute=CPU)[3].any()


@pytest.mark.parametrize("shape", [(10,), (7, 5), (3, 4, 4, 4)], ids=["vectors", "sequences", "volumes"])
def test_amun_s_neighbours_of_any_inputs_are_those_found_one_at_a_time(shape):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(math.prod(shape), 4)).eval()
    images = torch.rand(3, *shape)  # as many as the volumes have channels
    targets = model(images).argmax(dim=1)
    config = METHODS["amun"].configure(steps=5, eps=0.02)
    together = amun.nearest(model, images, targets, config, compute=CPU)
    alone = [amun.nearest(model, images[[one]], targets[[one]], config, compute=CPU) for one in range(3)]
    assert together[3].all() and len(set(together[2].tolist())) > 1  # the radii differ
    for found, expected in zip(together, map(torch.cat, zip(*alone, strict=True)), strict=True):
        assert torch.allclose(found.float(), expected.float(), atol=1e-6)


def test_amun_takes_a_wrong_image_as_its_own_neighbour():
    model, data = small_net(), sets().forget
    images, _ = data.batch(torch.arange(12), torch.device("cpu"))
    wrong = (model(images).argmax(1) + 1) % 8
    found, labels, _, flipped = amun.nearest(model, images, wrong, METHODS["amun"].configure(), compute=CPU)
    assert torch.equal(found, images) and flipped.all() and torch.equal(labels, model(images).argmax(1))


def test_amun_leaves_out_what_it_cannot_flip():
    model, data = confident()
    right = predict(model, data, compute=CPU).argmax(1) == data.targets
    config = METHODS["amun"].configure(eps=1e-7, doublings=0)
    with pytest.raises(InputError, match="raise eps or doublings"):
        amun.neighbours(model, data.take(right.nonzero().flatten().numpy()), config, compute=CPU)


@pytest.mark.parametrize("use_retain", [True, False])
def test_amun_takes_its_steps_on_the_neighbours_too_with_their_own_labels(use_retain):
    model, _ = confident()
    given = sets()
    config = METHODS["amun"].configure(
        epochs=1,
        batch_size=64,
        lr=0.05,
        momentum=0.0,
        weight_decay=0.0,
        augment=False,
        batchnorm="eval",
        use_retain=use_retain,
    )
    adversarial, labels, _ = amun.neighbours(model, given.forget, config, compute=CPU)
    clean = [
        data.batch(torch.arange(len(data)), torch.device("cpu"))
        for data in ([given.retain] if use_retain else []) + [given.forget]
    ]
    images = torch.cat([*(images for images, _ in clean), adversarial])
    loss = task_loss(model(images), torch.cat([*(targets for _, targets in clean), labels]))
    slopes = torch.autograd.grad(loss, list(model.parameters()))
    result = METHODS["amun"].function(model, given, config, seed=0, compute=CPU)
    for before, after, slope in zip(model.parameters(), result.parameters(), slopes, strict=True):
        assert torch.allclose(after, before - 0.05 * slope, atol=1e-6)


@pytest.mark.parametrize(
    "name, section, value",
    [
        ("random-mask", "mask", {"select": "random"}),
        ("random-noise", "attack", {"noise": "random"}),
        ("no-attack", "attack", {"noise": "none"}),
    ],
)
def test_a_control_differs_from_aru_in_one_choice(name, section, value):
    options = {"finetune": {"epochs": 1}, "mask": {"unit": "weight"}, "attack": {"eps": 0.3, "alpha": 0.1}}
    control = run(name, **options)
    assert same_weights(control, run("aru", **{**options, section: {**options[section], **value}}))
    assert not same_weights(control, run("aru", **options))


def test_reset_all_keeps_nothing_of_the_original():
    one, other = (run("reset-all", model=small_net(seed), finetune={"epochs": 1}) for seed in (1, 2))
    assert same_weights(one, other)


def test_doing_nothing_does_nothing():
    given, model = sets(), small_net()
    result = run("nothing", given)
    assert same_weights(result, model) and loss_on(result, given.forget) == loss_on(model, given.forget)
