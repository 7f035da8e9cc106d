"""What the official code of a method does, derived anew in a few lines, beside the preset of that source's name."""

import copy
import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from aru.core import seeds
from aru.core.errors import InputError
from aru.data.images import ImageSet
from aru.methods import amun, fcs, msg, random_labels, scrub, ssd, unsir
from aru.methods.registry import METHODS
from aru.methods.salun import saliency
from aru.nets.blocks import last_blocks
from aru.train.loop import fit
from aru.train.losses import task_loss
from tests.helpers.toys import CPU, generator, same_weights, sets, small_net
from tests.methods.test_surgery import naive_importance
from tests.methods.test_training_methods import gradient, run, statistics

NOT_AUGMENTED = {
    "finetune": ("starting-kit", "deepunlearn"),
    "cf-k": ("deepunlearn",),
    "advanced-neggrad": ("deepunlearn",),
    "scrub": ("rewind", "scrubv2", "deepunlearn"),
    "bad-teacher": ("deepunlearn",),
    "random-labels": ("deepunlearn",),
    "salun": ("deepunlearn",),
    "msg": ("paper",),
    "ct": ("paper",),
    "kde": ("paper",),
    "fcs": ("paper",),
    "dlfd": ("paper",),
    "a-amu": ("release", "logarithms"),
}
"""Presets whose official code trains on the images as they are: the starting kit's, Deep Unlearn's but EU-k, others'."""


def test_presets_augment_where_their_source_does() -> None:
    found = {
        name: tuple(preset for preset, values in METHODS[name].presets.items() if not getattr(values, "augment", True))
        for name in NOT_AUGMENTED
    }
    assert found == NOT_AUGMENTED


@pytest.mark.parametrize("name", ["ct", "kde"])
def test_the_cosine_moves_by_the_epoch(name: str) -> None:
    config = METHODS[name].configure("paper", epochs=3, batch_size=8)
    history = fit(small_net(), sets().retain, config, generator=generator(), compute=CPU)
    assert [row["lr"] for row in history] == pytest.approx([config.lr * factor for factor in (1, 0.75, 0.25)])


def test_the_last_blocks_of_deep_unlearn_are_anchored_where_they_start() -> None:
    # no momentum, no weight decay, BatchNorm in evaluation mode, one batch an epoch, lr a tenth from the seventh epoch on
    given, result = sets(), run("cf-k", preset="deepunlearn", epochs=8)
    expected = small_net()
    trained = [weight for block in last_blocks(expected, 2) for weight in block.parameters()]
    starts = [weight.detach().clone() for weight in trained]
    images, targets = given.retain.batch(torch.arange(20), torch.device("cpu"))
    for epoch in range(8):
        penalty = sum(((weight - start) ** 2).sum() for weight, start in zip(trained, starts, strict=True))
        slopes = torch.autograd.grad(task_loss(expected(images), targets) + 0.1 / 2 * penalty, trained)
        with torch.no_grad():
            for weight, slope in zip(trained, slopes, strict=True):
                weight -= 0.01 * (0.1 if epoch > 5 else 1) * slope
    for one, other in zip(expected.parameters(), result.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-6)
    assert not torch.equal(result.fc.weight, small_net().fc.weight)


def test_cf_k_of_the_benchmark_never_evaluates() -> None:
    # its notebook calls train() and nothing else: the statistics of frozen blocks move, their weights do not
    model, result = small_net(), run("cf-k", preset="benchmark", blocks=1, batch_size=8)
    assert all(not torch.equal(*pair) for pair in zip(statistics(model), statistics(result), strict=True))
    assert torch.equal(model.conv1.weight, result.conv1.weight) and torch.equal(model.bn1.weight, result.bn1.weight)


@pytest.mark.parametrize(
    ("preset", "order"),
    [
        ("benchmark", "rfrf"),
        ("paper", "frfrr"),
        ("rewind", "frfrfrrr"),
        ("scrubv2", "frfrfrrr"),
        ("deepunlearn", "frfrfrrrrrrrr"),
    ],
)
def test_scrub_s_passes_are_in_the_order_of_their_source(monkeypatch: pytest.MonkeyPatch, preset: str, order: str) -> None:
    seen, original = [], scrub.shuffled
    monkeypatch.setattr(
        scrub, "shuffled", lambda data, *rest, **options: seen.append(len(data)) or original(data, *rest, **options)
    )
    run("scrub", preset=preset, batch_size=20)
    assert "".join("f" if count == 12 else "r" for count in seen) == order


