"""`aru demo requests` as typed: its exit codes, and what is refused before anything is made."""

from pathlib import Path

import pytest

from aru.core.errors import InputError
from flows.cli import app
from flows.requests.demo import story

pytest_plugins = ["tests.helpers.tracking_fixtures"]


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (None, 0, ""),
        (story.StepFailed("the batch was not released"), 1, "the demonstration stopped: the batch was not released"),
        (InputError("work/faces is not there"), 2, "error: work/faces is not there"),
    ],
)
def test_exit_code_0_only_where_every_step_held(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception | None,
    code: int,
    words: str,
) -> None:
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    (tmp_path / "params.yaml").write_text("benchmarks: {faces: data/faces.zip}\n")
    monkeypatch.chdir(tmp_path)

    def demonstrate(root: Path, benchmark: str, folder: Path | None, *, say: story.Say) -> Path:
        say(f"\n# {benchmark} in {folder}: \x1b[31m")
        if error is not None:
            raise error
        return root

    monkeypatch.setattr(story, "demonstrate", demonstrate)
    with pytest.raises(SystemExit) as ended:
        app.main(["demo", "requests", "elsewhere"])
    captured = capsys.readouterr()
    assert (ended.value.code or 0) == code
    assert captured.out == "\n# faces in elsewhere: \\x1b[31m\n" and words in captured.err
