"""Prefect's records: nothing but plain JSON is read from them or written into them."""

import base64
import json
import pickle
from pathlib import Path

import pytest


class Bomb:
    """Unpickled, it makes the file it is given."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple:
        return Path.touch, (Path(self.path),)


def record(serializer: dict | None, result: str) -> str:
    """A record as Prefect keeps it."""
    metadata = {"storage_key": "x"} | ({} if serializer is None else {"serializer": serializer})
    return json.dumps({"metadata": metadata, "result": result})


def pickled(path: Path) -> str:
    return base64.encodebytes(pickle.dumps(Bomb(path))).decode()


@pytest.mark.parametrize(
    "serializer",
    [
        None,
        {"type": "pickle"},
        {"type": "compressed", "serializer": {"type": "pickle"}, "compressionlib": "zlib"},
        {"type": "json", "jsonlib": "pickle", "object_decoder": None},
    ],
)
def test_a_record_cannot_have_code_executed_and_its_stage_is_computed_again(serializer, tmp_path, prefect_server):
    from prefect import flow
    from prefect.settings import PREFECT_RESULTS_LOCAL_STORAGE_PATH, temporary_settings

    from flows.pipeline.cached_stages import lookup

    bomb, key = tmp_path / "made", "a" * 64
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / key).write_text(record(serializer, pickled(bomb)))

    @flow
    def looks() -> dict[str, str]:
        return lookup(address="train@x", key=key, make=lambda: {"work/x": "made anew"})

    with temporary_settings({PREFECT_RESULTS_LOCAL_STORAGE_PATH: tmp_path / "results"}):
        assert looks() == {"work/x": "made anew"}
    assert not bomb.exists()
    kept = json.loads((tmp_path / "results" / key).read_text())
    assert kept["metadata"]["serializer"]["type"] == "json" and json.loads(kept["result"]) == {"work/x": "made anew"}


def test_a_record_s_decoder_is_not_called():
    from prefect.serializers import JSONSerializer

    from flows.pipeline import plain_records  # noqa: F401 - for its effect

    serializer = JSONSerializer(object_decoder="builtins.exit")
    assert serializer.loads(b'{"__class__": "os.system", "data": "x"}') == {"__class__": "os.system", "data": "x"}


def test_the_result_of_a_flow_that_failed_is_json(tmp_path, prefect_server):
    from prefect.settings import PREFECT_RESULTS_LOCAL_STORAGE_PATH, temporary_settings

    from flows.pipeline.unlearn import unlearn
    from flows.project.discretion import disclosed

    with (
        temporary_settings({PREFECT_RESULTS_LOCAL_STORAGE_PATH: tmp_path / "results"}),
        pytest.raises(Exception, match=r"no dvc\.yaml"),
        disclosed(),
    ):
        unlearn.with_options(flow_run_name="failing")(root=tmp_path)
    for path in (tmp_path / "results").iterdir():
        json.loads(path.read_text())
