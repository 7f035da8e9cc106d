"""`aru erase` as typed: a plan first, nothing without a yes, and nothing left the second time."""

from pathlib import Path

import pytest

from flows.requests.ledger import service
from flows.requests.ledger.ledger import URL_VARIABLE, project_ledger
from flows.requests.ledger.reasons import Reason
from tests.helpers.command_line import Call, caller
from tests.helpers.ledgers import CLERK
from tests.helpers.ledgers import approved as approved_request

NAME = "Person\x1b[31m of the letter"


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture) -> Call:
    """Call `aru` in a project with an approved and a denied request; returns exit code, stdout and stderr."""
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    monkeypatch.delenv(URL_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    with project_ledger(tmp_path) as ledger:
        approved_request(ledger, "Ann")
        denied = approved_request(ledger, NAME)
        service.deny(ledger, denied, Reason.LEGAL_CLAIMS, actor=CLERK)
    return caller(capfd)


def test_nothing_goes_without_a_yes_and_then_once(call: Call, tmp_path: Path) -> None:
    assert call("erase", "R-000009") == (2, "", call("request", "show", "R-000009")[2])
    code, _, error = call("erase", "R-000001", "--dry-run")
    assert code == 2 and "R-000001 is approved: only a closed request is erased" in error
    code, text, _ = call("erase", "R-000002", "--dry-run")
    assert (code, text) == (0, "     2  ledger of requests: there until `aru erase R-000002`\n")
    code, again, error = call("erase", "R-000002")
    assert code == 2 and again == text and "nothing was removed: say --yes" in error
    assert "of the letter" in call("request", "show", "R-000002", "--particulars")[1]

    code, text, _ = call("erase", "R-000002", "--yes")
    assert code == 0 and "     2  ledger of requests: particulars, findings and uploads removed" in text
    assert "of the letter" not in call("request", "show", "R-000002", "--particulars")[1]
    assert not any(b"of the letter" in path.read_bytes() for path in (tmp_path / ".aru").iterdir())
    code, text, _ = call("erase", "R-000002", "--yes")
    assert code == 0 and text.endswith("nothing of R-000002 was left\n")


def test_who_does_not_agree_on_a_terminal_keeps_everything(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: "n")
    assert call("erase", "R-000002")[2] == "error: nothing was removed\n"
    assert "of the letter" in call("request", "show", "R-000002", "--particulars")[1]
    monkeypatch.setattr("builtins.input", lambda question: "y")
    assert call("erase", "R-000002")[0] == 0
    assert "of the letter" not in call("request", "show", "R-000002", "--particulars")[1]
