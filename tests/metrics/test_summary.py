"""metrics.json: its shape, its consistency, its bytes, and what it says of models whose truth is known."""

import json

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from aru.core.errors import InputError
from aru.core.names import SETS
from aru.metrics.membership.benchmark_attack import benchmark_mia
from aru.metrics.summary import rounded, summarise
from aru.metrics.utility import per_example_loss, utility

SIZES = {"forget": 90, "retain": 160, "test": 120, "unseen": 110}
STRENGTH = {"original": {"forget": 4.0, "retain": 4.0}, "unlearned": {"retain": 3.0}, "retrained": {"retain": 4.0}}
Logits = dict[str, dict[str, torch.Tensor]]


def made(*, multi: bool = False, seed: int = 0) -> tuple[Logits, dict[str, torch.Tensor], dict[str, np.ndarray]]:
    """Logits of three models: what was trained on is known better, by `STRENGTH`."""
    generator = torch.Generator().manual_seed(seed)
    targets, groups, logits = {}, {}, {model: {} for model in STRENGTH}
    for name, size in SIZES.items():
        classes = torch.randint(0, 5, (size,), generator=generator)
        targets[name] = (torch.rand(size, 3, generator=generator) < 0.5).float() if multi else classes
        truth = targets[name] * 2 - 1 if multi else F.one_hot(classes, 5).float()
        groups[name] = np.array([f"S{index // 4:05d}" for index in range(size)])
        for model in STRENGTH:
            noise = torch.randn(truth.shape, generator=generator)
            logits[model][name] = noise + STRENGTH[model].get(name, 1.0) * truth
    return logits, targets, groups


def summary(logits: Logits, targets: dict, groups: dict | None, *, seed: int = 0, resamples: int = 100) -> dict:
    return summarise(
        logits, targets, groups=groups, benchmark="toy", protocol="clean", task="age", seed=seed, resamples=resamples
    )


@pytest.fixture(scope="module")
def metrics() -> dict:
    return summary(*made())


def test_has_every_key(metrics: dict) -> None:
    assert {key: metrics[key] for key in ("benchmark", "protocol", "task", "seed", "counts")} == {
        "benchmark": "toy",
        "protocol": "clean",
        "task": "age",
        "seed": 0,
        "counts": SIZES,
    }
    expected = {
        f"{name}/{figure}" for name in SETS for figure in ("accuracy", "balanced_accuracy", "top2_accuracy", "loss")
    } | {
        "mia/accuracy",
        "mia/forgetting_score",
        "nomus",
        "mia_matched/auc",
        "mia_matched/balanced_accuracy",
        "mia_matched/tpr_at_1pct_fpr",
    }
    for model in STRENGTH:
        assert set(metrics["models"][model]) == expected
        gaps = set() if model == "retrained" else {f"gap/{key}" for key in expected}
        assert set(metrics["intervals"][model]) == expected | gaps
        assert set(metrics["gaps"].get(model, {})) == gaps
        assert {len(part["accuracy"]) for part in metrics["per_class"][model].values()} == {5}


def test_figures_are_those_of_their_functions(metrics: dict) -> None:
    logits, targets, _ = made()
    forget, unseen = (per_example_loss(logits["unlearned"][name], targets[name]) for name in ("forget", "unseen"))
    figures = metrics["models"]["unlearned"]
    assert figures["mia/accuracy"] == pytest.approx(benchmark_mia(forget, unseen), abs=1e-6)
    assert figures["retain/top2_accuracy"] == pytest.approx(
        utility(logits["unlearned"]["retain"], targets["retain"])["top2_accuracy"], abs=1e-6
    )
    assert figures["nomus"] == pytest.approx(
        (figures["test/accuracy"] + 1 - 2 * figures["mia/forgetting_score"]) / 2, abs=2e-6
    )


def test_a_forgetting_score_lies_in_its_interval_which_reaches_0_where_the_attack_may_guess() -> None:
    for seed in range(4):
        logits, targets, groups = made(seed=seed)
        logits["unlearned"] |= {name: logits["retrained"][name] for name in ("forget", "unseen")}
        found = summary(logits, targets, groups, resamples=40)
        for model, figures in found["models"].items():
            bounds = found["intervals"][model]
            for key in ("mia/accuracy", "mia/forgetting_score", "nomus"):
                assert bounds[key][0] <= figures[key] <= bounds[key][1], (seed, model, key)
            if bounds["mia/accuracy"][0] <= 0.5 <= bounds["mia/accuracy"][1]:
                assert bounds["mia/forgetting_score"][0] == 0


