"""The method in params.yaml: its settings, and the lists from which DVC makes the stages."""

import shutil
from pathlib import Path

import pytest
import yaml

from aru.core.errors import InputError
from flows.project import params
from tests.helpers.project import CHECKOUT, change_param


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A copy of the project's params.yaml, beside its dvc.yaml, which names the method."""
    shutil.copy(CHECKOUT / "dvc.yaml", tmp_path)
    return Path(shutil.copy(CHECKOUT / "params.yaml", tmp_path))


def lists(file: Path) -> dict[str, dict[str, str]]:
    return yaml.safe_load(file.read_text())["methods"]


def test_a_method_moves_its_benchmark_to_the_other_list_and_back(file: Path) -> None:
    before = file.read_text()
    changes = params.edit(file, "faces", [("method", "cf-k")])
    assert [(change.name, change.old, change.new) for change in changes] == [
        ("method", "aru", "cf-k"),
        ("methods.aru.faces", "aru", None),
        ("methods.peers.faces", None, "cf-k"),
    ]
    assert lists(file) == {"aru": {}, "peers": {"faces": "cf-k"}}
    assert yaml.safe_load(file.read_text())["faces"]["unlearn"] == {"cf-k": {}}, "DVC reads it"
    assert not params.edit(file, "faces", [("method", "cf-k")])
    params.edit(file, "faces", [("method", "aru")])
    assert lists(file) == {"aru": {"faces": "aru"}, "peers": {}}
    assert file.read_text().replace("  unlearn:\n    cf-k: {}\n", "") == before, "its settings stay for the next time"


def test_settings_are_read_by_the_method_and_a_preset_takes_their_place(file: Path) -> None:
    params.edit(file, "faces", [("method", "scrub"), ("unlearn.scrub.lr", "1e-3"), ("unlearn.scrub.epochs", 1)])
    assert yaml.safe_load(file.read_text())["faces"]["unlearn"] == {"scrub": {"lr": 0.001, "epochs": 1}}
    changes = params.edit(
        file, "faces", [*params.preset_settings("deepunlearn", "faces", "scrub"), ("unlearn.scrub.epochs", 3)]
    )
    assert yaml.safe_load(file.read_text())["faces"]["unlearn"] == {"scrub": {"epochs": 3, "preset": "deepunlearn"}}
    assert {change.name for change in changes} == {"unlearn.scrub.lr", "unlearn.scrub.preset", "unlearn.scrub.epochs"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ([("unlearn.scrub.epochs", 0.5)], "scrub: epochs = 0.5"),
        ([("unlearn.scrubb.epochs", 1)], "unknown method 'scrubb'; did you mean 'scrub'"),
        ([("unlearn.nothing.x", 1)], "it is a control"),
        (
            [("unlearn.scrub.preset", 7)],
            "unlearn.scrub.preset = 7: give the name of a preset: benchmark, paper, rewind, scrubv2, deepunlearn",
        ),
        ([("method", "reset-all")], "it is a control"),
        ([("unlearn.aru.steps", 1)], "attack, mask, reset and finetune"),
    ],
)
def test_bad_settings_change_nothing(file: Path, settings: list[tuple[str, object]], message: str) -> None:
    before = file.read_text()
    with pytest.raises(InputError, match=message):
        params.edit(file, "faces", settings)
    assert file.read_text() == before


def test_a_file_from_before_there_were_methods_gets_its_lists(file: Path) -> None:
    text = file.read_text()
    old = text[: text.index("\n# The active benchmarks that ARU unlearns")].replace("  method: aru\n", "")
    file.write_text(old)
    assert [(change.name, change.new) for change in params.bring_up_to_date(file)] == [("methods.aru.faces", "aru")]
    assert file.read_text().startswith(old.rstrip("\n")) and lists(file) == {"aru": {"faces": "aru"}, "peers": {}}
    assert not params.bring_up_to_date(file)


def test_a_method_written_by_hand_gets_its_place(file: Path) -> None:
    change_param(file.parent, "method: aru", "method: ssd")
    names = [change.name for change in params.bring_up_to_date(file)]
    assert names == ["methods.aru.faces", "methods.peers.faces"] and lists(file) == {"aru": {}, "peers": {"faces": "ssd"}}
    assert yaml.safe_load(file.read_text())["faces"]["unlearn"] == {"ssd": {}}
