"""The processes of a group: started together, ended together, with one error."""

import os
import signal
from pathlib import Path

import pytest

from aru.compute import ranks
from aru.compute.jobs import Job
from aru.compute.ranks import run_ranks
from aru.core.errors import InputError
from aru.core.progress import silent
from tests.helpers.processes import ended, wait_for


def job(name: str, *arguments: object) -> Job:
    return Job(name, f"stage {name}", f"tests.helpers.ranked:{name}", arguments)


def pids(folder: Path) -> list[int]:
    return [int(path.stem) for path in folder.glob("*.pid")]


def test_each_knows_its_place_and_the_first_reports(tmp_path: Path) -> None:
    reports: list[tuple[int, int, str]] = []
    run_ranks(job("leave", tmp_path), 2, lambda *report: reports.append(report))
    assert reports == [(1, 2, "left")]
    left = [(tmp_path / str(rank)).read_text() for rank in (0, 1)]
    assert [text.partition(")")[0] for text in left] == [f"Place(rank={n}, local_rank={n}, size=2" for n in (0, 1)]
    places = {text.partition(") ")[2] for text in left}
    assert len(places) == 1 and places.pop().endswith("rendezvous lo")


@pytest.mark.parametrize(
    "how, kind, message",
    [
        ("input", InputError, "^too few images"),
        ("killed", RuntimeError, "^process 2 ended with code -9: it was killed, most often for want of memory"),
    ],
)
def test_the_first_failure_ends_all_and_is_the_one_that_is_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, kind: type[Exception], message: str
) -> None:
    monkeypatch.setattr(ranks, "_GRACE_SECONDS", 0.5)
    with pytest.raises(kind, match=message) as failure:
        run_ranks(job("fail", how, tmp_path), 2, silent)
    assert "in process 2 of 2 of stage fail; the others were ended" in failure.value.__notes__
    assert len(pids(tmp_path)) == 2 and ended(*pids(tmp_path))


def test_what_progress_raises_ends_them(tmp_path: Path) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_ranks(job("fail", "progress", tmp_path), 2, stop)
    assert ended(*pids(tmp_path))


def test_they_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    parent = os.fork()
    if parent == 0:
        run_ranks(job("fail", "progress", tmp_path), 1, silent)
        os._exit(0)
    assert wait_for(lambda: len(pids(tmp_path)) == 1)
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    assert ended(*pids(tmp_path))
