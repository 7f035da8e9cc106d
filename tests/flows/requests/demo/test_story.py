"""The demonstration's steps in their order, and that it holds only where every one of them does."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from flows.requests.demo.story import Say, StepFailed, run_aru, tell
from flows.requests.demo.traces import Marks
from flows.requests.demo.volunteers import Volunteer

pytest_plugins = ["tests.helpers.tracking_fixtures"]

PEOPLE = (Volunteer("F0001/M", ("train/F0001_M_1.jpg",), (3,)), Volunteer("F0002/D", ("train/F0002_D_1.jpg",), (5,)))
MARKS = Marks((b"F0001_M_1.jpg", b"F0002_D_1.jpg"), (), ())
Answer = Callable[[Path, Sequence[str], Say], int]


class Aru:
    """Stands for the program: prints what it would print, and leaves the files that the story looks at."""

    def __init__(self, **wrong: int | str) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.wrong = wrong

    def __call__(self, root: Path, arguments: Sequence[str], say: Say) -> int:
        self.asked.append(tuple(arguments))
        step = "_".join(arguments[:2] if arguments[0] != "erase" else arguments[:1])
        wrong = self.wrong.get(step)
        if isinstance(wrong, int):
            return wrong
        say(wrong if wrong is not None else self.answer(root, step, arguments))
        return 0

    def answer(self, root: Path, step: str, arguments: Sequence[str]) -> str:
        certificates = root / "certificates"
        match step:
            case "request_submit":
                number = sum(asked[:2] == ("request", "submit") for asked in self.asked)
                return f"R-{number:06d}  received"
            case "request_approve":
                return f"{arguments[2]}  approved"
            case "batch_run":
                certificates.mkdir()
                for number in (1, 2):
                    (certificates / f"{number:06d}-R-{number:06d}.json").touch()
                return "B-000001 is fulfilled, in production: version 2"
            case "request_verify":
                return "\n".join(f"certificates/{path.name}: verified" for path in sorted(certificates.iterdir()))
            case "erase":
                number = len(list(certificates.iterdir())) + 1
                (certificates / f"{number:06d}-{arguments[1]}.json").touch()
                (root / "work" / f"of-{arguments[1]}.csv").unlink()
        return ""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    work = tmp_path / "work"
    (work / "faces" / "evaluation").mkdir(parents=True)
    models = {"original": {"retain/accuracy": 0.9, "test/accuracy": None}, "unlearned": {"retain/accuracy": 0.85}}
    (work / "faces" / "evaluation" / "metrics.json").write_text(json.dumps({"models": models}))
    (work / "of-R-000001.csv").write_text("F0001_M_1.jpg,0.1\n")
    (work / "of-R-000002.csv").write_text("F0002_D_1.jpg,0.1\n")
    return tmp_path


def test_the_steps_are_the_commands_of_a_user(root: Path) -> None:
    aru, said = Aru(), list[str]()
    tell(root, "faces", PEOPLE, MARKS, say=said.append, command=aru)
    assert aru.asked == [
        ("request", "submit", "F0001/M", "--benchmark", "faces"),
        ("request", "identify", "R-000001", "--by", "demonstration"),
        ("request", "approve", "R-000001"),
        ("request", "submit", "F0002/D", "--benchmark", "faces"),
        ("request", "identify", "R-000002", "--by", "demonstration"),
        ("request", "approve", "R-000002"),
        ("batch", "run", "--benchmark", "faces", "--quiet"),
        ("batch", "list"),
        ("request", "verify"),
        ("request", "verify", "certificates"),
        ("certificate", "show", "certificates/000001-R-000001.json", "--to", "certificate-R-000001.html"),
        ("certificate", "show", "certificates/000002-R-000002.json", "--to", "certificate-R-000002.html"),
        ("certificate", "verify", "certificates/000002-R-000002.json", "--files", "."),
        ("erase", "R-000001", "--yes"),
        ("erase", "R-000002", "--yes"),
        ("request", "verify", "certificates"),
        ("certificate", "show", "certificates/000003-R-000001.json", "--to", "certificate-R-000001.html"),
        ("certificate", "show", "certificates/000004-R-000002.json", "--to", "certificate-R-000002.html"),
        ("certificate", "verify", "certificates/000004-R-000002.json", "--files", "."),
    ]
    text = "\n".join(said)
    assert "$ aru request submit F0001/M --benchmark faces\n  R-000001  received" in text
    assert "accuracy on retain: 0.900 before, 0.850 after" in text and "accuracy on test" not in text
    assert "in 2 places\n    work/of-R-000001.csv\n    work/of-R-000002.csv" in text and "in 0 places" in text
    assert f"cd {root}" in text and "aru request serve" in text
    assert said[-1].endswith("remove the folder when you have seen it")


@pytest.mark.parametrize(
    ("wrong", "said", "steps"),
    [
        ({"batch_run": 3}, "`aru batch run --benchmark faces --quiet` ended with exit code 3", 7),
        ({"batch_run": "no request is due by the policy of requests.yaml"}, "the batch was not released", 7),
        ({"request_submit": ""}, "named no request", 1),
        ({"request_approve": "R-000001  not_found"}, "R-000001 was not approved", 3),
        ({"request_verify": "certificates/000001-R-000001.json: NOT VERIFIED"}, "R-000001 has no verified certificate", 10),
        ({"certificate_verify": 1}, "ended with exit code 1", 13),
        ({"erase": "all of it is gone"}, "is left in work/of-R-000001.csv, work/of-R-000002.csv", 15),
    ],
)
def test_it_stops_at_the_first_step_that_does_not_hold(root: Path, wrong: dict, said: str, steps: int) -> None:
    aru = Aru(**wrong)
    with pytest.raises(StepFailed) as failed:
        tell(root, "faces", PEOPLE, MARKS, say=lambda line: None, command=aru)
    assert said in str(failed.value) and str(root) in str(failed.value)
    assert len(aru.asked) == steps


def test_a_search_that_finds_nothing_before_the_erasure_proves_nothing(root: Path) -> None:
    with pytest.raises(StepFailed, match="the search finds nothing of people who are still there"):
        tell(root, "faces", PEOPLE, Marks((b"somebody else",), (), ()), say=lambda line: None, command=Aru())


def test_a_command_runs_in_the_folder_with_the_installed_program(tmp_path: Path) -> None:
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "__init__.py").write_text("raise ImportError('not this one')")
    lines: list[str] = []
    assert run_aru(tmp_path, ["request", "list"], lines.append) == 2
    assert lines and f"no dvc.yaml in {tmp_path}" in lines[-1]
