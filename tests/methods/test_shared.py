"""What the methods share: blocks, fresh models, batches, labels, the descent."""

import numpy as np
import pytest
import torch
from torch import nn

from aru.core.errors import InputError, TrainingError
from aru.nets.blocks import blocks, frozen_modules, last_blocks
from aru.nets.fresh import fresh, registered_name
from aru.nets.models import build
from aru.train import batches
from aru.train.batches import endless, joined, passes, relabelled, sample, shuffled
from aru.train.descent import DescentConfig, Step, cosine, counter, descend, student
from aru.train.loop import batches_of
from aru.train.optimizers import make_optimizer
from tests.helpers.toys import CPU, generator, image_set, same_weights, sets, small_net


@pytest.mark.parametrize(
    "name, count, first, last",
    [
        ("resnet18", 6, ["conv1", "bn1"], ["fc"]),
        ("vit_tiny", 14, ["conv_proj"], ["heads"]),
        ("mobilenet_v3_small", 14, ["features.0"], ["classifier"]),
        ("regnet_y_400mf", 6, ["stem"], ["fc"]),
    ],
)
def test_blocks_are_the_named_children(name, count, first, last):
    model = build(name, 8, resolution=16)
    names = {module: path for path, module in model.named_modules()}
    groups = [[names[module] for module in group] for group in blocks(model)]
    assert (len(groups), groups[0], groups[-1]) == (count, first, last)


def test_a_final_norm_belongs_to_the_block_before_it():
    model = build("vit_tiny", 8, resolution=16)
    assert model.encoder.ln in blocks(model)[-2] and len(blocks(model)[-2]) == 2


def test_frozen_modules_are_all_but_the_last_blocks():
    model = small_net()
    trained = last_blocks(model, 2)
    assert trained == [model.hidden, model.fc]
    assert frozen_modules(model, trained) == [model.conv1, model.bn1, model.conv2, model.bn2]
    with pytest.raises(InputError, match="blocks is 9, but SmallNet has 4"):
        last_blocks(model, 9)


@pytest.mark.parametrize(
    "name, resolution",
    [("resnet18", 128), ("vit_tiny", 32), ("vit_tiny", 16), ("mobilenet_v3_small", 128), ("regnet_y_400mf", 32)],
)
def test_a_fresh_model_is_what_its_constructor_draws(name, resolution):
    model = build(name, 5, resolution=resolution, seed=1)
    assert registered_name(model) == name
    assert same_weights(fresh(model, seed=7), build(name, 5, resolution=resolution, seed=7))


def test_a_fresh_unregistered_model_is_drawn_module_by_module():
    model, state = small_net(), torch.get_rng_state()
    one, same, other = (fresh(model, seed=seed) for seed in (1, 1, 2))
    assert same_weights(one, same) and not same_weights(one, other)
    assert torch.equal(one.bn1.weight, torch.ones(6)) and torch.equal(one.bn1.running_var, torch.ones(6))
    assert not torch.equal(one.conv1.weight, model.conv1.weight)
    assert torch.equal(state, torch.get_rng_state())


def test_a_parameter_that_cannot_be_drawn_is_an_error():
    model = small_net()
    model.scale = nn.Parameter(torch.ones(3))
    with pytest.raises(InputError, match="cannot be drawn anew"):
        fresh(model, seed=0)


@pytest.mark.parametrize("count, size", [(2, 2), (3, 2), (4, 2), (5, 2), (9, 4), (10, 4), (3, 64), (64, 64), (65, 64)])
def test_passes_counts_the_batches_of_a_pass(count, size):
    assert passes(count, size) == len(batches_of(count, size, generator()))


def test_a_shuffled_pass_reads_each_image_once_and_endless_goes_on():
    data = image_set(10)
    options = {"generator": generator(), "compute": CPU, "augmented": False}
    labels = torch.cat([targets for _, targets in shuffled(data, 4, **options)])
    assert sorted(labels.tolist()) == sorted(data.targets.tolist())
    stream = endless(data, 4, **options)
    assert [len(next(stream)[1]) for _ in range(6)] == [4, 4, 2, 4, 4, 2]


def test_joined_sets_keep_rows_and_labels_together():
    given = sets()
    both = joined(given.forget, given.retain)
    assert np.array_equal(both.rows, np.concatenate([given.forget.rows, given.retain.rows]))
    assert torch.equal(both.targets, torch.cat([given.forget.targets, given.retain.targets]))
    with pytest.raises(InputError, match="different arrays"):
        joined(given.forget, image_set(4))


