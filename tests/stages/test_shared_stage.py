"""A stage that several processes share: the first writes, and the figures are those of one process."""

import shutil
from pathlib import Path

import pytest

from aru.core.errors import InputError
from aru.core.files import load_tensors, read_json
from aru.stages.runner import run
from tests.helpers.archives import mufac_archive
from tests.helpers.grouped import in_processes, variables
from tests.helpers.own_network import own_network
from tests.stages.test_stages import write_params

RUNTIME = {"precision": "fp32", "device": "cpu"}
FOLDERS = {"train": "original", "finetune": "unlearned"}
MOVED = 1e-5
"""Of weights in float32, which the stages move by a hundredth to a half."""


def parameters(root: Path, **runtime: int) -> None:
    """A small recipe for a network whose steps take no time, in batches that two processes cannot share evenly."""
    changes = {"model": own_network(root), "runtime": RUNTIME | runtime}
    write_params(root, changes | {"train": {"batch_size": 15}, "finetune": {"batch_size": 15}})


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose models one process trained."""
    root = tmp_path_factory.mktemp("one")
    mufac_archive(root / "data" / "small.zip", families=12)
    parameters(root)
    for stage in ("prepare", "train", "attack", "mask", "finetune"):
        run(stage, "small", root=root)
    return root


@pytest.fixture
def two(one: Path, tmp_path: Path) -> Path:
    """The same project with two processes in its parameters."""
    root = tmp_path / "two"
    shutil.copytree(one, root)
    parameters(root, processes=2)
    return root


@pytest.mark.parametrize("stage", FOLDERS)
def test_two_processes_train_what_one_trains_and_the_first_alone_writes(
    one: Path, two: Path, tmp_path: Path, stage: str
) -> None:
    shutil.rmtree(two / "work" / "small" / FOLDERS[stage])

    def train(rank: int) -> list[str]:
        reports: list[str] = []
        run(stage, "small", root=two, progress=lambda done, total, text: reports.append(text))
        return reports

    first, second = in_processes(2, tmp_path / "group", train)
    assert len(first) > 4 and second == []
    folders = [root / "work" / "small" / FOLDERS[stage] for root in (one, two)]
    assert {path.name for path in folders[1].iterdir()} == {"model.safetensors", "history.json", "cost.json"}
    alone, shared = (load_tensors(folder / "model.safetensors")[0] for folder in folders)
    assert 0 < max(float((alone[name] - shared[name]).abs().max()) for name in alone) < MOVED
    rows = [read_json(folder / "history.json")["epochs"] for folder in folders]
    for row, own in zip(*rows, strict=True):
        assert row == pytest.approx(own, rel=1e-5)
    costs = [read_json(folder / "cost.json") for folder in folders]
    assert [cost["processes"] for cost in costs] == [1, 2] and costs[0]["images"] == costs[1]["images"]
    assert all(cost["cpu_seconds"] > 0 for cost in costs)


def test_a_stage_starts_its_processes_only_where_it_trains(two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[tuple[str, int]] = []
    monkeypatch.setattr("aru.compute.ranks.run_ranks", lambda job, count, progress: started.append((job.arguments[0], count)))
    for stage in ("attack", "train", "retrain", "finetune"):
        run(stage, "small", root=two)
    write_params(two, {"model": own_network(two), "runtime": {"processes": 2}, "evaluate": {"retrained": False}})
    run("retrain", "small", root=two)
    assert started == [("train", 2), ("retrain", 2), ("finetune", 2)]


@pytest.mark.parametrize(
    "stage, size, message",
    [
        ("train", 3, "torchrun started 3 processes, runtime.processes is 2: make them the same"),
        ("prepare", 2, "torchrun started 2 processes, and the stage 'prepare' trains nothing: run it without"),
    ],
)
def test_other_processes_than_the_parameters_name_are_refused(
    two: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str, size: int, message: str
) -> None:
    for name, value in variables(0, size, tmp_path).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=message):
        run(stage, "small", root=two)
