"""Bystanders: who they are, harm that was planted, the null, people too few to rank, and simultaneous coverage."""

import copy
import json

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional as F

from aru.core.errors import InputError
from aru.metrics.membership.matched import MatchedAttack
from aru.metrics.people.bystanders import bystanders
from aru.metrics.people.subgroups import find_bystanders, group_means
from aru.metrics.utility import per_example_loss, utility
from aru.stats.intervals import draw_counts
from aru.stats.simultaneous import simultaneous_intervals

ROLES = {"forget": 8, "retain": 60, "test": 30, "unseen": 40}  # people
PHOTOS = 4
Logits = dict[str, dict[str, torch.Tensor]]


def toy_manifest(*, seed: int = 0) -> pd.DataFrame:
    """Families of two; forgotten people's partners are retained; age 3 is rare among retained people; two sexes."""
    rng, rows = np.random.default_rng(seed), []
    for role, people in ROLES.items():
        for number in range(people):
            partner = role == "forget" or (role == "retain" and number < ROLES["forget"])
            family = f"F{number}" if partner else f"{role}{number // 2}"
            age = 3 if role == "retain" and number in (20, 40) else int(rng.integers(0, 3))
            rows += [(f"{role}-S{number:02d}", family, role, age, number % 2)] * PHOTOS
    return pd.DataFrame(rows, columns=["subject", "family", "role", "age", "male"]).sample(frac=1, random_state=seed)


def targets_of(manifest: pd.DataFrame) -> dict[str, torch.Tensor]:
    return {role: torch.tensor(manifest["age"][manifest["role"] == role].to_numpy()) for role in ROLES}


def answers(
    manifest: pd.DataFrame, seed: int, *, hurt: np.ndarray | None = None, retain: float = 2.0, steps: float = 0.0
) -> dict[str, torch.Tensor]:
    """Logits of one model; the rows of `hurt` (of the manifest) are answered by chance, `steps` scales its change."""
    common, own = (torch.Generator().manual_seed(value) for value in (7, 100 + seed))
    made = {}
    for role, target in targets_of(manifest).items():
        strength = torch.full((len(target), 1), retain if role in ("retain", "forget") else 1.0)
        if hurt is not None:
            strength[torch.from_numpy(hurt[(manifest["role"] == role).to_numpy()])] = -1.0
        noise = torch.randn(len(target), 4, generator=common) + steps * torch.randn(len(target), 4, generator=own)
        made[role] = noise + strength * F.one_hot(target, 4)
    return made


def audit(manifest: pd.DataFrame, logits: Logits, *, seed: int = 0, resamples: int = 300, **more) -> dict:
    return bystanders(logits, targets_of(manifest), manifest, resamples=resamples, seed=seed, **more)


def test_families_and_labels() -> None:
    manifest = pd.DataFrame(
        [
            ("A", "F1", "forget", 0),
            ("B", "F1", "retain", 0),
            ("B", "F2", "retain", 1),
            ("C", "F2", "retain", 1),
            ("A", "F9", "retain", 1),
            ("D", "", "retain", 2),
            ("E", "", "forget", 2),
            ("F", "F1", "test", 0),
        ],
        columns=["subject", "family", "role", "age"],
    )
    found = find_bystanders(manifest, "retain")
    assert found.kept.tolist() == [True, True, True, False, True]  # A is forgotten, wherever A is filed
    assert {name: chosen.astype(int).tolist() for name, chosen in found.groups.items()} == {
        "all": [1, 1, 1, 1],
        "families": [1, 0, 0, 0],
        "other families": [0, 1, 1, 1],  # no family is not one family
        "age=0": [1, 0, 0, 0],
        "age=1": [0, 1, 1, 0],
        "age=2": [0, 0, 0, 1],
    }
    assert [found.people(name) for name in ("all", "age=1", "age=2")] == [3, 2, 1]
    assert find_bystanders(manifest, "test").groups["families"].tolist() == [True]


def test_means_by_group_are_those_of_repeated_people() -> None:
    manifest = toy_manifest()
    found, rng = find_bystanders(manifest, "retain"), np.random.default_rng(0)
    column, draws = rng.normal(size=len(found.person)), rng.integers(0, 3, (20, found.people("all"))).astype(float)
    draws[3, np.unique(found.person[found.groups["age=3"]])] = 0
    means = group_means(column, found, draws)
    for place, chosen in enumerate(found.groups.values()):
        assert means[0, place] == pytest.approx(column[chosen].mean())
        for row, times in enumerate(draws):
            drawn = [
                value
                for person, times_drawn in enumerate(times)
                for _ in range(int(times_drawn))
                for value in column[chosen & (found.person == person)]
            ]
            assert means[1 + row, place] == pytest.approx(np.mean(drawn) if drawn else np.nan, nan_ok=True)
    assert np.isnan(means[4, list(found.groups).index("age=3")])