def test_a_sample_is_without_replacement():
    part = sample(image_set(20), 12, generator=generator())
    assert len(set(part.rows.tolist())) == 12
    assert len(sample(image_set(5), 12, generator=generator())) == 5


@pytest.mark.parametrize("own", [False, True])
def test_drawn_labels_are_uniform_over_all_or_all_but_the_own(own):
    data = image_set(4000, side=1, outputs=5)
    drawn = relabelled(data, generator=generator(), own=own)
    counts = torch.bincount((drawn.targets - data.targets) % 5, minlength=5)
    expected = torch.tensor([800] * 5 if own else [0] + [1000] * 4)
    assert (counts - expected).abs().max() < 110 and (counts[0] > 0) == own  # four standard deviations
    assert np.array_equal(drawn.rows, data.rows)


@pytest.mark.parametrize("own", [False, True])
def test_drawn_label_vectors_are_uniform_over_all_or_all_but_the_own(own):
    data = image_set(2100, side=1, outputs=3)
    vectors = (torch.rand(2100, 3, generator=generator(1)) < 0.5).float()
    wrong = relabelled(type(data)(data.images, data.rows, vectors, 3), generator=generator(), own=own).targets
    flips = ((wrong - vectors).abs() @ torch.tensor([1.0, 2.0, 4.0])).long()
    counts = torch.bincount(flips, minlength=8)
    assert set(wrong.unique().tolist()) == {0.0, 1.0}
    expected = torch.tensor([262.5] * 8 if own else [0] + [300] * 7)
    assert (counts - expected).abs().max() < 66 and (counts[0] > 0) == own


@pytest.mark.parametrize("labels", [63, 80])
@pytest.mark.parametrize("own", [False, True])
def test_vectors_of_many_labels_are_drawn_label_by_label(labels, own):
    data = image_set(400, side=1)
    vectors = (torch.rand(400, labels, generator=generator(1)) < 0.5).float()
    drawn = relabelled(type(data)(data.images, data.rows, vectors, labels), generator=generator(), own=own).targets
    flips = (drawn - vectors).abs()
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    assert (flips.mean(dim=0) - 0.5).abs().max() < 0.125 and abs(flips.mean() - 0.5) < 0.02  # five standard deviations


@pytest.mark.parametrize("own", [False, True])
def test_labels_drawn_one_by_one_are_uniform_over_all_or_all_but_the_own_vector(monkeypatch, own):
    monkeypatch.setattr(batches, "_BITS", 1)
    test_drawn_label_vectors_are_uniform_over_all_or_all_but_the_own(own)


def test_cosine_runs_from_the_value_to_the_least():
    assert cosine(2.0, 0, 10) == 2.0 and cosine(2.0, 5, 10) == pytest.approx(1.0)
    assert cosine(2.0, 10, 10, least=0.5) == pytest.approx(0.5)


def test_the_descent_is_plain_gradient_descent_and_shapes_before_it_projects():
    model, order = small_net(), []
    result = student(model, CPU, batchnorm="eval")
    optimizer = make_optimizer(result.parameters(), DescentConfig(lr=0.5, momentum=0.0))

    def steps():
        yield Step((result.fc.bias * torch.arange(8.0)).sum(), grad_hook=lambda: order.append("shape"))

    descend(
        steps(),
        optimizer,
        compute=CPU,
        generator=generator(),
        step_done=lambda: order.append("tell"),
        project=lambda: order.append("project"),
    )
    assert torch.allclose(result.fc.bias, model.fc.bias - 0.5 * torch.arange(8.0))
    assert order == ["shape", "project", "tell"]


def test_the_descent_stops_at_a_loss_that_is_not_finite():
    result = student(small_net(), CPU)
    steps = (Step(result.fc.bias.sum() * factor) for factor in [1.0] * 3 + [float("inf")])
    with pytest.raises(TrainingError, match="inf at step 4"):
        descend(
            steps,
            make_optimizer(result.parameters(), DescentConfig()),
            compute=CPU,
            generator=generator(),
            step_done=counter(lambda *call: None, 4, "test"),
        )


def test_batchnorm_in_eval_mode_keeps_its_statistics_and_dropout_trains():
    model = nn.Sequential(nn.Dropout(), nn.BatchNorm2d(3))
    held = student(model, CPU, batchnorm="eval")
    assert held[0].training and not held[1].training
    assert student(model, CPU)[1].training
