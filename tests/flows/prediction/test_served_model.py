"""The model in production: what answers, when another version is taken up, and what is refused."""

import asyncio
import io
import os
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from aru.core.errors import InputError
from aru.core.files import file_md5
from flows.prediction import prediction_app
from flows.prediction.prediction_app import make_app
from flows.prediction.served_log import forgotten_since, log_served, read_served
from flows.prediction.served_model import ServedModel
from flows.tracking import registry, store
from flows.tracking.production import PRODUCTION, mark_batch, promote

pytest_plugins = ["tests.helpers.tracking_fixtures"]
NAME = "aru-faces"
LOCAL = {"base_url": "http://127.0.0.1:5002"}


def second_version(root: Path, batch: int) -> str:
    """A version of the same files that has forgotten a batch."""
    client = store.client(root)
    first = client.get_model_version(NAME, "1")
    with registry.global_uri(store.tracking_uri(root)):
        made = client.create_model_version(NAME, first.source, first.run_id, tags=first.tags)
    mark_batch(root, NAME, str(made.version), batch)
    return str(made.version)


def photo(kind: str = "PNG", size: tuple[int, int] = (40, 30)) -> bytes:
    """An image file of noise."""
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def test_answers_as_the_registered_model_does(tracked_project: Path) -> None:
    import torch

    with pytest.raises(InputError, match="`aru promote` gives it"):
        ServedModel(tracked_project, "faces")
    promote(tracked_project, NAME, "1", release="pass")
    served = ServedModel(tracked_project, "faces")
    found = served.loaded.predict(photo())
    side = served.loaded.side
    resized = Image.open(io.BytesIO(photo())).resize((side, side), Image.Resampling.BILINEAR)
    pixels = torch.from_numpy(np.asarray(resized).copy()).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        expected = registry.load_registered(tracked_project, NAME, "1")(pixels)[0].softmax(0)
    assert [value for _, value in found.outputs] == pytest.approx(sorted(expected.tolist(), reverse=True), abs=1e-6)
    assert found.outputs[0][0] == served.loaded.names[int(expected.argmax())]
    entry = read_served(tracked_project, NAME)[-1]
    assert (entry["version"], entry["weights_md5"]) == ("1", served.loaded.production.weights_md5)
    assert os.stat(tracked_project / ".aru" / "served.jsonl").st_mode & 0o077 == 0


def test_alias_that_moves_is_followed_and_one_that_moves_back_by_hand_is_not(tracked_project: Path) -> None:
    promote(tracked_project, NAME, "1", release="pass")
    served = ServedModel(tracked_project, "faces")
    assert not served.refresh()
    after = second_version(tracked_project, 1)
    promote(tracked_project, NAME, after, release="pass")
    assert served.refresh() and served.loaded.production.version == after
    since = forgotten_since(tracked_project, NAME, 1)
    assert since == read_served(tracked_project, NAME)[-1]["at"]
    client = store.client(tracked_project)
    client.set_registered_model_alias(NAME, PRODUCTION, "1")  # by hand, past the gate
    with pytest.raises(InputError, match="still knows people of batch 1, which is released"):
        served.refresh()
    assert served.loaded.production.version == after
    with pytest.raises(InputError, match="still knows people of batch 1"):
        ServedModel(tracked_project, "faces")
    client.delete_registered_model_alias(NAME, PRODUCTION)
    with pytest.raises(InputError, match=f"version {after} goes on answering"):
        served.refresh()


def test_since_when_a_batch_is_forgotten_is_the_last_change_to_a_version_without_it(tmp_path: Path) -> None:
    assert forgotten_since(tmp_path, NAME, 1) is None
    times = [log_served(tmp_path, NAME, str(version), "0" * 32, batch)["at"] for version, batch in ((1, 0), (2, 1), (3, 2))]
    assert forgotten_since(tmp_path, NAME, 1) == times[1]
    assert forgotten_since(tmp_path, NAME, 2) == times[2]
    assert forgotten_since(tmp_path, NAME, 3) is None
    assert forgotten_since(tmp_path, "aru-other", 1) is None
    log_served(tmp_path, NAME, "1", "0" * 32, 0)
    assert forgotten_since(tmp_path, NAME, 1) is None  # a model that knows the people answers again
    with (tmp_path / ".aru" / "served.jsonl").open("a") as file:
        file.write('{"at": "cut off')
    assert len(read_served(tmp_path, NAME)) == 4
    log_served(tmp_path, NAME, "2", "0" * 32, 1)  # the server begins again
    assert [entry["version"] for entry in read_served(tmp_path, NAME)] == ["1", "2", "3", "1", "2"]
    assert forgotten_since(tmp_path, NAME, 1) is not None


def test_requests_over_http(tracked_project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    promote(tracked_project, NAME, "1", release="pass")
    served = ServedModel(tracked_project, "faces")
    monkeypatch.setattr(prediction_app, "MAX_BYTES", 10_000)
    with TestClient(make_app(served, refresh=0.05), **LOCAL) as client:
        health = client.get("/health").json()
        assert (health["version"], health["weights_md5"]) == ("1", served.loaded.production.weights_md5)
        for kind in ("PNG", "JPEG", "WEBP"):
            answer = client.post("/predict", content=photo(kind)).json()
            assert sum(output["probability"] for output in answer["outputs"]) == pytest.approx(1, abs=1e-5)
        for content, status in ((b"", 422), (b"no image", 422), (photo()[:200], 422), (b"x" * 10_001, 413)):
            assert client.post("/predict", content=content).status_code == status
        assert client.post("/predict", content=photo(), headers={"origin": "http://evil.example"}).status_code == 403
        assert client.get("/health", headers={"host": "evil.example"}).status_code == 400
        after = second_version(tracked_project, 1)
        promote(tracked_project, NAME, after, release="pass")
        for _ in range(200):
            if client.get("/health").json()["version"] == after:
                break
            served_again = client.post("/predict", content=photo())
            assert served_again.status_code == 200
        assert client.get("/health").json()["version"] == after


def test_client_that_breaks_off_is_no_fault_of_the_program(tracked_project: Path) -> None:
    promote(tracked_project, NAME, "1", release="pass")
    app = make_app(ServedModel(tracked_project, "faces"), refresh=5)
    parts = [{"type": "http.request", "body": photo()[:200], "more_body": True}, {"type": "http.disconnect"}]
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return parts.pop(0)

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "scheme": "http", "path": "/predict", "query_string": b"", "root_path": ""}
    asyncio.run(app(scope | {"headers": [(b"host", b"127.0.0.1:5002")], "http_version": "1.1"}, receive, send))
    assert sent[0]["status"] == 400 and b"cut off" in sent[1]["body"]


def test_damaged_weights_are_not_served(tracked_project: Path) -> None:
    promote(tracked_project, NAME, "1", release="pass")
    weights = next((tracked_project / "mlruns").rglob("model.safetensors"))
    before = file_md5(weights)
    weights.write_bytes(weights.read_bytes()[:-1] + bytes([weights.read_bytes()[-1] ^ 1]))
    assert file_md5(weights) != before
    with pytest.raises(InputError, match="not those that were registered"):
        ServedModel(tracked_project, "faces")
