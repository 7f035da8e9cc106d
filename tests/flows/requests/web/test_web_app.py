"""The API and the pages: who may do what, what is entered once, what is refused, and that nobody's words become a page."""

import socket
import stat
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient

from aru.core.errors import InputError
from flows.requests.ledger.ledger import Ledger
from flows.requests.ledger.queries import count_requests, list_requests, request_history, request_particulars
from flows.requests.ledger.records import Actor
from flows.requests.ledger.service import record_resolution
from flows.requests.ledger.states import Action, State
from flows.requests.ledger.verification import verify_ledger
from flows.requests.web import acting, web_app
from flows.requests.web.access import create_token, name_of_token, revoke_token
from flows.requests.web.web_app import make_app
from tests.helpers.listening import HOST, listening
from tests.helpers.request_service import FOUND, LOCAL, wanted, word


def test_token_is_kept_as_a_digest_and_can_be_taken_back(root: Path) -> None:
    token = create_token(root, "desk")
    file = root / ".aru" / "request-tokens.json"
    assert token not in file.read_text() and stat.S_IMODE(file.stat().st_mode) == 0o600
    assert name_of_token(root, token) == "desk" and name_of_token(root, token + "x") is None
    with pytest.raises(InputError, match="'desk' has a token"):
        create_token(root, "desk")
    revoke_token(root, "desk")
    assert name_of_token(root, token) is None
    with pytest.raises(InputError, match="nobody named 'desk'"):
        revoke_token(root, "desk")


def test_nothing_is_answered_without_a_token(root: Path, ledger: Ledger) -> None:
    app = make_app(root, ledger)
    with TestClient(app, LOCAL) as client:
        paths = {(method, path) for path, item in app.openapi()["paths"].items() for method in item}
        assert len(paths) >= 9
        for method, path in paths:
            concrete = path.replace("{request}", "R-000001").replace("{action}", "cancel")
            for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic d3Jvbmc6"}):
                answer = client.request(method, concrete, headers=headers)
                assert answer.status_code == 401, (method, path, answer.text)
        for path in ("/", "/requests/R-000001"):
            assert client.get(path, follow_redirects=False).headers["location"] == "/login"
        assert client.post("/requests", data={"names": "x"}, follow_redirects=False).headers["location"] == "/login"
        assert client.post("/login", data={"token": "wrong"}).status_code == 401


def test_request_goes_its_way_over_the_api(api: TestClient, ledger: Ledger, found: None) -> None:
    made = api.post("/api/requests", json=wanted(), headers={"Idempotency-Key": "letter 7"})
    again = api.post("/api/requests", json=wanted(), headers={"Idempotency-Key": "letter 7"})
    assert (made.status_code, again.status_code) == (201, 200) and made.json() == again.json()
    other = api.post("/api/requests", json=wanted(subjects=["F0002/D"]), headers={"Idempotency-Key": "letter 7"})
    assert other.status_code == 409 and "was used for another request" in other.json()["detail"]
    name = made.json()["id"]
    assert api.post(f"/api/requests/{name}/approve", json={}).status_code == 409
    for action, state in (("ask_identity", "identity_unverified"), ("identify", "pending"), ("approve", "approved")):
        answer = api.post(f"/api/requests/{name}/{action}", json={"remark": "by letter"})
        assert (answer.status_code, answer.json()["state"]) == (200, state), answer.text
    assert "a reason is missing" in api.post(f"/api/requests/{name}/deny", json={}).json()["detail"]
    later = api.post(f"/api/requests/{name}/extend", json={"reason": "complexity", "days": 10})
    assert later.json()["due"] > later.json()["first_due"]
    assert api.post(f"/api/requests/{name}/cancel", json={}).json()["state"] == "canceled"
    events = api.get(f"/api/requests/{name}/history").json()
    done = [event["action"] for event in events if event["action"] != "resolve"]  # a search is on record, whatever follows
    assert done == ["submit", "ask_identity", "identify", "approve", "extend", "cancel"]
    assert {event["who"] for event in events} == {"desk"} and "F0001" not in str(events)
    assert api.get("/api/counts").json() == {"states": {"canceled": 1}, "overdue": 0}
    assert api.get("/api/requests", params={"state": "canceled"}).json()["requests"][0]["id"] == name
    assert api.get("/api/batches").json() == []
    assert api.get("/api/verification").json()["faults"] == [] == verify_ledger(ledger).faults


