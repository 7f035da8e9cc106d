"""`python -m aru`: every stage and command is listed, explains itself, and refuses what it does not know."""

from pathlib import Path

import pytest

from aru.__main__ import CODE, COMMANDS, main
from aru.core.folders import STAGES

FOLDER = Path(__file__).resolve().parents[2] / "aru" / "commands"


def test_every_module_of_the_package_is_a_command() -> None:
    modules = {path.stem for path in FOLDER.glob("*.py")} - {"__init__", "stage", "record_code"}
    assert {name.replace("-", "_") for name in COMMANDS} == modules


def test_the_help_lists_all_stages_and_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert {CODE, *STAGES, *COMMANDS} <= set(capsys.readouterr().out.split())


@pytest.mark.parametrize("name", [CODE, *STAGES, *COMMANDS])
def test_each_explains_its_options(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert f"usage: python -m aru {name}" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["trane"], ["train", "--fast"]])
def test_what_is_unknown_ends_with_exit_code_2_and_the_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: python -m aru" in capsys.readouterr().err


def test_a_stage_without_a_benchmark_names_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_STAGE", raising=False)
    assert main(["train"]) == 2
    assert "python -m aru train faces" in capsys.readouterr().err
