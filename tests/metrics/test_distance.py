"""Distances to retraining: closed forms, naive loops, the null of another seed, and models known to be bad."""

import copy
import json

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from torch.nn import functional as F

from aru.core.errors import InputError
from aru.core.names import SETS
from aru.metrics.distance.gaps import agreement, distance, js_divergence, mia_rate, tow
from aru.metrics.distance.klom import ensemble_margins, klom, klom_figures
from aru.metrics.utility import utility

SIZES = {"forget": 80, "retain": 120, "test": 90, "unseen": 100}
RETRAINED = {"forget": 1.0, "retain": 4.0, "test": 1.0, "unseen": 1.0}
Logits = dict[str, torch.Tensor]


def truths(*, multi: bool = False, seed: int = 0) -> Logits:
    generator = torch.Generator().manual_seed(seed)
    return {
        name: (torch.rand(size, 3, generator=generator) < 0.5).float()
        if multi
        else torch.randint(0, 5, (size,), generator=generator)
        for name, size in SIZES.items()
    }


def model(targets: Logits, seed: int, *, own: Logits | None = None, **strength: float) -> Logits:
    """Logits of a model that answers as a retrained one does, unless a set's strength says otherwise."""
    generator = torch.Generator().manual_seed(1000 + seed)
    made = {}
    for name, target in targets.items():
        truth = target * 2 - 1 if target.dim() == 2 else F.one_hot(target, 5).float()
        noise = torch.randn(truth.shape, generator=generator)
        made[name] = noise + (RETRAINED | strength)[name] * truth
    return made


