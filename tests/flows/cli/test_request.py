"""`aru request` from a person's letter to the answer, as typed."""

import getpass
import hashlib
import json
import zipfile
from pathlib import Path

import pytest

from aru.nets.models import build, save_model
from flows.project.params import activate
from flows.requests.ledger.ledger import URL_VARIABLE, project_ledger
from tests.helpers.archives import jpeg, mufac_archive
from tests.helpers.command_line import Call, caller

HOSTILE = "x'; DROP TABLE requests; -- \x1b[31m"


@pytest.fixture
def call(fresh: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture) -> Call:
    """Call `aru request` in a project with a real archive of made-up photos; returns exit code, stdout and stderr."""
    mufac_archive(fresh / "data" / "mufac.zip", side=8)
    activate(fresh / "params.yaml", "mufac", "data/mufac.zip")
    monkeypatch.delenv(URL_VARIABLE, raising=False)
    monkeypatch.chdir(fresh)
    return caller(capfd, "request")


def answer(done: tuple[int, str, str]) -> dict:
    """The JSON of a command that succeeded."""
    assert done[0] == 0, done
    return json.loads(done[1])


def test_a_person_is_found_decided_on_and_the_ledger_verified(call: Call, tmp_path: Path) -> None:
    submitted = answer(call("submit", "F0001/D", HOSTILE, "--benchmark", "mufac", "--key", "letter 1", "--json"))
    assert (submitted["id"], submitted["state"], submitted["kind"]) == ("R-000001", "received", "subject")
    code, text, _ = call("submit", "F0001/D", HOSTILE, "--benchmark", "mufac", "--key", "letter 1")
    assert code == 0 and "it was entered before, with this key" in text
    assert "did you mean 'mufac'" in call("submit", "F0002/D", "--benchmark", "mufacc")[2]
    assert "used for another request" in call("submit", "F0002/D", "--benchmark", "mufac", "--key", "letter 1")[2]

    code, _, error = call("approve", "R-000001")
    assert code == 2 and "approve is not allowed in the state received, but in: pending" in error
    assert answer(call("identify", "R-000001", "--ask", "--json"))["state"] == "identity_unverified"
    assert answer(call("identify", "R-000001", "--by", "notary", "--json"))["verified_by"] == "notary"
    found = answer(call("resolve", "R-000001", "--json"))
    assert found["counts"]["people"] == 1 and found["counts"]["files"] == 4 and found["request"]["state"] == "pending"
    code, text, _ = call("approve", "R-000001", "--remark", HOSTILE)
    assert code == 0 and "person: F0001/D" in text and "R-000001  approved" in text
    assert "\x1b" not in text and "\\x1b[31m" in text, "a name does not steer the terminal"
    answer(call("extend", "R-000001", "--because", "complexity", "--days", "3", "--json"))

    shown = answer(call("show", "R-000001", "--json"))
    assert [row["action"] for row in shown["history"]] == [
        "submit", "ask_identity", "identify", "resolve", "resolve", "approve", "extend",
    ]  # fmt: skip
    assert "F0001" not in json.dumps(shown) and "DROP" not in json.dumps(shown)
    assert HOSTILE in json.dumps(
        answer(call("show", "R-000001", "--particulars", "--json")), ensure_ascii=False
    ).encode().decode("unicode_escape")
    code, text, _ = call("verify")
    assert code == 0 and "the chain is whole" in text
    assert call("export", str(tmp_path / "ledger.json"))[0] == 0 and "F0001" not in (tmp_path / "ledger.json").read_text()
    with project_ledger(Path.cwd()) as ledger, ledger.writing() as session:
        session.connection().exec_driver_sql("UPDATE requests SET due = received")
    code, text, _ = call("verify")
    assert code == 1 and "requests R-000001: due not as the history says" in text
    assert call("verify", "--head", "0" * 64, "--json")[0] == 1


