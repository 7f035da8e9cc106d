"""The flow stopped, killed or failing half way: nothing that was finished is lost, and the next run ends the same."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from aru.core.errors import InputError
from flows.project import versioning
from flows.project.folder import ProjectBusy, project_lock
from tests.helpers.flow_fixtures import computed, run_flow
from tests.helpers.project import CHECKOUT, change_param, outputs, run_stage

AFTER_ATTACK = ("attack", "mask", "finetune", "evaluate", "audit")


@contextmanager
def running_flow(root: Path, *, until: str) -> Iterator[subprocess.Popen]:
    """`aru run` in a process of its own, yielded when it begins the stage `until`, which takes a minute."""
    from prefect.settings import PREFECT_API_URL

    environment = {
        **os.environ,
        "PREFECT_API_URL": str(PREFECT_API_URL.value()),
        "PYTHONPATH": str(CHECKOUT),
        "PREFECT_RESULTS_LOCAL_STORAGE_PATH": str(root / ".prefect" / "results"),
        "STAND_IN_SECONDS": f"{until}=60",
    }
    command = [sys.executable, "-m", "tests.helpers.flow_process", "run"]
    with subprocess.Popen(
        command, cwd=root, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            for line in process.stdout or ():
                if line.strip() == f"begin {until}":
                    break
            yield process
        finally:
            process.kill()


def expected(root: Path) -> dict[str, str]:
    """The outputs that the stages after a change of the attack's parameters make, found without the flow."""
    for stage in AFTER_ATTACK:
        run_stage(stage, "faces", root)
    return without_report(root)


def without_report(root: Path) -> dict[str, str]:
    """The report depends on the costs, which differ."""
    return {path: digest for path, digest in outputs(root).items() if "/report/" not in path}


def states(root: Path) -> list[str]:
    """The states of the flow runs on this project as Prefect has them, the oldest first."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.sorting import FlowRunSort

    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(sort=FlowRunSort.START_TIME_ASC)
    return [run.state.type.value for run in runs if Path(run.parameters.get("root", ".")).resolve() == root]


@pytest.fixture
def changed(project: Path) -> Path:
    """The project with another attack; five stages are to be computed."""
    change_param(project, "steps: 10", "steps: 11")
    return project


def test_killed_flow_is_taken_up_and_ends_the_same(changed: Path) -> None:
    with running_flow(changed, until="mask") as process:
        os.kill(process.pid, signal.SIGKILL)
    assert states(changed) == ["RUNNING"], "its process could tell nobody"
    sources = run_flow(changed)
    assert states(changed) == ["CRASHED", "COMPLETED"]
    assert sources["attack"] == "prefect", "what had been finished before the kill is kept"
    assert computed(sources) == {"mask", "finetune", "evaluate", "audit", "report"}
    done = without_report(changed)
    assert versioning.status(changed) == {}
    assert done == expected(changed)


def test_interrupted_flow_records_what_is_done_and_says_how_to_go_on(changed: Path) -> None:
    with running_flow(changed, until="mask") as process:
        with pytest.raises(ProjectBusy, match=rf"process {process.pid} .*started 20"), project_lock(changed):
            pass
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        code, said = process.wait(timeout=150), process.stderr.read()
        assert code == 130 and "`aru run --benchmark faces` goes on" in said, said
    assert versioning.status(changed).keys() == {"mask@faces", "audit@faces", "report@faces"}, "the attack is recorded"
    assert computed(run_flow(changed)) == {"mask", "finetune", "evaluate", "audit", "report"}


def test_failing_stage_keeps_what_is_done(changed: Path) -> None:
    def failing(stage: str, *arguments: object) -> None:
        if stage == "mask":
            raise ZeroDivisionError("the mask is broken")
        run_stage(stage, *arguments)  # type: ignore[arg-type]

    change_param(changed, "epochs: 7", "epochs: 8")
    with pytest.raises(ZeroDivisionError, match="the mask is broken"):
        run_flow(changed, stage=failing)
    assert "mask@faces" in versioning.status(changed)
    assert not {"train@faces", "retrain@faces", "attack@faces"} & versioning.status(changed).keys()
    assert computed(run_flow(changed)) == {"mask", "finetune", "evaluate", "audit", "report"}
    assert versioning.status(changed) == {}


def test_stage_that_leaves_out_an_output_fails(changed: Path) -> None:
    def forgetful(stage: str, benchmark: str, root: Path, progress) -> None:
        run_stage(stage, benchmark, root, progress)
        (root / "work/faces/noise/attack.json").unlink(missing_ok=True)

    with pytest.raises(RuntimeError, match=r"attack@faces ended without writing work/faces/noise/attack\.json"):
        run_flow(changed, stage=forgetful)


@pytest.mark.parametrize(
    "file, before, after",
    [("params.yaml", "steps: 11", "steps: 12"), ("aru/methods/aru/attack.py", "import torch\n", "import torch\n\nX = 1\n")],
)
def test_change_while_a_stage_runs_is_noticed(changed: Path, file: str, before: str, after: str) -> None:
    def meddling(stage: str, benchmark: str, root: Path, progress) -> None:
        run_stage(stage, benchmark, root, progress)
        path = root / file
        path.write_text(path.read_text().replace(before, after, 1))

    with pytest.raises(InputError, match="attack@faces changed while the flow ran"):
        run_flow(changed, stage=meddling)
    assert "attack@faces" in versioning.status(changed), "it is not recorded"
    assert "attack" in computed(run_flow(changed))
    assert versioning.status(changed) == {}


def test_lock_file_cut_short_by_a_kill_is_mended(project: Path) -> None:
    whole = (project / "dvc.lock").read_text()
    with pytest.raises(KeyboardInterrupt), versioning.guarded_lock_file(project):
        (project / "dvc.lock").write_text(whole[: len(whole) // 2])
        raise KeyboardInterrupt  # leaves what a kill in this place leaves
    assert set(run_flow(project).values()) == {"prefect"}
    assert (project / "dvc.lock").read_text() == whole


def test_second_flow_of_the_same_process_is_refused(project: Path) -> None:
    refused = []

    def second() -> None:
        try:
            with project_lock(project):
                pass
        except ProjectBusy as error:
            refused.append(str(error))

    with project_lock(project), project_lock(project):  # its own flow may take it again
        thread = Thread(target=second)
        thread.start()
        thread.join()
    assert len(refused) == 1
    assert f"process {os.getpid()} " in refused[0]
    second()
    assert len(refused) == 1, "it is free again"
