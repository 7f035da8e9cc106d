"""LiRA, U-LiRA, RMIA and IAM: loops over the definitions, Gaussians of known figures, pools of known membership."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import gumbel_r, norm

from aru.core.errors import InputError
from aru.metrics.shadow_attacks.iam import STEPS, iam
from aru.metrics.shadow_attacks.lira import lira_offline, lira_online, u_lira
from aru.metrics.shadow_attacks.rmia import rmia, tune_a
from aru.metrics.shadow_attacks.shadow_signals import PoolSignals, held_out, in_place_of_each, resolved
from aru.stats.roc import auc, tpr_at_fpr

LIRA = {"online": lira_online, "offline": lira_offline, "u": u_lira}


def pool(
    effect: float, *, models: int = 16, examples: int = 400, spread: float = 1.0, in_spread: float = 1.0, seed: int = 0
) -> PoolSignals:
    """Signals of models on random halves: an example's own mean, higher by `effect` where it was seen.

    The target saw nothing. `spread` is between examples; deviations are `in_spread` for members and 1 for others.
    """
    rng = np.random.default_rng(seed)
    seen = np.argsort(rng.random((models, examples)), axis=0) < models // 2
    mean = rng.normal(0, spread, examples)
    shadows = mean + np.where(seen, effect + in_spread * rng.normal(size=seen.shape), rng.normal(size=seen.shape))
    return PoolSignals(shadows, seen, mean + rng.normal(size=examples))


def probabilities(signals: PoolSignals) -> PoolSignals:
    return PoolSignals(1 / (1 + np.exp(-signals.shadows)), signals.seen, 1 / (1 + np.exp(-signals.target)))


def naive_lira(signals: PoolSignals, kind: str, pooled: bool) -> list[float]:
    """Example by example, each side's deviation from that side's own shadows."""
    held = [signals.shadows[signals.seen[:, m], m] for m in range(len(signals.target))]
    never = [signals.shadows[~signals.seen[:, m], m] for m in range(len(signals.target))]

    def deviation(side: list[np.ndarray], m: int) -> float:
        if not pooled:
            return side[m].std(ddof=1)
        return np.sqrt(sum(((values - values.mean()) ** 2).sum() for values in side) / sum(len(v) - 1 for v in side))

    result = []
    for m, value in enumerate(signals.target):
        p_in = norm.pdf(value, held[m].mean(), deviation(held, m))
        p_out = norm.pdf(value, never[m].mean(), deviation(never, m))
        beyond = 1 - norm.cdf(value, never[m].mean(), deviation(never, m))
        result.append({"online": np.log(p_in / p_out), "offline": -np.log(beyond), "u": p_in / (p_in + p_out)}[kind])
    return result


@pytest.mark.parametrize("kind", LIRA)
@pytest.mark.parametrize("pooled", [True, False])
def test_lira_is_the_loop(kind: str, pooled: bool) -> None:
    signals = pool(1.5, examples=40, in_spread=0.3)
    found = LIRA[kind](signals, variance="pooled" if pooled else "example")
    assert found == pytest.approx(naive_lira(signals, kind, pooled), rel=1e-9)


@pytest.mark.parametrize("fixed", [False, True])
def test_lira_as_the_paper_s_code_has_it(fixed: bool) -> None:
    """Medians; deviations with n, each example's own or one of all signals of members; offline a likelihood, two-sided."""
    signals, variance = pool(1.5, models=9, examples=40, spread=2), "official-fixed" if fixed else "official"
    columns = list(zip(signals.shadows.T, signals.seen.T, signals.target, strict=True))
    every = [np.concatenate([one[seen == side] for one, seen, _ in columns]).std() for side in (False, True)]
    online, offline = [], []
    for one, seen, target in columns:
        held, never = one[seen], one[~seen]
        wide = (every[1], every[1]) if fixed else (held.std(), never.std())
        online.append(norm.logpdf(target, np.median(held), wide[0]) - norm.logpdf(target, np.median(never), wide[1]))
        offline.append(-norm.logpdf(target, np.median(never), every[0] if fixed else never.std()))
    assert lira_online(signals, variance=variance) == pytest.approx(online)
    assert lira_offline(signals, variance=variance) == pytest.approx(offline)


