"""Jobs computed where nothing of the project is: what travels, what is refused, and what is not done twice."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from aru.compute.jobs import Job, JobFiles
from aru.compute.object_store import ObjectStore
from aru.compute.remote_jobs import RemoteJobs, compute
from aru.core.config import RuntimeConfig
from aru.core.errors import InputError
from aru.core.progress import Progress
from tests.helpers.elsewhere import compute_elsewhere

OUT = "work/toy/made/ab"


def shout(word: str, work: Path, progress: Progress) -> None:
    """Write a word as often as the input says, and count how often this was done in a folder."""
    progress(1, 1, "")
    out = work / "made" / "ab"
    out.mkdir(parents=True, exist_ok=True)
    (out / "text").write_text(word * int((work / "prepared" / "count").read_text()))
    (out / "times").write_text(str(int((out / "times").read_text()) + 1 if (out / "times").is_file() else 1))


def idle(work: Path, progress: Progress) -> None:
    """Leave nothing."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    count = tmp_path / "project" / "work" / "toy" / "prepared" / "count"
    count.parent.mkdir(parents=True)
    count.write_text("3")
    return tmp_path / "project"


@pytest.fixture
def remote(project: Path, tmp_path: Path) -> RemoteJobs:
    return RemoteJobs(project, ObjectStore(str(tmp_path / "store"), "toy"))


def job_in(project: Path, function: str = "shout", **changes: object) -> Job:
    files = JobFiles(("work/toy/prepared/count", "work/toy/prepared/absent"), (OUT,), RuntimeConfig(device="cpu"))
    arguments = ("ab",) if function == "shout" else ()
    return Job(
        "ab", "a job", f"{__name__}:{function}", arguments, work=project / "work" / "toy", files=replace(files, **changes)
    )


def test_a_job_finds_its_files_and_what_it_leaves_comes_back_and_nothing_else_stays(project: Path, tmp_path: Path) -> None:
    compute_elsewhere(job_in(project), tmp_path)
    assert (project / OUT / "text").read_text() == "ababab"
    assert {path.name for path in (tmp_path / "cache").iterdir()} == {"objects"}, "the folder of the job is gone"


def test_a_finished_job_is_found_and_not_done_again_until_what_it_needs_is_another(
    project: Path, remote: RemoteJobs, tmp_path: Path
) -> None:
    parcel = remote.send(job_in(project))
    assert remote.found(parcel) is None
    made = compute(job_in(project), parcel, tmp_path / "cache")
    assert remote.found(remote.send(job_in(project))) == made
    assert compute(job_in(project), parcel, tmp_path / "another worker") == made
    assert not (tmp_path / "another worker").exists(), "it was computed again"
    for other in (job_in(project, variant="with weights"), job_in(project, runtime=RuntimeConfig(device="cpu", threads=2))):
        assert remote.found(remote.send(other)) is None
    (project / "work/toy/prepared/count").write_text("40")
    assert remote.found(remote.send(job_in(project))) is None


def test_what_a_job_has_left_before_travels_with_it(project: Path, tmp_path: Path) -> None:
    compute_elsewhere(job_in(project), tmp_path)
    compute_elsewhere(job_in(project), tmp_path)
    assert (project / OUT / "times").read_text() == "2"


@pytest.mark.parametrize(
    "path", ["work/toy/prepared/count", "work/toy/made/abc", "params.yaml", f"{OUT}/../x", "../x", "/x", OUT]
)
def test_a_file_that_is_not_of_the_job_is_refused_and_nothing_is_taken(project: Path, remote: RemoteJobs, path: str) -> None:
    digest = remote.store.put(project / "work/toy/prepared/count")
    with pytest.raises(InputError, match="no file of this job|no path inside a folder"):
        remote.fetch(job_in(project), {f"{OUT}/text": digest, path: digest})
    assert not (project / OUT).exists() and (project / "work/toy/prepared/count").read_text() == "3"


def test_a_worker_does_not_take_a_file_to_a_place_outside_of_its_folder(
    project: Path, remote: RemoteJobs, tmp_path: Path
) -> None:
    parcel = remote.send(job_in(project))
    (digest,) = parcel.inputs.values()
    with pytest.raises(InputError, match="no path inside a folder"):
        compute(job_in(project), replace(parcel, inputs={"../../outside": digest}), tmp_path / "cache")
    assert not list(tmp_path.rglob("outside"))


