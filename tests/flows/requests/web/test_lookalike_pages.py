"""The page of look-alikes: what it shows, that nothing of it is kept, and that only a person's word counts."""

import base64
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from flows.requests.ledger.ledger import Ledger
from flows.requests.ledger.queries import find_request, request_history, request_particulars
from flows.requests.ledger.records import Actor
from flows.requests.ledger.service import approve, identify
from flows.requests.ledger.states import Action
from flows.requests.ledger.submission import Submission, submit
from flows.requests.ledger.verification import verify_ledger
from flows.requests.resolving.lookalikes import Lookalike, Lookalikes
from tests.helpers.archives import jpeg
from tests.helpers.request_service import word

PEOPLE = tuple(
    Lookalike(rank, 1 - rank / 10, (f"F{rank:04d}/D",), tuple(f"F{rank:04d}_{photo}.jpg" for photo in range(4)))
    for rank in range(1, 13)
)


class Search:
    """Stands for the search: everybody in the data, always in the same order."""

    def find(self, benchmark: str, upload: bytes, **options: object) -> Lookalikes:
        return Lookalikes(PEOPLE, "a" * 32, "0" * 64)

    def thumbnails(self, benchmark: str, paths: list[str]) -> list[bytes]:
        return [f"picture of {path}".encode() for path in paths]

    def thumbnail_of_upload(self, upload: bytes) -> bytes:
        return b"what was sent"


@pytest.fixture
def request_id(browser: TestClient, ledger: Ledger, found: None) -> Iterator[str]:
    """A request with a photo, in a service whose search is the one above."""
    browser.app.state.service.__dict__["lookalikes"] = Search()
    yield submit(ledger, Submission("faces", upload=jpeg(1)), actor=Actor("desk")).request.id


def marks(page: str) -> list[str]:
    return re.findall(r'name="person" value="([0-9a-f]{64})"', page)


def test_ten_people_are_shown_without_their_names_and_nothing_is_stored(
    browser: TestClient, ledger: Ledger, root: Path, request_id: str
) -> None:
    before = {path for path in root.rglob("*") if path.is_file()}
    answer = browser.get(f"/requests/{request_id}/lookalikes")
    assert answer.status_code == 200 and answer.headers["cache-control"] == "no-store"
    pictures = [base64.b64decode(one) for one in re.findall(r'src="data:image/jpeg;base64,([^"]+)"', answer.text)]
    assert pictures[0] == b"what was sent" and len(pictures) == 1 + 10 * 3
    assert pictures[1] == b"picture of F0001_0.jpg" and len(marks(answer.text)) == 10
    assert "F0001" not in answer.text and "10 of 12 people" in answer.text
    assert "img-src data:" in answer.headers["content-security-policy"]
    assert [event.action for event in request_history(ledger, request_id)] == [Action.SUBMIT]
    assert {path for path in root.rglob("*") if path.is_file()} == before


def test_only_a_persons_word_becomes_part_of_the_request(browser: TestClient, ledger: Ledger, request_id: str) -> None:
    path = f"/requests/{request_id}/lookalikes"
    assert f'href="{path}"' in browser.get(f"/requests/{request_id}").text
    page = browser.get(path).text
    form = {"form_word": word(page), "person": [marks(page)[2], marks(page)[5]], "remark": "by the mole"}
    done = browser.post(path, data=form)
    assert done.status_code == 200 and done.url.path == f"/requests/{request_id}"
    assert request_particulars(ledger, request_id)["confirmed"] == ["F0003/D", "F0006/D"]
    event = next(event for event in request_history(ledger, request_id) if event.action is Action.CONFIRM)
    assert (event.who, event.data["ranks"], event.data["shown"]) == ("officer", [3, 6], 10)
    assert event.data["subjects"] == sorted(ledger.digest("subject", name) for name in ("F0003/D", "F0006/D"))
    assert "2 of the 10 people shown" in done.text and "F0003" not in done.text
    again = browser.get(path).text
    assert again.count(" checked>") == 2, "what was said before is ticked"
    browser.post(path, data={"form_word": word(again), "nobody": "yes"})
    assert request_particulars(ledger, request_id)["confirmed"] == []
    assert verify_ledger(ledger).faults == []


def test_unclear_old_and_foreign_words_change_nothing(browser: TestClient, ledger: Ledger, request_id: str) -> None:
    path = f"/requests/{request_id}/lookalikes"
    page = browser.get(path).text
    for form, status in (
        ({}, 409),
        ({"person": marks(page)[0], "nobody": "yes"}, 409),
        ({"person": "0" * 64}, 409),
        ({"person": "F0001/D"}, 409),
        ({"person": marks(page)[0], "form_word": "guess"}, 403),
    ):
        answer = browser.post(path, data={"form_word": word(page), **form})
        assert answer.status_code == status, form
    assert len(request_history(ledger, request_id)) == 1
    identify(ledger, request_id, actor=Actor("desk"))
    browser.post(path, data={"form_word": word(page), "person": marks(page)[0]})
    approve(ledger, request_id, actor=Actor("desk"))
    late = browser.post(path, data={"form_word": word(page), "person": marks(page)[1]})
    assert late.status_code == 409 and "nothing can be confirmed any more" in late.text
    assert request_particulars(ledger, request_id)["confirmed"] == ["F0001/D"]


def test_request_without_a_photo_has_no_look_alikes(browser: TestClient, ledger: Ledger, request_id: str) -> None:
    other = submit(ledger, Submission("faces", ("F0001/D",)), actor=Actor("desk")).request.id
    assert "lookalikes" not in browser.get(f"/requests/{other}").text
    answer = browser.get(f"/requests/{other}/lookalikes")
    assert answer.status_code == 409 and "has no photo that was sent" in answer.text
    assert browser.get("/requests/R-999999/lookalikes").status_code == 404
    assert find_request(ledger, other).state == "received"