def test_the_variance_is_that_of_the_right_side() -> None:
    """Members vary ten times less: a variance taken from the other side would turn the answer."""
    signals = pool(0.0, models=200, examples=300, in_spread=0.1)
    near = signals._replace(target=np.where(signals.seen, signals.shadows, 0).sum(axis=0) / signals.seen.sum(axis=0))
    for variance in ("example", "pooled"):
        assert np.median(lira_online(near, variance=variance)) == pytest.approx(np.log(10), abs=0.2)
        assert np.median(u_lira(near, variance=variance)) == pytest.approx(10 / 11, abs=0.02)


def test_few_shadows_share_one_variance() -> None:
    few, many = pool(1, models=16), pool(1, models=80)
    assert np.array_equal(lira_online(few), lira_online(few, variance="pooled"))
    assert np.array_equal(lira_online(many), lira_online(many, variance="example"))
    tiny = pool(1, models=6, examples=1500)
    own, shared = (held_auc(lambda one, v=v: lira_online(one, variance=v), tiny) for v in ("example", "pooled"))
    assert shared > own + 0.02


def held_auc(attack, signals: PoolSignals) -> float:
    scores = held_out(attack, signals)
    return auc(scores[signals.seen], scores[~signals.seen])


@pytest.mark.parametrize("effect", [0.0, 1.0, 2.5])
def test_lira_reaches_the_closed_form(effect: float) -> None:
    """Many shadows: the likelihood ratio of two Gaussians that differ by `effect`, whatever the examples' spread."""
    signals = pool(effect, models=64, examples=600, spread=4)
    expected = norm.cdf(effect / np.sqrt(2))
    for attack in LIRA.values():
        assert held_auc(attack, signals) == pytest.approx(expected, abs=0.015)
    plain = auc(signals.shadows[signals.seen], signals.shadows[~signals.seen])
    assert plain == pytest.approx(norm.cdf(effect / np.sqrt(2 * (1 + 4**2))), abs=0.02)  # what one threshold for all finds


def test_u_lira_tells_unlearned_from_unseen_by_halves() -> None:
    """An unlearning like retraining gives 1/2; one that leaves a trace gives the chance of the Gaussian test."""
    exact, trace = pool(0.0, models=64), pool(1.0, models=64)
    scores = held_out(u_lira, exact)
    assert scores.mean() == pytest.approx(0.5, abs=0.01)
    scores = held_out(u_lira, trace)
    right = np.where(trace.seen, scores > 0.5, scores < 0.5).mean()
    assert right == pytest.approx(norm.cdf(0.5), abs=0.01)
    assert tpr_at_fpr(scores[trace.seen], scores[~trace.seen], 0.01).tpr == pytest.approx(
        norm.cdf(norm.ppf(0.01) + 1), abs=0.02
    )


@pytest.mark.parametrize("models", [6, 8])
def test_a_target_without_a_trace_is_like_the_shadows_that_never_saw_also_with_few_of_them(models: int) -> None:
    """The shadow that is left out in the one comparison is left out in the other: else the surer attack finds less."""
    aucs = {"with all": [], "in place of each": []}
    for seed in range(40):
        signals = pool(0.0, models=models, examples=300, seed=seed)
        never = held_out(u_lira, signals)[~signals.seen]
        aucs["with all"].append(auc(u_lira(signals), never))
        aucs["in place of each"].append(auc(in_place_of_each(u_lira, signals)[~signals.seen], never))
    mean, error = {name: np.mean(found) for name, found in aucs.items()}, np.std(aucs["in place of each"]) / 40**0.5
    assert mean["in place of each"] == pytest.approx(0.5, abs=3 * error) and error < 0.004
    assert mean["with all"] < 0.5 - 5 * error