def test_nobody_found_is_an_answer_unless_a_similar_name_is_there(call: Call) -> None:
    for name in ("Nobody", "f0001/d"):
        call("submit", name, "--benchmark", "mufac")
    assert answer(call("resolve", "R-000001", "--json"))["request"]["state"] == "received", "not told to whoever asks"
    for request in ("R-000001", "R-000002"):
        call("identify", request)
    code, text, _ = call("approve", "R-000001")
    assert code == 0 and "R-000001  not_found" in text and "searched: 64 files of 16 people" in text
    assert "is it 'F0001/D'?" in call("resolve", "R-000002")[1]
    code, _, error = call("approve", "R-000002")
    assert code == 2 and "a similar name is there" in error
    assert answer(call("resolve", "R-000002", "--not-found", "--json"))["request"]["state"] == "not_found"
    assert answer(call("reopen", "R-000002", "--because", "new_information", "--json"))["state"] == "pending"
    assert answer(call("deny", "R-000002", "--because", "legal_claims", "--json"))["state"] == "denied"
    assert "unknown reason 'whim': give one of" in call("deny", "R-000002", "--because", "whim")[2]


def test_duplicates_of_a_request_that_is_closed_are_named(call: Call) -> None:
    for name in "abc":
        call("submit", name, "--benchmark", "mufac")
    for request in ("R-000002", "R-000003"):
        assert call("duplicate", request, "--of", "R-000001")[0] == 0
    code, _, told = call("deny", "R-000001", "--because", "no_ground", "--json")
    assert code == 0 and "duplicates of R-000001, which are not carried out, as it is not: R-000002, R-000003;" in told
    assert answer(call("reopen", "R-000002", "--because", "new_information", "--json"))["duplicate_of"] is None
    told = call("show", "R-000001")[2]
    assert "R-000003;" in told and "R-000002" not in told
    call("reopen", "R-000003", "--because", "new_information")
    assert call("show", "R-000001")[2] == ""


def test_photos_copies_and_an_uploaded_photo(call: Call, tmp_path: Path) -> None:
    with zipfile.ZipFile("data/mufac.zip") as archive:
        path = next(name for name in archive.namelist() if "F0002_AGE_D" in name)
        (tmp_path / "sent.jpg").write_bytes(archive.read(path))
    call("submit", "--photo", path, "--benchmark", "mufac")
    call("submit", "--upload", str(tmp_path / "sent.jpg"), "--benchmark", "mufac")
    for request, how in (("R-000001", "named"), ("R-000002", "copy: same bytes")):
        found = answer(call("resolve", request, "--json"))["found"]
        (match,) = found["matches"]
        assert (match["path"], match["filed"], match["how"]) == (path, "F0002/D", how)
        assert found["people"] == []
    assert "cannot be read" in call("submit", "--upload", "none.jpg", "--benchmark", "mufac")[2]


def test_the_list_has_pages_states_and_counts(call: Call) -> None:
    for number, received in enumerate(("2026-01-05", "2026-01-03", "2026-01-04"), start=1):
        call("submit", f"P{number}", "--benchmark", "mufac", "--received", received)
    call("cancel", "R-000002")
    call("duplicate", "R-000003", "--of", "R-000001")
    page = answer(call("list", "--limit", "2", "--json"))
    assert [request["id"] for request in page["requests"]] == ["R-000002", "R-000003"] and page["next"] == "R-000003"
    assert page["counts"] == {"states": {"canceled": 1, "duplicate": 1, "received": 1}, "overdue": 1}
    assert [request["id"] for request in answer(call("list", "--after", "R-000003", "--json"))["requests"]] == ["R-000001"]
    code, text, _ = call("list", "--overdue")
    assert code == 0 and "OVERDUE" in text and "R-000001" in text and "R-000002" not in text
    assert "unknown state 'open'" in call("list", "--state", "open")[2]
    assert [request["id"] for request in answer(call("list", "--state", "canceled", "--json"))["requests"]] == ["R-000002"]