def test_scrub_rewinds_where_its_source_does() -> None:
    # SCRUB+R in the authors' notebook of attacks, and Deep Unlearn's scrubv2.py
    assert {name for name, values in METHODS["scrub"].presets.items() if values.rewind} == {"rewind", "scrubv2"}


@pytest.mark.parametrize(("lr", "epoch"), [(0.01, 0), (0.2, 3), (1.0, 2)])
def test_scrub_rewinds_as_its_authors_notebook(lr: float, epoch: int) -> None:
    # five epochs, forget first in three, lr a tenth from the fourth on; of the original and the ends of all epochs the one
    # whose error on forget is nearest to that of the last student on images that nothing descends on, of forget's classes
    given, teacher = sets(forget=30, retain=60), small_net()
    student = copy.deepcopy(teacher)
    order = torch.randperm(60, generator=seeds.generator(0, "scrub, held out")).numpy()
    held, kept = (given.retain.take(part) for part in (order[:12], order[12:]))
    optimizer = torch.optim.SGD(student.parameters(), lr=lr, momentum=0.9, weight_decay=5e-4)

    def divergence(images: torch.Tensor) -> torch.Tensor:
        pair = [functional.log_softmax(net(images) / 4, dim=1) for net in (student, teacher)]
        return functional.kl_div(pair[0], pair[1].detach(), log_target=True, reduction="batchmean") * 16

    def error(data: ImageSet) -> float:
        images, targets = data.batch(torch.arange(len(data)), CPU.device)
        return (student.eval()(images).argmax(dim=1) != targets).float().mean().item()

    ends, errors = [copy.deepcopy(student)], [error(given.forget)]
    for done in range(5):
        optimizer.param_groups[0]["lr"] = lr if done < 3 else lr / 10
        student.train()
        for data in [given.forget, kept] if done < 3 else [kept]:
            images, targets = data.batch(torch.arange(len(data)), CPU.device)
            loss = -divergence(images)
            if data is kept:
                loss = task_loss(student(images), targets) - loss / 2
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        errors.append(error(given.forget))
        ends.append(copy.deepcopy(student))
    known = torch.isin(held.targets, given.forget.targets).numpy()
    reference = error(held.take(np.flatnonzero(known)))
    assert min(range(6), key=lambda end: abs(errors[end] - reference)) == epoch
    result = run("scrub", given, preset="rewind", lr=lr, batch_size=64, forget_batch_size=64)
    for one, other in zip(ends[epoch].parameters(), result.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_scrub_s_reference_is_of_forget_s_classes_where_there_are_any() -> None:
    data = sets(retain=60).retain
    assert scrub.of_classes(data, torch.tensor([2, 5])).targets.unique().tolist() == [2, 5]
    assert len(scrub.of_classes(data, torch.tensor([9]))) == 60


def test_scrub_can_hold_nothing_out_of_one_image() -> None:
    with pytest.raises(InputError, match="scrub holds out a part of retain, which has 1 image: give at least 2"):
        run("scrub", sets(retain=1), preset="rewind")


def test_scrubv2_may_rewind_to_the_original(monkeypatch: pytest.MonkeyPatch) -> None:
    errors = iter([0.3, 0.6, 0.7])
    monkeypatch.setattr(scrub, "error_on", lambda *parts: next(errors))
    assert same_weights(run("scrub", preset="scrubv2", epochs=2, reference_error=0.4), small_net())


def test_ssd_s_alpha_cannot_select_beyond_the_share_of_batches_and_the_adaptive_one_always_does() -> None:
    model, given = small_net(), sets()  # 12 of 32 images: no ratio is above 8 / 3
    assert same_weights(run("ssd", given, preset="paper", batch_size=4), model)
    result = run("ssd", given, preset="adaptive", batch_size=4)
    of_all, of_forget = (
        torch.cat([value.flatten() for value in naive_importance(model, data, 4)]) for data in (given.train, given.forget)
    )
    ratio = torch.where(of_all > 0, of_forget / of_all, torch.zeros(()))
    assert ratio.max() <= 8 / 3 + 1e-5
    before, after = (torch.cat([weight.flatten() for weight in net.parameters()]) for net in (model, result))
    share = math.log(1 + 100 * 12 / 32) / 100
    chosen = ratio > np.percentile(ratio.numpy(), 100 - 100 * share)
    assert abs(chosen.sum() - share * len(ratio)) <= 1
    assert ((before != after) & ~chosen).sum() == 0 and (before[chosen] != after[chosen]).float().mean() > 0.9


def test_the_adaptive_alpha_leaves_exactly_the_share_above() -> None:
    of_all = {"a": torch.ones(500), "b": torch.tensor([0.0] * 500)}
    of_forget = {"a": torch.arange(500.0), "b": torch.zeros(500)}
    alpha = ssd.adaptive_alpha(of_all, of_forget, 0.15)  # ln 16 = 2.77 % of 1,000 weights
    assert (torch.arange(500.0) > alpha).sum() == 27


@pytest.mark.parametrize("name", ["salun", "random-labels"])
def test_labels_are_drawn_from_all_classes_for_every_epoch(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    drawn, original = [], random_labels.relabelled
    monkeypatch.setattr(
        random_labels, "relabelled", lambda *parts, **options: drawn.append(original(*parts, **options)) or drawn[-1]
    )
    given = sets(forget=200)
    run(name, given, epochs=3, batch_size=256)
    shares = [(one.targets == given.forget.targets).float().mean().item() for one in drawn]
    assert len(drawn) == 3 and not torch.equal(drawn[0].targets, drawn[1].targets)
    assert np.mean(shares) == pytest.approx(1 / 8, abs=0.05)  # about four standard deviations


def test_amun_s_rate_is_a_tenth_in_every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    rates, original = [], amun.set_lr
    monkeypatch.setattr(amun, "set_lr", lambda optimizer, lr: rates.append(lr) or original(optimizer, lr))
    run("amun", epochs=3, steps=2, eps=1.0)
    assert rates == pytest.approx([1e-2, 1e-3, 1e-4])


def test_msg_measures_in_train_mode() -> None:
    model, given = small_net(), sets(forget=6, retain=6)
    mask = msg.smallest(model, given, METHODS["msg"].configure(), generator=generator(), compute=CPU)
    trained = small_net().train()
    kept, lost = gradient(trained, given.retain), gradient(trained, given.forget)
    names = [name for name, _ in model.named_parameters()]
    for name in ("conv1", "conv2"):
        place = names.index(f"{name}.weight")
        size = (kept[place] - lost[place]).abs()
        assert size[mask[name]].max() <= size[~mask[name]].min() + 1e-7


def test_fcs_contrasts_forget_batches_with_larger_ones_of_retain(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes, original = set(), fcs.contrast
    monkeypatch.setattr(fcs, "contrast", lambda one, other, t: shapes.add((len(one), len(other))) or original(one, other, t))
    run("fcs", sets(forget=70, retain=300), epochs=1, batch_size=300)
    assert shapes == {(64, 256), (6, 44)}


def test_unsir_of_the_paper_impairs_for_32_steps_at_least(monkeypatch: pytest.MonkeyPatch) -> None:
    noises, original = [], unsir.learn_noise
    monkeypatch.setattr(unsir, "learn_noise", lambda *parts, **options: noises.append(1) or original(*parts, **options))
    reports: list[tuple[int, int, str]] = []
    METHODS["unsir"].function(
        small_net(),
        sets(),
        METHODS["unsir"].configure("paper", noise_steps=1),
        seed=0,
        compute=CPU,
        progress=lambda *call: reports.append(call),
    )
    assert len(noises) == 32 and reports[-1][:2] == (33, 33)


def test_salun_masks_by_the_sum_of_batch_means() -> None:
    model, given = small_net(), sets()
    result = run("salun", given, share=0.2, epochs=1, batch_size=8)  # 12 images: means of 8 and of 4
    names = [name for name, _ in model.named_parameters()]
    parts = [gradient(model, given.forget.take(np.arange(*ends))) for ends in ((0, 8), (8, 12))]
    mask = saliency(dict(zip(names, [one + other for one, other in zip(*parts, strict=True)], strict=True)), 0.2)
    for name, before, after in zip(names, model.parameters(), result.parameters(), strict=True):
        assert torch.equal(before[~mask[name]], after[~mask[name]]), name