def test_offline_does_not_look_at_shadows_that_saw() -> None:
    signals = pool(3.0)
    other = signals._replace(shadows=np.where(signals.seen, 1e6, signals.shadows))
    assert np.array_equal(lira_offline(signals), lira_offline(other))
    everyone = PoolSignals(signals.shadows, np.zeros_like(signals.seen), signals.target)
    assert lira_offline(everyone).shape == signals.target.shape


def test_far_targets_are_still_ordered() -> None:
    signals = pool(0.0, examples=3)._replace(target=np.array([50.0, 60.0, 70.0]))
    assert (np.diff(lira_offline(signals)) > 0).all() and np.isfinite(lira_online(signals)).all()


def test_equal_shadows_of_an_example_do_not_make_it_certain() -> None:
    signals = pool(1.0, models=80, examples=30)
    signals.shadows[:, 4] = signals.seen[:, 4] * 2.0
    assert np.isfinite(lira_online(signals, variance="example")).all()
    with pytest.raises(InputError, match="same signals"):
        lira_online(PoolSignals(signals.seen * 1.0, signals.seen, signals.target))


def test_held_out_hands_over_the_others() -> None:
    signals = pool(1.0, models=6, examples=5)

    def attack(one: PoolSignals) -> np.ndarray:
        assert one.shadows.shape == one.seen.shape == (5, 5)
        return one.target - one.shadows.sum(axis=0)

    expected = signals.shadows - (signals.shadows.sum(axis=0) - signals.shadows)
    assert held_out(attack, signals) == pytest.approx(expected)


def lacking(side: bool, left: int) -> PoolSignals:
    """A pool in which example 7 has `left` shadows on a side."""
    signals = pool(1.0, examples=20)
    signals.seen[:, 7] = not side
    signals.seen[:left, 7] = side
    return signals


@pytest.mark.parametrize(
    "attack, side, left, words",
    [
        (lira_online, True, 1, "example 7 has 1 shadow models that saw it: 2 or more"),
        (lira_online, False, 0, "example 7 has 0 shadow models that never saw it: 2 or more"),
        (u_lira, True, 1, "example 7 has 1"),
        (lira_offline, False, 1, "example 7 has 1 shadow models that never saw it"),
        (lambda one: rmia(probabilities(one), probabilities(pool(0)), a=0.3), False, 0, "never saw it: 1 or more"),
        (lambda one: iam(one, one.target), False, 0, "never saw it: 1 or more"),
    ],
)
def test_too_few_shadows_are_named(attack, side: bool, left: int, words: str) -> None:
    with pytest.raises(InputError, match=words):
        attack(lacking(side, left))


