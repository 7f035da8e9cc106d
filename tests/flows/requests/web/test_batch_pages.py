"""The page of a batch, what the queue says is running, and a person's decision."""

import base64
import re
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient
from PIL import Image

from flows.project.folder import project_lock
from flows.requests.ledger import batching
from flows.requests.ledger.ledger import Ledger
from flows.requests.ledger.queries import batch_history
from flows.requests.ledger.reasons import Reason
from tests.helpers.batches import figures
from tests.helpers.ledgers import NOON, SCHEDULE, SHA, approved
from tests.helpers.request_service import word


def scheduled(ledger: Ledger, *names: str, at: datetime = NOON) -> str:
    """A batch of approved requests for these people."""
    requests = [approved(ledger, name, at=at) for name in names]
    return batching.schedule(ledger, requests, thresholds=SHA, parameters=SHA, actor=SCHEDULE).id


def plain(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def test_queue_says_what_runs_and_what_was_stopped(browser: TestClient, root: Path, ledger: Ledger) -> None:
    batch = scheduled(ledger, "F1/D", "F2/D")
    assert "Nothing is running" in browser.get("/").text
    batching.start(ledger, batch, model_before="3", actor=SCHEDULE)
    stopped = plain(browser.get("/").text)
    assert f"{batch} : 2 requests of faces, unlearning and audit" in stopped
    assert "No process works on it: it was stopped." in stopped
    with project_lock(root):
        running = plain(browser.get("/").text)
    assert "At work in the project: process" in running and "No process works on it" not in running
    batching.verify(ledger, batch, thresholds=SHA, data={}, actor=SCHEDULE)
    assert "the audit has passed, the release is next" in plain(browser.get("/").text)
    batching.fulfill(ledger, batch, model_after="4", data={}, actor=SCHEDULE)
    assert "the release is next" not in browser.get("/").text


def test_counts_lead_to_what_they_count(browser: TestClient, ledger: Ledger) -> None:
    now = datetime.now(UTC)
    late, soon, later = (
        approved(ledger, name, at=now - timedelta(days=days)) for name, days in zip("abc", (40, 25, 5), strict=True)
    )
    page = plain(browser.get("/").text)
    assert "1 overdue" in page and "1 due within 7 days" in page and "3 open of 3" in page
    shown = {
        view: re.findall(r'href="/requests/(R-\d+)"', browser.get(f"/?show={view}").text)
        for view in ("overdue", "soon", "open")
    }
    assert shown == {"overdue": [late], "soon": [late, soon], "open": [late, soon, later]}
    assert "overdue by" in browser.get("/?show=overdue").text


def test_person_decides_on_a_batch_once_it_waits(browser: TestClient, ledger: Ledger) -> None:
    batch = scheduled(ledger, "F1/D")
    page = browser.get(f"/batches/{batch}").text
    assert "Carry out after all" not in page and SHA in page and "R-000001" in page and "F1" not in page
    form = {"form_word": word(page)}
    refused = browser.post(f"/batches/{batch}/decide", data=form)
    assert refused.status_code == 409 and 'role="alert"' in refused.text
    batching.escalate(ledger, batch, Reason.SUSPICIOUS, data={"limits": ["of_class"]}, actor=SCHEDULE)
    page = browser.get(f"/batches/{batch}").text
    assert "Carry out after all" in page and "above the limit: of class" in page
    assert browser.post(f"/batches/{batch}/decide", data={"form_word": "guess"}).status_code == 403
    browser.post(f"/batches/{batch}/decide", data=form)
    last = batch_history(ledger, batch)[-1]
    assert (last.who, last.data) == ("officer", {"decision": "carry out", "set": {}})
    assert browser.get("/batches/B-000009").status_code == 404


def released(ledger: Ledger, person: str, version: int, **options: Any) -> str:
    """A batch of one person that was released, with made-up figures."""
    batch = scheduled(ledger, person)
    found = figures(Path(), "faces", ledger, batch, **options)
    batching.start(ledger, batch, model_before=str(version - 1), actor=SCHEDULE)
    batching.verify(ledger, batch, thresholds=SHA, data={"method": "aru", "figures": found}, actor=SCHEDULE)
    batching.fulfill(ledger, batch, model_after=str(version), data={}, actor=SCHEDULE)
    return batch


def test_page_of_a_released_batch_shows_how_the_model_has_drifted_up_to_it(browser: TestClient, ledger: Ledger) -> None:
    first = released(ledger, "F1/D", 2, retain=0.7)
    second = released(ledger, "F2/D", 3, retain=0.65, reversed_=True)
    page = browser.get(f"/batches/{second}").text
    picture = re.search(
        r'<img class="panels" src="data:image/png;base64,([^"]+)" width="(\d+)" height="(\d+)" alt="[^"]+"', page
    )
    assert picture is not None
    width, height = Image.open(BytesIO(base64.b64decode(picture[1]))).size
    assert abs(width / height - int(picture[2]) / int(picture[3])) < 0.01
    text = plain(page)
    assert f"{first} aru 0.700 0.600 0.500 [0.400, 0.600] 1, 0 0.600" in text
    assert f"{second} aru 0.650 0.600 0.500 [0.400, 0.600] known again 1, 0 0.600" in text
    earlier = plain(browser.get(f"/batches/{first}").text)
    assert f"{first} aru 0.700" in earlier and second not in earlier
    assert "from batch to batch" not in browser.get(f"/batches/{scheduled(ledger, 'F3/D')}").text