@pytest.mark.parametrize("name", ["code", "PyTorch", "arithmetic"])
def test_a_worker_that_is_not_alike_says_what_both_have(project: Path, remote: RemoteJobs, tmp_path: Path, name: str) -> None:
    parcel = remote.send(job_in(project))
    here = parcel.alike[name]
    with pytest.raises(InputError, match="install the same version of aru and PyTorch on both") as caught:
        compute(job_in(project), replace(parcel, alike={**parcel.alike, name: "another"}), tmp_path / "cache")
    assert f"has {name} {here}, the flow that sent this has another" in str(caught.value)
    assert not (tmp_path / "cache").exists()


def test_compiled_networks_are_a_kind_of_arithmetic_of_their_own(project: Path, remote: RemoteJobs, tmp_path: Path) -> None:
    """Nothing is compiled here: the job needs no network."""
    compiled = job_in(project, runtime=RuntimeConfig(device="cpu", precision="fp32", compile=True))
    alike = remote.send(compiled).alike["arithmetic"]
    assert alike == "cpu in fp32, 1 threads, fast kernels, compiled"
    plain = remote.send(job_in(project, runtime=RuntimeConfig(device="cpu", precision="fp32")))
    assert plain.alike["arithmetic"] == "cpu in fp32, 1 threads, fast kernels"
    compute_elsewhere(compiled, tmp_path)
    assert (project / OUT / "text").read_text() == "ababab"


def test_what_is_missing_or_damaged_in_the_store_is_named_and_the_project_keeps_what_it_has(
    project: Path, remote: RemoteJobs, tmp_path: Path
) -> None:
    job = job_in(project)
    compute_elsewhere(job, tmp_path)
    made = {f"{OUT}/text": remote.store.put(project / OUT / "text"), f"{OUT}/times": "0" * 64}
    with pytest.raises(InputError, match="0000 is not there any more"):
        remote.fetch(job, made)
    assert sorted(path.name for path in (project / OUT).iterdir()) == ["text", "times"]
    parcel = remote.send(job)
    remote.store.clear()
    with pytest.raises(InputError, match="run again, and what is missing is uploaded"):
        compute(job, parcel, tmp_path / "fresh")
    assert not list((tmp_path / "fresh").glob("job-*"))
    again = RemoteJobs(project, remote.store)
    compute(job, again.send(job), tmp_path / "fresh")


def test_a_job_that_leaves_nothing_and_one_without_a_list_of_files_are_refused(
    project: Path, remote: RemoteJobs, tmp_path: Path
) -> None:
    job = job_in(project, "idle")
    parcel = remote.send(job)
    with pytest.raises(InputError, match=f"left nothing in {OUT}"):
        compute(job, parcel, tmp_path / "cache")
    assert remote.found(parcel) is None
    with pytest.raises(InputError, match="only a shared disk will do"):
        remote.send(replace(job, files=None))


@pytest.fixture
def imports_restored() -> Iterator[None]:
    before = list(sys.path)
    yield
    sys.path[:] = before
    sys.modules.pop("code_of_tests", None)


def test_own_code_is_that_of_each_job_and_not_of_the_one_before(project: Path, tmp_path: Path, imports_restored: None) -> None:
    for word in ("first", "second"):
        (project / "code_of_tests.py").write_text(
            f"def say(work, progress):\n    (work / 'made' / 'ab').mkdir(parents=True, exist_ok=True)\n"
            f"    (work / 'made' / 'ab' / 'text').write_text('{word}')\n"
        )
        job = replace(job_in(project, "idle", own_code=("code_of_tests.py",)), function="code_of_tests:say")
        compute_elsewhere(job, tmp_path)
        assert (project / OUT / "text").read_text() == word
    assert sum(path.startswith(str(tmp_path)) and "cache" in path for path in sys.path) == 1
    compute_elsewhere(job_in(project), tmp_path)
    assert (
        not any(path.startswith(str(tmp_path)) and "cache" in path for path in sys.path) and "code_of_tests" not in sys.modules
    )