@pytest.mark.parametrize(
    "change, words",
    [
        ({"target": np.ones(3)}, "do not fit"),
        ({"seen": np.ones((16, 400))}, "boolean mask"),
        ({"target": np.full(400, np.nan)}, "400 signals are not finite"),
    ],
)
def test_signals_must_fit(change: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        lira_online(pool(1.0)._replace(**change))


def naive_rmia(signals: PoolSignals, population: PoolSignals, a: float, gamma: float) -> list[float]:
    def ratio(one: PoolSignals, m: int) -> float:
        unseen = [p for p, known in zip(one.shadows[:, m], one.seen[:, m], strict=True) if not known]
        return one.target[m] / (((1 + a) * np.mean(unseen) + (1 - a)) / 2)

    others = [ratio(population, z) for z in range(len(population.target))]
    return [np.mean([ratio(signals, m) / z >= gamma for z in others]) for m in range(len(signals.target))]


@pytest.mark.parametrize("a, gamma", [(0.0, 1.0), (0.3, 1.0), (1.0, 1.0), (0.5, 2.0)])
def test_rmia_is_the_loop(a: float, gamma: float) -> None:
    signals, population = probabilities(pool(1.0, examples=30)), probabilities(pool(1.0, examples=25, seed=1))
    assert rmia(signals, population, a=a, gamma=gamma) == pytest.approx(naive_rmia(signals, population, a, gamma), abs=1e-12)


def test_rmia_counts_a_tie_as_reached() -> None:
    signals = probabilities(pool(1.0, examples=50))
    assert np.sort(rmia(signals, signals, a=0.3)) == pytest.approx(np.arange(1, 51) / 50)  # each example ties with itself


def no_members(signals: PoolSignals) -> PoolSignals:
    """A population that no model saw."""
    return signals._replace(seen=np.zeros_like(signals.seen))


def test_rmia_finds_members_and_nothing_where_nothing_is() -> None:
    population = probabilities(no_members(pool(0.0, examples=500, spread=2, seed=5)))
    found = {}
    for effect in (0.0, 2.0):
        signals = probabilities(pool(effect, spread=2, examples=800))
        a = tune_a(signals, population, paired=1).a
        target = PoolSignals(signals.shadows[1:], signals.seen[1:], signals.shadows[0])
        scores = rmia(
            target,
            population._replace(shadows=population.shadows[1:], seen=population.seen[1:], target=population.shadows[0]),
            a=a,
        )
        assert scores.min() >= 0 and scores.max() <= 1
        found[effect] = auc(scores[signals.seen[0]], scores[~signals.seen[0]])
        plain = auc(signals.shadows[0][signals.seen[0]], signals.shadows[0][~signals.seen[0]])
    assert found[0.0] == pytest.approx(0.5, abs=0.06)
    assert found[2.0] > plain + 0.03 and found[2.0] > 0.8


def test_a_is_the_best_on_the_paired_model_and_blind_to_the_target() -> None:
    signals = probabilities(pool(2.0, spread=2, examples=120))
    population = probabilities(no_members(pool(0.0, spread=2, examples=60, seed=5)))
    tuned = tune_a(signals, population, paired=3)
    rest = np.arange(16) != 3
    members = signals.seen[3]
    for a in (0.0, 0.4, 1.0):
        scores = np.array(
            naive_rmia(
                PoolSignals(signals.shadows[rest], signals.seen[rest], signals.shadows[3]),
                PoolSignals(population.shadows[rest], population.seen[rest], population.shadows[3]),
                a,
                1.0,
            )
        )
        assert tuned.aucs[a] == pytest.approx(auc(scores[members], scores[~members]), abs=1e-9)
    assert list(tuned.aucs) == [step / 10 for step in range(11)]
    assert tuned.aucs[tuned.a] == max(tuned.aucs.values()) > min(tuned.aucs.values())
    blind = tune_a(signals._replace(target=np.zeros(120)), population._replace(target=np.ones(60)), paired=3)
    assert blind == tuned


def test_a_population_image_that_the_paired_model_saw_is_left_out() -> None:
    signals = probabilities(pool(2.0, spread=2))
    population = probabilities(pool(2.0, spread=2, seed=5))
    unseen = ~population.seen[3]
    kept = PoolSignals(population.shadows[:, unseen], population.seen[:, unseen], population.target[unseen])
    assert tune_a(signals, population, paired=3) == tune_a(signals, kept, paired=3)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda one: rmia(one, one, a=1.2), "a is 1.2"),
        (lambda one: rmia(one, one, a=0.5, gamma=0.5), "gamma is 0.5"),
        (lambda one: rmia(pool(0), one, a=0.5), "probabilities"),
        (lambda one: tune_a(one, one, paired=16), "paired is 16"),
        (lambda one: tune_a(no_members(one), one), "saw none"),
        (lambda one: rmia(one, PoolSignals(one.shadows[1:], one.seen[1:], one.target), a=0.5), "same models"),
    ],
)
def test_rmia_names_bad_parameters(call, words: str) -> None:
    with pytest.raises(InputError, match=words):
        call(probabilities(pool(1.0)))


def naive_iam(signals: PoolSignals, original: np.ndarray, law: str) -> list[float]:
    """The published loop: interpolate every unseen shadow, fit by moments, weigh, average."""
    result = []
    steps = np.linspace(0, 1, STEPS + 1)
    for m, value in enumerate(signals.target):
        unseen = signals.shadows[~signals.seen[:, m], m]
        score = 0.0
        for a, weight in pairwise(steps):
            signal = unseen + a * (original[m] - unseen)
            mean, deviation = signal.mean(), signal.std(ddof=1)
            scale = np.sqrt(6) / np.pi * deviation
            chance = (
                norm.cdf(value, mean, deviation)
                if law == "normal"
                else gumbel_r.cdf(value, mean - np.euler_gamma * scale, scale)
            )
            score += weight * chance
        result.append(score / steps[1:].sum())
    return result


