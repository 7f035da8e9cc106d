"""`aru store`: what went to a store is listed, removed, and then no longer on record."""

from pathlib import Path

import pytest

from aru.compute.object_store import ObjectStore
from flows.project.used_stores import remember_store, used_stores
from tests.helpers.command_line import Call, caller


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture) -> Call:
    """Call `aru` in a folder that is a project's by its name only; returns exit code, stdout and stderr."""
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    monkeypatch.chdir(tmp_path)
    return caller(capfd)


def test_what_went_to_a_store_is_listed_and_removed_for_one_benchmark_at_a_time(call: Call, tmp_path: Path) -> None:
    assert call("store", "list") == (0, "nothing was sent to a store\n", "")
    url = str(tmp_path / "store")
    (tmp_path / "photo").write_bytes(b"abc")
    for benchmark in ("toy", "other"):
        remember_store(tmp_path, url, benchmark)
        ObjectStore(url, benchmark).put(tmp_path / "photo")
    assert oct((tmp_path / ".aru" / "stores.json").stat().st_mode)[-3:] == "600"
    assert call("store", "list")[1] == f"{url}  other: 1 files, 0.0 MiB\n{url}  toy: 1 files, 0.0 MiB\n"
    assert call("store", "clean", "store", "--benchmark", "toy")[:2] == (0, f"1 files of toy removed from {url}\n")
    assert used_stores(tmp_path) == {url: ["other"]} and ObjectStore(url, "other").size() == (1, 3)
    assert call("store", "clean", url, "--benchmark", "other")[0] == 0 and used_stores(tmp_path) == {}


@pytest.mark.parametrize(
    "arguments, message",
    [(("s3:/", "--benchmark", "../x"), "no name for a benchmark"), (("ftp://x", "--benchmark", "toy"), "no address of one")],
)
def test_other_addresses_and_names_are_refused(call: Call, arguments: tuple[str, ...], message: str) -> None:
    code, _, error = call("store", "clean", *arguments)
    assert code == 2 and message in error
