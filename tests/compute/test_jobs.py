"""Jobs: their order, their budget, their failures, and the calls that they make."""

from concurrent.futures import Future
from pathlib import Path

import pytest

from aru.compute.jobs import Job, run_jobs, run_locally
from aru.core.progress import Progress, silent


def leave(path: Path, text: str, *, progress: Progress = silent) -> None:
    """Write a file."""
    path.write_text(text)


def job(key: str, after: str | None = None) -> Job:
    return Job(key, f"job {key}", "tests.compute.test_jobs:leave", after=after)


def test_a_job_waits_for_the_one_it_depends_on_and_others_go_ahead() -> None:
    futures: dict[str, Future[None]] = {}
    started: list[str] = []

    def submit(started_job: Job) -> Future[None]:
        started.append(started_job.key)
        future = futures[started_job.key] = Future()
        if started_job.key == "c":  # the last that may begin before `a` is done
            futures["a"].set_result(None)
            future.set_result(None)
        if started_job.key == "b":
            future.set_result(None)
        return future

    done: list[tuple[str, int]] = []
    left = run_jobs(
        [job("a"), job("b", after="a"), job("c", after="not among the jobs")],
        submit,
        at_once=2,
        done=lambda ended, number: done.append((ended.key, number)),
    )
    assert left == [] and started == ["a", "c", "b"]
    assert [number for _, number in done] == [1, 2, 3] and done[-1][0] == "b"


def test_without_a_budget_nothing_is_begun() -> None:
    jobs = [job("a"), job("b")]
    assert run_jobs(jobs, lambda one: pytest.fail("it was started"), at_once=1, budget_seconds=0) == jobs


def test_after_a_failure_nothing_is_started_and_the_failure_is_raised() -> None:
    started: list[str] = []

    def submit(one: Job) -> Future[None]:
        started.append(one.key)
        future: Future[None] = Future()
        future.set_exception(OSError("no space"))
        return future

    with pytest.raises(OSError, match="no space"):
        run_jobs([job("a"), job("b")], submit, at_once=1)
    assert started == ["a"]


def test_processes_make_the_calls(tmp_path: Path) -> None:
    jobs = [Job(name, name, "tests.compute.test_jobs:leave", (tmp_path / name, f"text of {name}")) for name in ("a", "b", "c")]
    assert run_locally(jobs, workers=2) == []
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {name: f"text of {name}" for name in "abc"}