@pytest.mark.parametrize("law", ["normal", "gumbel"])
def test_iam_is_the_loop(law: str) -> None:
    signals = pool(3.0, models=70, examples=12)
    original = signals.target + 3
    assert iam(signals, original, law=law) == pytest.approx(naive_iam(signals, original, law), rel=1e-9)


def test_iam_s_shared_deviation_is_over_shadows_and_examples() -> None:
    signals = pool(3.0, models=6, examples=40)
    signals.seen[:] = False
    original = signals.target + 3
    expected, steps = np.zeros(40), np.linspace(0, 1, STEPS + 1)
    for a, weight in pairwise(steps):
        signal = signals.shadows + a * (original - signals.shadows)
        expected += weight * norm.cdf(signals.target, signal.mean(axis=0), signal.std())
    found = iam(signals, original, deviation="shared")
    assert found == pytest.approx(expected / steps[1:].sum(), rel=1e-9)
    assert found.mean() != pytest.approx(iam(signals, original).mean(), abs=0.01)
    with pytest.raises(InputError, match="example or shared"):
        iam(signals, original, deviation="all")


def test_iam_of_one_shadow_takes_the_spread_over_examples() -> None:
    signals = pool(3.0, models=1, examples=50)
    signals.seen[:] = False
    original = signals.target + 3
    expected = np.zeros(50)
    steps = np.linspace(0, 1, STEPS + 1)
    for a, weight in pairwise(steps):
        signal = signals.shadows[0] + a * (original - signals.shadows[0])
        expected += weight * norm.cdf(signals.target, signal, signal.std())
    assert iam(signals, original) == pytest.approx(expected / steps[1:].sum(), rel=1e-9)


@pytest.mark.parametrize("models", [8, 70])
def test_iam_orders_what_is_left_of_the_fit(models: int) -> None:
    """Unlearned by shares of the way back to a model that never saw: original, half, retrained, over-unlearned."""
    signals = pool(6.0, models=models, examples=500, spread=2)
    fitted = signals.target + 6
    left = {share: iam(signals._replace(target=signals.target + share * 6), fitted) for share in (1.0, 0.5, 0.0, -0.5)}
    means = {share: scores.mean() for share, scores in left.items()}
    assert means[1.0] > 0.95 and 0.15 < means[0.5] < 0.6 and means[0.0] < 0.1 and means[-0.5] < 0.01
    assert means[1.0] > means[0.5] > means[0.0] > means[-0.5]
    assert all(scores.min() >= 0 and scores.max() <= 1 for scores in left.values())


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda one: iam(one, np.ones(3)), "fit the target"),
        (lambda one: iam(one, one.target, law="beta"), "normal or gumbel"),
        (lambda one: lira_online(one, variance="fixed"), "auto, example, pooled, official"),
    ],
)
def test_unknown_choices_are_named(call, words: str) -> None:
    with pytest.raises(InputError, match=words):
        call(pool(1.0))


@pytest.mark.parametrize(("count", "name"), [(31, "pooled"), (32, "example")])
def test_auto_is_the_variance_that_it_is_named(count: int, name: str) -> None:
    rng = np.random.default_rng(0)
    signals = PoolSignals(rng.normal(0, rng.uniform(1, 3, 5), (count, 5)), np.zeros((count, 5), dtype=bool), np.zeros(5))
    assert resolved("auto", ~signals.seen) == name and resolved("official", ~signals.seen) == "official"
    scores = {variance: lira_offline(signals, variance=variance) for variance in ("auto", "pooled", "example")}
    assert np.array_equal(scores["auto"], scores[name])
    assert not np.allclose(scores["pooled"], scores["example"])
