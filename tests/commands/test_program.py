"""`python -m aru`: every stage and command is listed, explains itself, and refuses what it does not know."""

import errno
import os
import subprocess
import sys
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


def test_a_program_ends_with_the_code_and_all_that_was_said() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "DVC_STAGE"}
    for arguments, code in ((["train"], 2), (["--help"], 0)):
        command = [sys.executable, "-m", "aru", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=FOLDER.parents[1], env=environment)
        assert done.returncode == code
        assert "python -m aru train faces" in done.stderr if code else "false-alarms" in done.stdout


def test_the_help_imports_neither_torch_nor_numpy() -> None:
    code = (
        "import sys; from aru.__main__ import main\n"
        "try:\n    main(['--help'])\n"
        "except SystemExit:\n    print('loaded:', *sorted({'torch', 'numpy', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=FOLDER.parents[1])
    assert done.stdout.splitlines()[-1].split() == ["loaded:"]


def test_a_full_disk_is_one_message_and_other_failures_of_files_are_not_hidden(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(number: int) -> None:
        def run(options: object) -> int:
            raise OSError(number, "it failed", "work/faces/model.safetensors")

        monkeypatch.setattr("aru.commands.stage.run", run)

    fail(errno.ENOSPC)
    assert main(["train", "faces"]) == 2
    message = capsys.readouterr().err
    assert "the disk is full" in message and "work/faces/model.safetensors" in message and "free some space" in message
    fail(errno.EACCES)
    with pytest.raises(OSError, match="it failed"):
        main(["train", "faces"])
