"""`python -m aru shadows`."""

import shutil
from pathlib import Path

import pytest

from aru.__main__ import main
from tests.helpers.shadow_pools import plan, states

pytest_plugins = ["tests.helpers.shadow_fixtures"]


def test_the_entry_without_servers_builds_unlearns_and_drops(prepared, tmp_path, monkeypatch, capfd):
    root = Path(shutil.copytree(prepared, tmp_path / "project"))
    monkeypatch.chdir(root)
    assert main(["shadows", "small", "--models", "2", "--unlearn", "nothing,ssd", "--drop-weights"]) == 0
    said = capfd.readouterr().out
    assert "2 of 2 models to train: about" in said and "ssd (default), draw 0, shadow" in said and "complete" in said
    assert [entry.state for entry in states(root, plan(root, 2))] == ["weights dropped"] * 2
    assert main(["shadows", "small", "--models", "4", "--status"]) == 0
    assert capfd.readouterr().out.count("weights dropped") == 2
    assert main(["shadows", "small", "--models", "4", "--budget-minutes", "0"]) == 0
    assert "2 left for the next time" in capfd.readouterr().out


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["small", "--models", "5"], "5 shadow models"),
        (["small", "--protocol", "clan"], "unknown protocol 'clan'"),
        (["small", "--unlearn", "ssdd"], "did you mean 'ssd'"),
        (["smal"], "did you mean 'small'"),
    ],
)
def test_bad_requests_end_with_one_message(prepared, monkeypatch, capfd, arguments, message):
    monkeypatch.chdir(prepared)
    assert main(["shadows", *arguments]) == 2
    assert message in capfd.readouterr().err