def test_figures_are_those_of_the_groups_images() -> None:
    manifest = toy_manifest()
    logits = {"original": answers(manifest, 0), "unlearned": answers(manifest, 1, steps=1), "retrained": answers(manifest, 2)}
    found, ages = audit(manifest, logits), manifest["age"][manifest["role"] == "retain"].to_numpy()
    assert found["groups"]["all"]["people"] == 60 and found["groups"]["families"]["people"] == 8
    assert found["groups"]["age=3"]["images"] == 8 and found["images_of_forgotten_people"] == 0
    for model, sets in logits.items():
        expected = utility(sets["retain"][ages == 1], targets_of(manifest)["retain"][ages == 1])
        assert {key: found["groups"]["age=1"]["models"][model][key] for key in ("accuracy", "loss")} == pytest.approx(
            {key: expected[key] for key in ("accuracy", "loss")}
        )
    change = found["groups"]["age=1"]["models"]["unlearned"]["loss"] - found["groups"]["age=1"]["models"]["original"]["loss"]
    assert found["differences"]["original"]["loss"]["age=1"]["difference"] == pytest.approx(change)
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize("planted", ["age=2", "families", "male=1"])
def test_the_group_that_was_hurt_is_named(planted: str) -> None:
    manifest = toy_manifest()
    families = set(manifest["family"][manifest["role"] == "forget"])
    hurt = {"age=2": manifest["age"] == 2, "families": manifest["family"].isin(families), "male=1": manifest["male"] == 1}
    logits = {
        "original": answers(manifest, 0),
        "retrained": answers(manifest, 1, steps=0.2),
        "unlearned": answers(manifest, 2, steps=0.2, hurt=hurt[planted].to_numpy()),
    }
    found = audit(manifest, logits)
    for reference in ("original", "retrained"):
        worst = found["worst"][reference]
        assert worst["accuracy"]["group"] == worst["loss"]["group"] == planted
        assert worst["accuracy"]["excludes_zero"] and worst["loss"]["excludes_zero"]
        assert worst["accuracy"]["difference"] < -0.2 and worst["accuracy"]["interval"][1] < 0


def test_nobody_is_accused_under_the_null_more_often_than_stated() -> None:
    accused = []
    for seed in range(60):
        manifest = toy_manifest(seed=seed)
        logits = {"retrained": answers(manifest, 2 * seed, steps=1), "unlearned": answers(manifest, 2 * seed + 1, steps=1)}
        worst = audit(manifest, logits, seed=seed, resamples=200, role="test")["worst"]["retrained"]["loss"]
        accused.append(worst is not None and worst["excludes_zero"])
    assert np.mean(accused) <= 0.12  # 5 %, and what 60 repeats leave open


def test_the_same_model_hurts_nobody() -> None:
    manifest = toy_manifest()
    found = audit(manifest, {"original": answers(manifest, 0), "unlearned": answers(manifest, 0)})
    assert found["worst"] == {"original": {"accuracy": None, "loss": None}}
    assert found["exposure"]["rise"]["original"]["all"] == {"difference": 0.0, "interval": [0.0, 0.0], "raised": False}


def test_few_people_are_counted_but_not_ranked() -> None:
    manifest = toy_manifest()
    hurt = (manifest["age"] == 3).to_numpy()
    logits = {"original": answers(manifest, 0), "unlearned": answers(manifest, 1, steps=0.2, hurt=hurt)}
    found = audit(manifest, logits)
    assert found["groups"]["age=3"]["people"] == 2 < found["minimum_people"]
    rare = found["differences"]["original"]["accuracy"]["age=3"]
    assert rare["difference"] < -0.5 and rare["interval"] is None
    assert found["worst"]["original"]["accuracy"] is None or found["worst"]["original"]["accuracy"]["group"] != "age=3"
    assert audit(manifest, logits, minimum_people=2)["worst"]["original"]["accuracy"]["group"] == "age=3"