def test_uploaded_photo_is_entered_and_too_long_bodies_are_not(
    api: TestClient, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = api.post("/api/uploads", params={"benchmark": "faces"}, content=b"\xff\xd8 a photo")
    assert (made.status_code, made.json()["kind"]) == (201, "uploaded")
    assert api.post("/api/uploads", params={"benchmark": "faces"}).status_code == 409  # nothing is named
    monkeypatch.setattr(web_app, "MAX_BODY", 1000)
    monkeypatch.setattr(web_app, "MAX_PHOTO", 2000)
    assert api.post("/api/uploads", params={"benchmark": "faces"}, content=b"x" * 2001).status_code == 413
    assert api.post("/api/requests", json=wanted(remark="x" * 1000)).status_code == 413
    assert len(list_requests(ledger).requests) == 1


def test_photo_that_was_cut_off_is_not_entered_and_can_be_sent_again(root: Path, ledger: Ledger) -> None:
    token, photo = create_token(root, "desk"), b"\xff\xd8" + b"x" * 100_000
    with listening(make_app(root, ledger)) as port:
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "letter 7", "Content-Length": str(len(photo))}
        head = "".join(f"{name}: {value}\r\n" for name, value in {"Host": f"{HOST}:{port}", **headers}.items())
        with socket.create_connection((HOST, port)) as connection:
            connection.sendall(f"POST /api/uploads?benchmark=faces HTTP/1.1\r\n{head}\r\n".encode() + photo[:40_000])
            connection.shutdown(socket.SHUT_WR)
            connection.settimeout(20)
            while connection.recv(1000):  # until the server has done with it
                pass
        assert list_requests(ledger).requests == []
        whole = httpx.post(f"http://{HOST}:{port}/api/uploads?benchmark=faces", content=photo, headers=headers)
        assert whole.status_code == 201, whole.text
    assert [request_particulars(ledger, one.id)["photo"] for one in list_requests(ledger).requests] == [photo]


def test_request_for_a_benchmark_that_is_not_there_is_not_entered(
    api: TestClient, browser: TestClient, ledger: Ledger
) -> None:
    form = {"form_word": word(browser.get("/").text), "names": "x", "benchmark": "facse"}
    for answer in (
        api.post("/api/requests", json=wanted(benchmark="facse")),
        api.post("/api/uploads", params={"benchmark": "facse"}, content=b"\xff\xd8 a photo"),
        browser.post("/requests", data=form),
    ):
        assert answer.status_code == 409 and "facse" in answer.text and "faces" in answer.text
    assert list_requests(ledger).requests == []


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("get", "/api/requests/R-999999", {}, 404),
        ("post", "/api/requests/R-999999/cancel", {"json": {}}, 404),
        ("get", "/api/requests/R-1'; DROP TABLE requests; --", {}, 422),
        ("get", "/api/requests/..%2F..%2Fparams.yaml", {}, 404),
        ("post", "/api/requests/R-000001/schedule", {"json": {}}, 404),
        ("post", "/api/requests/R-000001/run", {"json": {}}, 422),
        ("get", "/api/requests", {"params": {"limit": 0}}, 422),
        ("get", "/api/requests", {"params": {"after": "R-000001' OR 1=1"}}, 422),
        ("get", "/api/requests", {"params": {"after": "R-000001"}}, 404),
        ("post", "/api/requests", {"content": b"{"}, 422),
        ("post", "/api/requests", {"json": {"benchmark": "faces"}}, 409),
        ("post", "/api/requests", {"json": {"benchmark": "../faces", "subjects": ["x"]}}, 422),
        ("post", "/api/requests", {"json": {"benchmark": "faces", "subjects": ["\u0000"]}}, 409),
        ("post", "/api/requests", {"json": {"benchmark": "faces", "subjects": ["x"], "more": 1}}, 422),
        (
            "post",
            "/api/requests",
            {"json": {"benchmark": "faces", "subjects": ["x"], "received": "2999-01-01T00:00:00Z"}},
            409,
        ),
        (
            "post",
            "/api/requests",
            {"json": {"benchmark": "faces", "subjects": ["x"], "received": "0001-01-01T00:00:00+02:00"}},
            409,
        ),
    ],
)
def test_bad_input_is_the_callers_fault(api: TestClient, method: str, path: str, options: dict, status: int) -> None:
    answer = api.request(method, path, **options)
    assert answer.status_code == status, answer.text
    assert api.get("/api/counts").json()["states"] == {}