def test_a_hashed_list_is_matched_and_answered_in_csv(call: Call, tmp_path: Path) -> None:
    names = ("F0001/D", "nobody", "D")
    (tmp_path / "list.csv").write_text(
        "ID,Hash\n" + "".join(f'"w,{name}",{hashlib.sha256(name.encode()).hexdigest()}\n' for name in names)
    )
    asked = ("match", str(tmp_path / "list.csv"), "--hash", "sha256", "--benchmark", "mufac")
    assert call(*asked)[1] == 'ID,Status,Code,Request\n"w,F0001/D",open,,\n"w,nobody",not_found,5,\n"w,D",several,,\n'
    code, text, _ = call(*asked, "--submit", "--verified-by", "the platform")
    assert code == 0 and '"w,F0001/D",open,,R-000001' in text
    assert answer(call(*asked, "--json"))["counts"] == {"open": 1, "not_found": 1, "several": 1}
    assert answer(call("show", "R-000001", "--json"))["request"]["state"] == "pending"


def test_who_looks_like_a_sent_photo_is_listed_and_a_person_says_who_it_is(call: Call, tmp_path: Path) -> None:
    (tmp_path / "sent.jpg").write_bytes(jpeg(999, side=8))
    call("submit", "--upload", str(tmp_path / "sent.jpg"), "--benchmark", "mufac")
    assert "no model of mufac to look with" in call("resolve", "R-000001", "--lookalikes")[2]
    save_model(
        Path("work/mufac/original/model.safetensors"),
        build("resnet18", 8, resolution=32),
        name="resnet18",
        outputs=8,
        resolution=32,
    )
    listed = answer(call("resolve", "R-000001", "--lookalikes", "--first", "3", "--json"))["people"]
    assert [one["rank"] for one in listed] == [1, 2, 3] and len(listed[0]["paths"]) == 4
    assert listed[0]["similarity"] >= listed[1]["similarity"] >= listed[2]["similarity"]
    code, text, _ = call("resolve", "R-000001", "--lookalikes")
    assert code == 0 and text.count("\n") == 11 and "16 people were compared; none of this is a finding" in text
    assert [event["action"] for event in answer(call("show", "R-000001", "--json"))["history"]] == ["submit"]

    call("identify", "R-000001")
    code, text, _ = call("resolve", "R-000001")
    assert code == 0 and "is no copy of any here" in text and "R-000001  pending" in text, "not closed before anybody looked"
    assert "nobody has looked at the look-alikes" in call("approve", "R-000001")[2]
    for arguments in ((), ("F0001/D", "--nobody")):
        assert "say who it is" in call("confirm", "R-000001", *arguments)[2]
    assert "nobody in the data is called 'F9/X'" in call("confirm", "R-000001", "F9/X")[2]
    (name,) = listed[1]["names"]
    code, text, _ = call("confirm", "R-000001", name)
    assert code == 0 and f"person: {name}" in text
    shown = answer(call("show", "R-000001", "--json"))["history"]
    confirmed = next(event for event in shown if event["action"] == "confirm")
    assert (confirmed["data"]["ranks"], confirmed["data"]["shown"]) == ([2], 10) and confirmed["who"] == getpass.getuser()
    assert name not in json.dumps(shown) and len(confirmed["data"]["subjects"]) == 1
    found = answer(call("resolve", "R-000001", "--json"))["found"]
    assert {match["path"] for match in found["matches"]} == set(listed[1]["paths"])
    assert {match["how"] for match in found["matches"]} == {"person: confirmed among look-alikes"}
    code, text, _ = call("confirm", "R-000001", "--nobody")
    assert code == 0 and "R-000001  not_found" in text, "the later word counts"
    assert "confirm is not allowed in the state not_found" in call("confirm", "R-000001", name)[2]
    assert (
        "has no photo that was sent"
        in call("resolve", answer(call("submit", "F0001/D", "--benchmark", "mufac", "--json"))["id"], "--lookalikes")[2]
    )
