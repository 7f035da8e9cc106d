"""The ledger's service with a new ledger: a client with a token, a browser that is logged in, searches that find one photo."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from flows.requests.ledger.ledger import Ledger
from flows.requests.web.access import create_token
from flows.requests.web.web_app import make_app
from tests.helpers.request_service import FOUND, LOCAL


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "params.yaml").write_text("benchmarks: {faces: data/faces.zip}\nfaces: {}\n")
    return tmp_path


@pytest.fixture
def api(root: Path, ledger: Ledger) -> Iterator[TestClient]:
    """A client with a token."""
    token = create_token(root, "desk")
    with TestClient(make_app(root, ledger), LOCAL, headers={"Authorization": f"Bearer {token}"}) as client:
        yield client


@pytest.fixture
def browser(root: Path, ledger: Ledger) -> Iterator[TestClient]:
    """A browser that is logged in."""
    token = create_token(root, "officer")
    with TestClient(make_app(root, ledger), LOCAL) as client:
        assert client.post("/login", data={"token": token}).status_code == 200
        yield client


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Searches find one photo."""

    def look(ledger: Ledger, root: Path, request: str, **options: Any) -> SimpleNamespace:
        return SimpleNamespace(evidence=FOUND, doubtful=False, unseen=False, found=None, same_people=[])

    monkeypatch.setattr("flows.requests.resolving.recording.resolve", look)