@pytest.mark.parametrize("forget, unseen", [(3, 110), (90, 9), (1, 1)])
def test_what_few_images_cannot_show_is_none_and_says_why(forget: int, unseen: int) -> None:
    logits, targets, groups = made()
    sizes = {"forget": forget, "unseen": unseen}
    cut = {name: slice(sizes.get(name)) for name in SETS}
    targets, groups = ({name: values[cut[name]] for name, values in sets.items()} for sets in (targets, groups))
    targets["unseen"][0] = targets["forget"][0]
    logits = {model: {name: values[cut[name]] for name, values in sets.items()} for model, sets in logits.items()}
    found = json.loads(json.dumps(summary(logits, targets, groups, resamples=20), allow_nan=False))
    for key in ("mia/accuracy", "mia/forgetting_score", "nomus"):
        assert all(found["models"][model][key] is None and found["intervals"][model][key] is None for model in STRENGTH)
        assert f"there are {forget} and {unseen}" in found["not_measured"][key]
    assert found["gaps"]["unlearned"]["gap/nomus"] is None and found["reference"]["null/forgetting_score_p95"] is None
    assert found["models"]["unlearned"]["mia_matched/auc"] is not None and found["people"]["forget"] == -(-forget // 4)


def test_without_a_class_in_common_nothing_is_matched() -> None:
    logits, targets, groups = made()
    targets["forget"], targets["unseen"] = targets["forget"] % 2, 2 + targets["unseen"] % 2
    found = summary(logits, targets, groups, resamples=20)
    assert found["models"]["original"]["mia_matched/auc"] is None and found["models"]["original"]["nomus"] is not None
    assert "class" in found["not_measured"]["mia_matched/auc"] and found["intervals"]["original"]["mia_matched/auc"] is None


def test_intervals_hold_their_figures(metrics: dict) -> None:
    for model, figures in metrics["models"].items():
        for key in ("test/accuracy", "forget/loss", "unseen/balanced_accuracy", "mia_matched/auc"):
            low, high = metrics["intervals"][model][key]
            assert low <= figures[key] <= high and high > low, (model, key)
    for model, gaps in metrics["gaps"].items():
        for key in ("gap/test/accuracy", "gap/mia_matched/auc"):
            low, high = metrics["intervals"][model][key]
            assert low <= gaps[key] <= high, (model, key)


def test_knows_who_remembers(metrics: dict) -> None:
    models, intervals = metrics["models"], metrics["intervals"]
    assert models["original"]["mia/accuracy"] > 0.7 and models["original"]["mia_matched/auc"] > 0.8
    assert intervals["original"]["gap/mia_matched/auc"][0] > 0.2
    assert intervals["unlearned"]["gap/mia_matched/auc"][0] < 0 < intervals["unlearned"]["gap/mia_matched/auc"][1]


def test_a_model_has_no_gap_to_its_twin() -> None:
    logits, targets, groups = made()
    metrics = summary({"unlearned": logits["retrained"], "retrained": logits["retrained"]}, targets, groups)
    assert set(metrics["gaps"]["unlearned"].values()) == {0.0}
    assert metrics["intervals"]["unlearned"]["gap/nomus"] == [0.0, 0.0]  # paired: the same draws for both


def test_same_input_same_bytes_and_the_seed_moves_intervals_only(metrics: dict) -> None:
    assert json.dumps(summary(*made()), sort_keys=True) == json.dumps(metrics, sort_keys=True)
    other = summary(*made(), seed=1)
    assert other["models"] == metrics["models"] and other["intervals"] != metrics["intervals"]


def test_is_json_with_six_decimals(metrics: dict) -> None:
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics
    assert rounded({"a": [0.12345678, -1e-9, 3, None, "x"]}) == {"a": [0.123457, 0.0, 3, None, "x"]}
    assert str(rounded(-1e-9)) == "0.0"


def test_reference_figures(metrics: dict) -> None:
    reference = metrics["reference"]
    assert reference["resamples"] == reference["mia_resamples"] == 100
    assert 0.5 <= reference["label_only/accuracy"] < 0.6 and reference["matched_forget_share"] == 1.0
    assert 0 < reference["null/forgetting_score_mean"] < reference["null/forgetting_score_p95"] < 0.3


def test_multi_label_and_no_groups_and_no_reference() -> None:
    logits, targets, _ = made(multi=True)
    metrics = summary({"original": logits["original"]}, targets, None)
    assert metrics["gaps"] == {} and not any(key.startswith("gap/") for key in metrics["intervals"]["original"])
    assert "test/top2_accuracy" not in metrics["models"]["original"]
    assert metrics["per_class"]["original"]["test"]["count"] == [120, 120, 120]


def test_few_people_with_few_photos_give_what_intervals_they_can() -> None:
    logits, targets, groups = made()
    kept = {"forget": slice(0, 12), "retain": slice(None), "test": slice(None), "unseen": slice(None)}
    groups["forget"] = np.repeat(["S1", "S2", "S3"], [9, 2, 89 - 10])
    logits = {model: {name: part[kept[name]] for name, part in sets.items()} for model, sets in logits.items()}
    targets, groups = ({name: part[kept[name]] for name, part in sets.items()} for sets in (targets, groups))
    low, high = summary(logits, targets, groups)["intervals"]["original"]["mia/accuracy"]
    assert 0 <= low < high <= 1


def test_a_missing_set_is_named() -> None:
    logits, targets, groups = made()
    del logits["unlearned"]["unseen"]
    with pytest.raises(InputError, match="the logits of unlearned lack the set 'unseen'"):
        summary(logits, targets, groups)


def test_inputs_stay_as_they_are() -> None:
    logits, targets, groups = made()
    before = {model: {name: part.clone() for name, part in sets.items()} for model, sets in logits.items()}
    summary(logits, targets, groups)
    assert all(torch.equal(part, before[model][name]) for model, sets in logits.items() for name, part in sets.items())