def test_exposure_is_the_matched_attack_and_its_rise_is_found() -> None:
    manifest, targets = toy_manifest(), targets_of(toy_manifest())
    logits = {"original": answers(manifest, 0, retain=1.5), "unlearned": answers(manifest, 1, retain=3.5, steps=0.2)}
    exposure = audit(manifest, logits)["exposure"]
    losses = {name: per_example_loss(logits["unlearned"][name], targets[name]) for name in ("retain", "unseen")}
    attack = MatchedAttack(losses["retain"], targets["retain"].numpy(), losses["unseen"], targets["unseen"].numpy())
    assert exposure["auc"]["unlearned"]["all"] == pytest.approx(attack.figures().auc)
    assert set(exposure["rise"]["original"]) == {"all", "families"} and exposure["rise"]["original"]["all"]["raised"]
    lowered = audit(manifest, {"original": logits["unlearned"], "unlearned": logits["original"]})["exposure"]["rise"]
    assert not lowered["original"]["all"]["raised"] and lowered["original"]["all"]["interval"][1] < 0
    assert audit(manifest, logits, role="test")["exposure"] is None


def test_intervals_of_all_groups_hold_together() -> None:
    """Eight groups of 5 to 40 people each; errors of the mean; pointwise intervals of 95 % would fail in a third."""
    rng, sizes = np.random.default_rng(0), np.array([5, 6, 8, 10, 15, 20, 30, 40])
    group, together, pointwise = np.repeat(np.arange(8), sizes), [], []
    member = (group[:, None] == np.arange(8)).astype(float)
    for _ in range(400):
        values = rng.normal(size=len(group))
        draws = draw_counts(len(group), None, resamples=300, rng=rng)
        with np.errstate(invalid="ignore"):
            resampled = draws @ (member * values[:, None]) / (draws @ member)
        figures = values @ member / sizes
        bounds = simultaneous_intervals(figures, resampled, sizes)
        together.append(((bounds[:, 0] <= 0) & (bounds[:, 1] >= 0)).all())
        low, high = np.nanquantile(resampled, [0.025, 0.975], axis=0)
        pointwise.append(((low <= 0) & (high >= 0)).all())
    assert np.mean(together) >= 0.92 and np.mean(pointwise) < 0.75


def test_one_group_has_the_t_interval() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=200)
    draws = draw_counts(200, None, resamples=4000, rng=rng)
    low, high = simultaneous_intervals(np.array([values.mean()]), (draws @ values / 200)[:, None], np.array([200]))[0]
    assert (high - low) / 2 == pytest.approx(1.972 * values.std(ddof=1) / np.sqrt(200), rel=0.04)


def test_inputs_stay_and_seeds_decide() -> None:
    manifest = toy_manifest()
    logits = {"original": answers(manifest, 0), "unlearned": answers(manifest, 1, steps=1)}
    before, rows = copy.deepcopy(logits), manifest.copy()
    one, again, other = (audit(manifest, logits, seed=seed, resamples=50) for seed in (1, 1, 2))
    assert one == again and one != other and manifest.equals(rows)
    assert all(torch.equal(before[model][role], logits[model][role]) for model in logits for role in ROLES)


def test_several_labels_at_once() -> None:
    manifest = toy_manifest()
    targets = {
        role: torch.tensor(manifest[["male", "male"]][manifest["role"] == role].to_numpy(), dtype=torch.float32)
        for role in ROLES
    }
    logits = {
        model: {role: torch.randn(target.shape) for role, target in targets.items()} for model in ("unlearned", "retrained")
    }
    found = bystanders(logits, targets, manifest, resamples=50, seed=0)
    assert 0.2 < found["groups"]["male=1"]["models"]["unlearned"]["accuracy"] < 0.8
    assert 0.3 < found["exposure"]["auc"]["unlearned"]["all"] < 0.7


@pytest.mark.parametrize(
    "change, more, words",
    [
        (lambda logits: logits.pop("unlearned"), {}, "the models given are original"),
        (lambda logits: logits.pop("original"), {}, "one or both of retrained, original"),
        (
            lambda logits: logits["original"].update(unseen=torch.zeros(3, 4)),
            {},
            "original: 3 rows of the set 'unseen'.* has 160",
        ),
        (lambda logits: logits["unlearned"].pop("retain"), {}, "unlearned: 0 rows of the set 'retain'"),
        (lambda logits: None, {"minimum_people": 1}, "minimum_people is 1"),
        (lambda logits: None, {"role": "forget"}, "nobody but forgotten people"),
    ],
)
def test_bad_input_is_named(change, more: dict, words: str) -> None:
    manifest = toy_manifest()
    logits = {"original": answers(manifest, 0), "unlearned": answers(manifest, 1)}
    change(logits)
    with pytest.raises(InputError, match=words):
        audit(manifest, logits, resamples=5, **more)