def test_names_in_every_script_are_entered_as_they_are(api: TestClient, ledger: Ledger) -> None:
    names = ["O'Brien; DROP TABLE requests", '<script>alert("x")</script>', "Zoë", "李", "a%00b", "../../etc/passwd"]
    made = api.post("/api/requests", json=wanted(subjects=names)).json()
    assert request_particulars(ledger, made["id"])["submitted"]["subjects"] == names


def test_page_tells_the_story_and_does_what_its_forms_say(browser: TestClient, ledger: Ledger, found: None) -> None:
    queue = browser.get("/").text
    assert "<b>0</b> overdue" in queue and "No batch was made yet" in queue and "Nothing is running" in queue
    form = {"form_word": word(queue), "benchmark": "faces", "names": "F0001/D\n\nF0002/M\n", "remark": "<b>by letter</b>"}
    page = browser.post("/requests", data=form)
    assert page.status_code == 200 and "the time limit runs" in page.text
    name = list_requests(ledger).requests[0].id
    for action, state in (("identify", "pending"), ("approve", "approved")):
        page = browser.post(f"/requests/{name}/{action}", data={"form_word": word(page.text), "remark": ""})
        assert f">{state}</span>" in page.text
    refused = browser.post(f"/requests/{name}/identify", data={"form_word": word(page.text)})
    assert (
        refused.status_code == 409 and 'role="alert"' in refused.text and "not allowed in the state approved" in refused.text
    )
    assert "F0001" not in page.text and "by letter" not in page.text  # names stay in the ledger
    assert [event.who for event in request_history(ledger, name)] == ["officer"] * 4
    assert f'href="/requests/{name}"' in browser.get("/?show=approved").text
    assert "No request in this view" in browser.get("/?show=person").text
    assert browser.get("/?show=nonsense").status_code == 409
    browser.post("/logout", data={"form_word": word(page.text)})
    assert browser.get("/", follow_redirects=False).headers["location"] == "/login"


def test_token_that_is_taken_back_logs_its_browsers_out(browser: TestClient, root: Path, ledger: Ledger) -> None:
    form = {"form_word": word(browser.get("/").text), "names": "x", "benchmark": "faces"}
    for change in (revoke_token, create_token):  # a new token of the same name is another log-in
        change(root, "officer")
        assert browser.get("/", follow_redirects=False).headers["location"] == "/login"
        assert browser.post("/requests", data=form, follow_redirects=False).headers["location"] == "/login"
    assert list_requests(ledger).requests == []


def test_form_of_another_page_is_refused(browser: TestClient, ledger: Ledger) -> None:
    for form in ({"names": "x", "benchmark": "faces"}, {"form_word": "guess", "names": "x", "benchmark": "faces"}):
        assert browser.post("/requests", data=form).status_code == 403
    assert browser.post("/requests", content=b"\xff\xfe").status_code == 403
    good = {"form_word": word(browser.get("/").text), "names": "x", "benchmark": "faces"}
    assert browser.post("/requests", data=good, headers={"Origin": "http://evil.example"}).status_code == 403
    assert browser.get("/", headers={"Host": "evil.example"}).status_code == 400
    assert count_requests(ledger, datetime.now(UTC)).states == {}


def test_words_of_others_never_become_a_page(browser: TestClient, root: Path, ledger: Ledger) -> None:
    token = create_token(root, "<script>alert(1)</script>")
    with TestClient(browser.app, LOCAL) as other:
        other.post("/login", data={"token": token})
        queue = other.get("/")
        assert "<script>" not in queue.text and "&lt;script&gt;" in queue.text
        page = other.post("/requests", data={"form_word": word(queue.text), "names": "x", "benchmark": "<img src=x>"})
        assert "<img" not in page.text
    assert "default-src 'none'" in queue.headers["content-security-policy"]
    assert queue.headers["cache-control"] == "no-store"


def test_too_many_calls_are_told_when_to_come_again(root: Path, ledger: Ledger) -> None:
    token = create_token(root, "desk")
    app = make_app(root, ledger, calls=3, window=60)
    with TestClient(app, LOCAL, headers={"Authorization": f"Bearer {token}"}) as client:
        answers = [client.get("/api/counts") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200] * 3 + [429] * 2
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 61


