"""Epsilon and KLoM of a comparison's models: which models are independent draws, and the command from store to file."""

from pathlib import Path

import pytest
import torch

from aru.__main__ import main
from aru.comparison.cell import open_store
from aru.comparison.choices import Choice, parse_choices
from aru.comparison.draws import Draw, draws_of, load_draw
from aru.comparison.ensembles import OF_TRAINING, OF_UNLEARNING, independent
from aru.comparison.plan import MethodTask, Plan, make_plan
from aru.compute.device import make_compute
from aru.core.config import TrainConfig
from aru.core.files import read_json
from aru.core.names import SETS
from tests.helpers.tuned import config_of

pytest_plugins = ["tests.helpers.tuning_fixtures"]


def tasks(*pairs: tuple[int, int]) -> list[MethodTask]:
    choice = Choice("finetune", "default", TrainConfig())
    return [
        MethodTask(
            key=f"{train}-{seed}",
            benchmark="toy",
            draw=Draw("official"),
            train_seed=train,
            seed=seed,
            choice=choice,
            original=f"{train}",
        )
        for train, seed in pairs
    ]


@pytest.mark.parametrize(
    ("pairs", "randomness", "keys"),
    [
        ([(0, 0), (0, 1000), (1, 1), (1, 1001), (2, 2)], OF_TRAINING, ["0-0", "1-1", "2-2"]),
        ([(0, 0), (0, 1000), (0, 2000), (1, 1)], OF_UNLEARNING, ["0-0", "0-1000", "0-2000"]),
        ([(1, 1001), (1, 1), (0, 1000), (0, 0)], OF_TRAINING, ["0-0", "1-1"]),
        ([], OF_TRAINING, []),
    ],
)
def test_models_of_one_side_share_no_original_or_all_share_one(pairs, randomness, keys) -> None:
    found = independent(tasks(*pairs))
    assert (found[0], [task.key for task in found[1]]) == (randomness, keys)


def plan_of(root: Path, *, seeds: int) -> Plan:
    config = config_of(root)
    return make_plan(
        "toy",
        config,
        root / "work" / "toy" / "prepared",
        parse_choices("retrain,finetune", config),
        draws_of("official", 1),
        seeds=seeds,
        compute=make_compute(config.runtime),
    )


def fill(root: Path, *, seeds: int, remembered: float) -> None:
    """Logits in the store as if models had been trained: unlearned ones are surer of forget images by `remembered`."""
    store, config = open_store(root / "work" / "toy"), config_of(root)
    for task in plan_of(root, seeds=seeds).cells:
        sets, rng = load_draw(root / "work" / "toy" / "prepared", task.draw, config)[0], torch.Generator()
        rng.manual_seed(task.seed + (10**6 if task.kind == "method" else 0))
        logits = {}
        for role in SETS:
            data = getattr(sets, role)
            values = torch.randn(len(data), data.outputs, generator=rng)
            if role == "forget" and task.kind == "method":
                values[torch.arange(len(data)), data.targets] += remembered
            logits[role] = values
        store.write(task.key, {"key": task.key}, logits=logits)


@pytest.mark.parametrize(("remembered", "found"), [(6.0, True), (0.0, False)])
def test_the_command_finds_what_unlearned_models_remember_and_nothing_else(
    tuning_project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, remembered: float, found: bool
) -> None:
    monkeypatch.chdir(tuning_project)
    fill(tuning_project, seeds=12, remembered=remembered)
    public = ["--cuts", "competition", "--edge", "open"] if found else []
    assert main(["ensembles", "toy", "--method", "finetune", "--seeds", "16", "--unlearn-seeds", "2", *public]) == 0
    name = "finetune-official-draw-0-competition-open.json" if found else "finetune-official-draw-0.json"
    result = read_json(tuning_project / "work" / "toy" / "comparison" / "ensembles" / name)
    said = capsys.readouterr().out
    assert ("the competition's cuts" in said and "last bin open" in said) == found
    assert (result["epsilon"]["image"]["cuts"], result["klom"]["test"]["edge"]) == (
        ("competition", "open") if found else ("every", "closed")
    )
    assert len(result["unlearned"]) == len(result["retrained"]) == 12 and result["randomness"] == OF_TRAINING
    assert list(result["klom"]) == list(SETS)
    assert (result["epsilon"]["request"]["bound"] > 0) == found
    excess = {role: figures["excess"]["mean"] for role, figures in result["klom"].items()}
    assert (excess.pop("forget") > 3) == found
    assert max(map(abs, excess.values())) < 1.5  # 12 models and a few images leave that much to chance
    assert "12 unlearned and 12 retrained models" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--method", "finetune"], "0 independent models unlearned by finetune and 0 retrained"),
        (["--method", "retrain"], "retrain is no unlearning method"),
        (["--method", "finetune", "--draw", "1"], "has one draw, number 0, not number 1"),
        (["--method", "finetune", "--draw", "-1"], "draws count from 0"),
    ],
)
def test_what_is_missing_is_named(
    tuning_project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, arguments: list[str], words: str
) -> None:
    monkeypatch.chdir(tuning_project)
    assert main(["ensembles", "toy", *arguments]) == 2
    assert words in capsys.readouterr().err