def distances(unlearned: Logits, retrained: list[Logits], targets: Logits, *, resamples: int = 200, seed: int = 0) -> dict:
    people = {name: np.arange(size) // 4 for name, size in SIZES.items()}
    return distance(unlearned, retrained, targets, groups=people, resamples=resamples, seed=seed)


def test_tug_of_war_is_a_product() -> None:
    assert tow([0.1, -0.2, 0.05]) == pytest.approx(0.9 * 0.8 * 0.95)
    assert tow([np.array([0.0, 1.0]), np.array([0.0, 0.3])]) == pytest.approx([1, 0])


def test_divergence_of_known_answers() -> None:
    sure = torch.tensor([[800.0, 0, 0], [800, 0, 0], [0, 0, 0]])
    other = torch.tensor([[0.0, 800, 0], [800, 0, 0], [0, 0, 0]])
    assert js_divergence(sure, other, multi_label=False) == pytest.approx([np.log(2), 0, 0], abs=1e-12)


def test_divergence_is_scipys() -> None:
    one, other = torch.randn(30, 6) * 3, torch.randn(30, 6) * 3
    expected = [jensenshannon(p, q) ** 2 for p, q in zip(one.double().softmax(1), other.double().softmax(1), strict=True)]
    assert js_divergence(one, other, multi_label=False) == pytest.approx(expected)
    assert js_divergence(other, one, multi_label=False) == pytest.approx(expected)
    bernoulli = [[[1 - p, p] for p in row] for row in one.double().sigmoid().tolist()]
    beside = [[[1 - p, p] for p in row] for row in other.double().sigmoid().tolist()]
    labels = [
        np.mean([jensenshannon(p, q) ** 2 for p, q in zip(*rows, strict=True)]) for rows in zip(bernoulli, beside, strict=True)
    ]
    assert js_divergence(one, other, multi_label=True) == pytest.approx(labels)


def test_agreement_counts_equal_answers() -> None:
    one = torch.tensor([[2.0, 1, 0], [0, 1, 0], [0, 0, 3]])
    other = torch.tensor([[5.0, 1, 0], [1, 0, 0], [0, 0, 9]])
    assert agreement(one, other, multi_label=False).tolist() == [1, 0, 1]
    assert agreement(one - 0.5, other - 0.5, multi_label=True) == pytest.approx([1, 1 / 3, 1])


def naive_mia_rate(losses: dict[str, np.ndarray]) -> float:
    best, rate = -1.0, 0.0
    for threshold in [-np.inf, *sorted(set(losses["retain"]) | set(losses["unseen"]))]:
        right = (np.mean(losses["retain"] <= threshold) + np.mean(losses["unseen"] > threshold)) / 2
        if right > best + 1e-12:
            best, rate = right, np.mean(losses["forget"] > threshold)
    return rate


@pytest.mark.parametrize("seed", range(4))
def test_mia_rate_is_the_naive_one_and_weights_are_repetitions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    losses = {
        "forget": rng.integers(0, 9, 40) / 4,
        "retain": rng.integers(0, 7, 60) / 4,
        "unseen": rng.integers(2, 12, 50) / 4,
    }
    times = {name: rng.integers(0, 3, len(values)) for name, values in losses.items()}
    rates = mia_rate(losses, {name: np.stack((np.ones(len(values)), times[name])) for name, values in losses.items()})
    repeated = {name: np.repeat(values, times[name]) for name, values in losses.items()}
    assert rates == pytest.approx([naive_mia_rate(losses), naive_mia_rate(repeated)])


def test_gaps_are_signed_differences_of_the_models_figures() -> None:
    targets = truths()
    unlearned, retrained = model(targets, 0, forget=3.0, test=0.0), [model(targets, 1), model(targets, 2)]
    result = distances(unlearned, retrained, targets)
    gaps = {}
    for name in ("forget", "retain", "test"):
        ours, *theirs = (utility(one[name], targets[name])["accuracy"] for one in (unlearned, *retrained))
        gaps[name] = ours - np.mean(theirs)
        assert result["unlearned"][f"gap/{name}/accuracy"]["figure"] == pytest.approx(gaps[name])
    assert gaps["forget"] > 0.2 > 0 > gaps["test"]
    alone = distances(unlearned, retrained[:1], targets)
    single = [
        utility(unlearned[name], targets[name])["accuracy"] - utility(retrained[0][name], targets[name])["accuracy"]
        for name in ("forget", "retain", "test")
    ]
    assert alone["unlearned"]["tow"]["figure"] == pytest.approx(tow(single))
    assert alone["between_retrained"] is None and alone["beyond_retrained"] is None


def test_the_same_model_is_at_no_distance() -> None:
    targets = truths()
    figures = distances(model(targets, 0), [model(targets, 0)], targets)["unlearned"]
    assert {key: result["figure"] for key, result in figures.items()} == pytest.approx(
        {key: float(not key.endswith("js") and not key.startswith("gap")) for key in figures}, abs=1e-9
    )


def test_another_seed_is_not_beyond_the_seeds() -> None:
    covered = []
    for seed in range(40):
        targets = truths(seed=seed)
        models = [model(targets, 10 * seed + number) for number in range(4)]
        result = distances(models[0], models[1:], targets, resamples=150, seed=seed)["beyond_retrained"]
        covered.append(
            [
                result[key]["interval"][0] <= 0 <= result[key]["interval"][1]
                for key in ("forget/js", "forget/agreement", "test/js")
            ]
        )
    assert np.mean(covered) >= 0.88


@pytest.mark.parametrize("strength, sign", [({"forget": 4.0}, 1), ({"forget": -2.0}, -1)])
def test_remembering_and_over_forgetting_are_beyond_the_seeds(strength: dict[str, float], sign: int) -> None:
    targets = truths()
    result = distances(model(targets, 0, **strength), [model(targets, seed) for seed in (1, 2, 3)], targets)
    low, high = result["unlearned"]["gap/forget/accuracy"]["interval"]
    assert low * sign > 0 and high * sign > 0
    assert result["beyond_retrained"]["tow"]["interval"][1] < 0
    assert result["beyond_retrained"]["forget/js"]["interval"][0] > 0
    assert result["unlearned"]["gap/forget/mia_rate"]["figure"] * sign < 0  # taken for unseen less, or more, often


def test_several_labels_and_json() -> None:
    targets = truths(multi=True)
    result = distances(model(targets, 0), [model(targets, 1), model(targets, 2)], targets)
    assert json.loads(json.dumps(result)) == result
    for name in SETS:
        assert 0 < result["unlearned"][f"{name}/js"]["figure"] < np.log(2)


def test_inputs_stay_and_seeds_decide() -> None:
    targets = truths()
    models = [model(targets, seed) for seed in range(3)]
    before = copy.deepcopy(models)
    one, again, other = (distances(models[0], models[1:], targets, seed=seed) for seed in (1, 1, 2))
    assert one == again and one != other
    assert all(torch.equal(kept[name], made[name]) for kept, made in zip(before, models, strict=True) for name in SETS)


def test_missing_references_and_sets_are_named() -> None:
    targets = truths()
    with pytest.raises(InputError, match="no retrained model"):
        distances(model(targets, 0), [], targets)
    with pytest.raises(InputError, match="'unseen' is missing"):
        distances(
            {"forget": targets["forget"]} | {name: model(targets, 0)[name] for name in SETS[:3]}, [model(targets, 1)], targets
        )


def naive_klom(unlearned: np.ndarray, oracle: np.ndarray, bins: int) -> float:
    unlearned, oracle = np.clip(unlearned, -100, 100), np.clip(oracle, -100, 100)
    both = np.concatenate((unlearned, oracle))
    if both.min() == both.max():
        return 0.0
    p, q = (np.histogram(side, bins, (both.min(), both.max()))[0] / len(side) for side in (unlearned, oracle))
    q = np.where(p > 0, np.maximum(q, 1e-5), q)
    q = q / q.sum()
    return sum(a * np.log(a / b) for a, b in zip(p, q, strict=True) if a > 0)


@pytest.mark.parametrize("bins", [2, 10, 20])
def test_klom_is_the_naive_one(bins: int) -> None:
    rng = np.random.default_rng(0)
    unlearned, oracle = rng.normal(1, 2, (12, 40)), rng.normal(0, 1, (17, 40))
    unlearned[:, 0] = oracle[:, 0] = 3.5
    unlearned[0, 1], oracle[0, 2] = 1e4, -1e4
    expected = [naive_klom(unlearned[:, image], oracle[:, image], bins) for image in range(40)]
    assert klom(unlearned, oracle, bins=bins) == pytest.approx(expected)


def test_an_open_edge_leaves_each_image_s_largest_margin_out() -> None:
    rng = np.random.default_rng(1)
    unlearned, oracle = rng.normal(1, 2, (12, 30)), rng.normal(0, 1, (17, 30))
    expected = []
    for one, other in zip(unlearned.T, oracle.T, strict=True):
        top = max(one.max(), other.max())
        edges = np.linspace(min(one.min(), other.min()), top, 11)
        p, q = (np.histogram(side[side < top], edges)[0] / (side < top).sum() for side in (one, other))
        q = np.where(p > 0, np.maximum(q, 1e-5), q)
        expected.append(sum(a * np.log(a / b) for a, b in zip(p, q / q.sum(), strict=True) if a > 0))
    assert klom(unlearned, oracle, bins=10, edge="open") == pytest.approx(expected)
    assert klom(np.full((4, 1), 3.5), np.full((4, 1), 3.5), edge="open") == pytest.approx(0)
    with pytest.raises(InputError, match="closed or open"):
        klom(unlearned, oracle, edge="right")


def test_klom_is_bounded_and_zero_for_equal_histograms() -> None:
    margins = np.random.default_rng(0).normal(size=(30, 5))
    assert klom(margins, margins[::-1]) == pytest.approx(0)
    apart = klom(np.zeros((8, 1)), np.full((8, 1), 50.0))
    assert apart[0] == pytest.approx(np.log(1e5), abs=1e-4)


@pytest.mark.parametrize("bins, models, stated", [(20, 100, 0.35), (20, 32, 1.70), (10, 32, 0.67), (10, 8, 4.34)])
def test_the_stated_bias_of_klom_under_the_null(bins: int, models: int, stated: float) -> None:
    rng = np.random.default_rng(models)
    found = klom(rng.normal(size=(models, 3000)), rng.normal(size=(models, 3000)), bins=bins).mean()
    assert found == pytest.approx(stated, rel=0.06)


def test_klom_has_its_null_beside_it() -> None:
    rng = np.random.default_rng(1)
    people = np.arange(200) // 5
    oracle, equal = rng.normal(size=(24, 200)), rng.normal(size=(16, 200))
    result = klom_figures(equal, oracle, groups=people, resamples=100, seed=0)
    assert result["models"] == {"unlearned": 16, "retrained": 24, "half": 12}
    assert result["null"]["mean"] > 1 and abs(result["excess"]["mean"]) < 0.4
    assert result["matched"]["mean"] - result["null"]["mean"] == pytest.approx(result["excess"]["mean"])
    for shift in (1.5, -1.5):
        moved = klom_figures(equal + shift, oracle, groups=people, resamples=100, seed=0)
        assert moved["excess"]["interval"][0] > 1
        assert moved["matched"]["mean"] <= moved["matched"]["p95"] <= moved["matched"]["p99"]
    assert klom_figures(equal, oracle, groups=people, resamples=100, seed=0) == result == json.loads(json.dumps(result))


def test_the_excess_of_klom_is_zero_on_average_under_the_null() -> None:
    rng = np.random.default_rng(2)
    excess = [
        klom_figures(rng.normal(size=(8, 30)), rng.normal(size=(20, 30)), groups=None, resamples=2, seed=seed, splits=3)[
            "excess"
        ]["mean"]
        for seed in range(150)
    ]
    assert abs(np.mean(excess)) < 3 * np.std(excess) / np.sqrt(len(excess))


def test_margins_of_an_ensemble() -> None:
    logits, targets = [torch.randn(6, 4), torch.randn(6, 4)], torch.tensor([0, 1, 2, 3, 0, 1])
    probability = torch.stack([one.double().softmax(1)[torch.arange(6), targets] for one in logits])
    assert ensemble_margins(logits, targets) == pytest.approx((probability / (1 - probability)).log().numpy(), rel=1e-4)


@pytest.mark.parametrize(
    "unlearned, oracle, bins, words",
    [
        (np.zeros((4, 3)), np.zeros((4, 2)), 20, "do not fit"),
        (np.zeros((4, 3)), np.full((4, 3), np.nan), 20, "12 margins are not finite"),
        (np.zeros((4, 3)), np.zeros((3, 3)), 20, "4 or more"),
        (np.zeros((4, 3)), np.zeros((4, 3)), 1, "1 bins"),
    ],
)
def test_bad_ensembles_are_named(unlearned: np.ndarray, oracle: np.ndarray, bins: int, words: str) -> None:
    with pytest.raises(InputError, match=words):
        klom_figures(unlearned, oracle, groups=None, resamples=2, seed=0, bins=bins)