def test_every_action_of_a_person_is_offered_and_none_of_the_schedule() -> None:
    offered = {action for state in State for action in acting.possible(state)}
    assert offered == set(acting.OFFERED)
    assert not offered & {Action.START, Action.VERIFY, Action.FULFILL, Action.FAIL, Action.ERASE}


def test_duplicates_that_nobody_carries_out_are_named_and_reopened(api: TestClient, browser: TestClient) -> None:
    first, second = (api.post("/api/requests", json=wanted(subjects=[name])).json()["id"] for name in "ab")
    joined = api.post(f"/api/requests/{second}/duplicate", json={"of": first}).json()
    assert (joined["state"], joined["stranded"]) == ("duplicate", [])
    assert "not carried out, as this one is not" not in browser.get(f"/requests/{first}").text
    assert api.post(f"/api/requests/{first}/cancel", json={}).json()["stranded"] == [second]
    page = browser.get(f"/requests/{first}").text
    assert f'<a href="/requests/{second}">{second}</a>' in page and "not carried out, as this one is not" in page
    reopened = api.post(f"/api/requests/{second}/reopen", json={"reason": "new_information"}).json()
    assert (reopened["state"], reopened["duplicate_of"]) == ("pending", None)
    assert "not carried out, as this one is not" not in browser.get(f"/requests/{first}").text


def test_person_can_put_an_escalated_request_back(api: TestClient, ledger: Ledger, found: None) -> None:
    from flows.requests.ledger import batching
    from flows.requests.ledger.reasons import Reason
    from flows.requests.ledger.records import Role

    name = api.post("/api/requests", json=wanted()).json()["id"]
    api.post(f"/api/requests/{name}/identify", json={})
    record_resolution(ledger, name, FOUND, actor=Actor("desk"))
    api.post(f"/api/requests/{name}/approve", json={})
    batch = batching.schedule(ledger, [name], thresholds="0" * 64, parameters="0" * 64, actor=Actor("x", Role.SCHEDULE))
    batching.escalate(ledger, batch.id, Reason.SUSPICIOUS, actor=Actor("x", Role.SCHEDULE))
    assert api.get("/api/requests", params={"state": "escalated"}).json()["requests"][0]["batch"] == batch.id
    assert api.post(f"/api/requests/{name}/requeue", json={}).json()["state"] == "approved"


def test_fault_of_the_program_is_told_by_its_kind_alone(
    api: TestClient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*arguments: object) -> None:
        raise KeyError("F0001/D")

    monkeypatch.setattr("flows.requests.web.queue_pages.queries.count_requests", broken)
    answer = api.get("/api/counts")
    assert (
        answer.status_code == 500 and "KeyError" in answer.json()["detail"] and answer.headers["cache-control"] == "no-store"
    )
    printed = capsys.readouterr()
    assert "KeyError at test_web_app.py" in printed.err and "F0001" not in printed.err + printed.out + answer.text


HOSTILE = ("' OR 1=1 --", "..%2f..%2fparams.yaml", "%00", "<script>alert(1)</script>", "R-000001;DROP TABLE requests")


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_words_in_any_place_of_a_page_reach_nothing(browser: TestClient, ledger: Ledger, text: str) -> None:
    queue = browser.get("/").text
    form = {"form_word": word(queue), "names": text, "benchmark": "faces", "remark": text, "key": text or "x"}
    browser.post("/requests", data=form)
    for path in (f"/?show={text}", f"/?after={text}", f"/requests/{text}", f"/requests/{text}/lookalikes", f"/batches/{text}"):
        answer = browser.get(path)
        assert answer.status_code in (404, 405, 409, 422), path
        assert "<script>" not in answer.text and "benchmarks:" not in answer.text
    fields = {"form_word": word(queue), "remark": text, "reason": text, "of": text, "days": text, "by": text}
    for action in ("deny", "duplicate", "extend", "identify", text):
        answer = browser.post(f"/requests/R-000001/{action}", data=fields)
        assert answer.status_code in (404, 405, 409, 422), action
        assert "<script>" not in answer.text
    assert [event.action for event in request_history(ledger, "R-000001")] == ["submit"]
    assert verify_ledger(ledger).faults == []
