"""The relative test on a comparison's models: which of them are nearer to retrained ones, and what is refused."""

import re
from pathlib import Path

import pytest
import torch

from aru.__main__ import main
from aru.audit.audit_file import Answer, NearnessFigures, Relative
from aru.audit.compared_nearness import ModelNearness, by_setting
from aru.comparison.cell import open_store
from aru.comparison.draws import load_draw
from aru.core.files import read_json
from aru.core.names import SETS
from tests.helpers.plans import plan_of
from tests.helpers.tuned import config_of

pytest_plugins = ["tests.helpers.tuning_fixtures"]

MEMORY = {"nothing": 4.0, "retrain": 0.0, "finetune": 0.0, "cf-k": 4.0, "neggrad": 2.0}
"""How much surer a model is of forget images."""


def fill(root: Path, *, seeds: int, without: str = "") -> None:
    """Logits in the store as if the models had been made; all of one training seed answer from the same noise."""
    store, config = open_store(root / "work" / "toy"), config_of(root)
    for task in plan_of(root, ",".join(MEMORY), protocol="clean", seeds=seeds).cells:
        if task.choice.method == without:
            continue
        sets, rng = load_draw(root / "work" / "toy" / "prepared", task.draw, config)[0], torch.Generator()
        rng.manual_seed(task.train_seed + 10 * (task.choice.method == "retrain"))
        logits = {}
        for role in SETS:
            data = getattr(sets, role)
            values = torch.randn(len(data), data.outputs, generator=rng)
            if role == "forget":
                values[torch.arange(len(data)), data.targets] += MEMORY[task.choice.method]
            logits[role] = values
        store.write(task.key, {"key": task.key}, logits=logits)


def asked(*options: str) -> list[str]:
    return ["nearness", "toy", "--protocol", "clean", "--methods", ",".join(MEMORY), *options]


def test_models_stand_where_what_they_remember_puts_them(
    tuning_project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tuning_project)
    fill(tuning_project, seeds=3)
    assert main(asked("--seeds", "3", "--json", "nearness.json")) == 0
    lines = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in capsys.readouterr().out.splitlines()]
    assert lines[0][:4] == ["setting", "nearer to retrained", "undecided", "nearer to original"]
    rows = {line[0]: line[1:] for line in lines[2:]}
    assert [line[0] for line in lines[2:4]] == ["retrained", "original"]
    assert rows["original"] == ["0", "0", "3", "0", "+1.00", "+1.00", "+1.00"]
    assert rows["cf-k"][2:4] == ["3", "0"]
    assert rows["retrained"][2] == rows["finetune"][2] == "0" and rows["finetune"][0] == "3"
    places = {name: float(row[4]) for name, row in rows.items()}
    assert abs(places["retrained"]) < 0.2 and abs(places["finetune"]) < 0.2 < places["neggrad"] < 0.9 < places["cf-k"]
    assert main(asked("--seeds", "1", "--references", "3", "--json", "one.json")) == 0
    found = read_json(Path("nearness.json"))
    assert read_json(Path("one.json")) == [one for one in found if one["seed"] == 0]
    assert len(found) == 15 and {one["draw"] for one in found} == {0}
    references = {one["method"]: one["test"]["references"] for one in found}
    assert references == {**dict.fromkeys(MEMORY, 3), "retrain": 2}, "a retrained model is no reference of itself"


def test_a_setting_counts_its_models_and_orders_by_their_place() -> None:
    def one(method: str, answer: Answer, position: float | None, interval: list[float] | None) -> ModelNearness:
        overall = NearnessFigures(position=position, interval=interval, p_retrained=0.5, p_original=0.5)
        return ModelNearness(method=method, variant="default", draw=0, seed=0, test=Relative(answer=answer, overall=overall))

    far = [one("ssd", "original", 0.9, [0.8, 1.0]), one("ssd", "undecided", 0.5, None)]
    near = [
        one("aru", "retrained", -0.2, [-0.3, -0.1]),
        one("aru", "retrained", 0.1, [0.0, 0.2]),
        one("aru", "undecided", None, None),
    ]
    nowhere = one("gli", "undecided", None, None)
    found = by_setting([nowhere, *far, *near, one("retrain", "retrained", 0.0, [-0.1, 0.1])])
    assert [entry.name for entry in found] == ["retrain", "aru", "ssd", "gli"] and found[3].places == ()
    assert found[1].answers == {"retrained": 2, "undecided": 1, "original": 0} and found[1].within == 1
    assert found[1].place == pytest.approx(-0.05) and found[2].place == pytest.approx(0.7) and found[2].within == 0


@pytest.mark.parametrize(
    ("options", "without", "words"),
    [
        (["--seeds", "1"], "", "1 seeds: at least two are needed"),
        (["--seeds", "0", "--references", "2"], "", "0 seeds: at least one is needed"),
        (["--seeds", "1", "--references", "3"], "", "1 of 7 models are not there, first retrain, clean draw 0, seed 2"),
        (
            ["--seeds", "3"],
            "",
            "5 of 15 models are not there, first nothing, clean draw 0, seed 2: .*cf-k,neggrad'.* --seeds 3 ",
        ),
        (["--seeds", "2"], "neggrad", "2 of 10 models are not there, first neggrad"),
        (["--draws", "0"], "", "0 draws: at least one is needed"),
        (["--parameters", "tuned"], "", "tuned.*does not exist: `aru tune` writes it"),
    ],
)
def test_what_cannot_be_tested_is_named(
    tuning_project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    options: list[str],
    without: str,
    words: str,
) -> None:
    monkeypatch.chdir(tuning_project)
    fill(tuning_project, seeds=2, without=without)
    assert main(asked(*options)) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and re.search(words, said), said


def test_a_failed_model_is_to_be_left_out(
    tuning_project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tuning_project)
    fill(tuning_project, seeds=2, without="neggrad")
    store = open_store(tuning_project / "work" / "toy")
    for task in plan_of(tuning_project, "neggrad", protocol="clean", seeds=2).cells:
        if task.choice.method == "neggrad":
            store.write(task.key, {"key": task.key, "failed": "the loss is not finite"})
    assert main(asked("--seeds", "2")) == 2
    assert "neggrad, clean draw 0, seed 0 has no answers (the loss is not finite): leave it out" in capsys.readouterr().err
