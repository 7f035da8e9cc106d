"""Runs whose process is gone: the project's own notes say whose they are, never a path among their parameters."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.project.discretion import disclosed
from flows.project.folder import lock_folder
from flows.project.process_identity import ProcessIdentity, is_alive, this_process

HERE = this_process()
GONE = HERE._replace(started=HERE.started - 1)


@pytest.fixture
def begin(prefect_server: None, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Begins a run in a project as a process would that has this identity; returns the run's id."""
    from prefect import flow
    from prefect.client.orchestration import get_client
    from prefect.states import Running

    from flows.pipeline import crashes

    @flow(name="stand-in")
    def stand_in(root: str) -> None: ...

    def start(folder: Path, process: ProcessIdentity, **parameters: str) -> str:
        with get_client(sync_client=True) as client:
            run = str(client.create_flow_run(stand_in, parameters=parameters or {"root": str(folder)}, state=Running()).id)
        with monkeypatch.context() as patch:
            patch.setattr(crashes, "this_process", lambda: process)
            patch.setattr("prefect.runtime.flow_run.id", run, raising=False)
            crashes.register_run(folder)
        return run

    return start


def state(run: str) -> str:
    """A run's state as Prefect has it."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        return client.read_flow_run(run).state.type.value


def project(folder: Path) -> Path:
    """A folder that is a project."""
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    "process",
    [GONE, HERE._replace(boot="another"), HERE._replace(host="another")],
    ids=["ended", "before a reboot", "in a container that is gone"],
)
def test_a_run_whose_process_is_gone_is_closed_by_the_next_one(begin, tmp_path, process):
    root = project(tmp_path / "here")
    killed = begin(root, process)
    running = begin(root, HERE)
    assert (state(killed), state(running)) == ("CRASHED", "RUNNING")
    begin(root, HERE)
    assert state(running) == "RUNNING", "its process, which is this one, is alive"


def test_another_clone_with_the_same_path_among_its_parameters_is_left_alone(begin, tmp_path):
    theirs = begin(project(tmp_path / "theirs"), GONE, root=".")
    begin(project(tmp_path / "ours"), HERE, root=".")
    assert state(theirs) == "RUNNING"


def test_the_notes_of_a_copied_folder_are_not_the_copy_s_and_those_of_a_moved_one_are(begin, tmp_path):
    root = project(tmp_path / "first")
    run = begin(root, GONE)
    shutil.copytree(root, tmp_path / "copy")
    begin(tmp_path / "copy", HERE)
    assert state(run) == "RUNNING"
    root.rename(tmp_path / "moved")
    begin(tmp_path / "moved", HERE)
    assert state(run) == "CRASHED"


def test_notes_that_another_server_knows_are_kept_and_broken_ones_are_begun_anew(begin, tmp_path):
    root = project(tmp_path / "here")
    first = begin(root, HERE)
    notes = lock_folder(root) / "flow-runs.json"
    content = json.loads(notes.read_text())
    elsewhere = ["00000000-0000-4000-8000-000000000000", *GONE]
    notes.write_text(json.dumps(content | {"runs": [elsewhere, [first, *HERE]]}))
    second = begin(root, HERE)
    assert [run for run, *_ in json.loads(notes.read_text())["runs"]] == [elsewhere[0], first, second]
    notes.write_text('{"runs": 3')
    third = begin(root, HERE)
    assert [run for run, *_ in json.loads(notes.read_text())["runs"]] == [third]


def test_a_process_is_alive_until_it_ends_and_another_of_its_number_is_not_it():
    assert is_alive(HERE) and not is_alive(GONE)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as child:
        started = int(Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[19])
        other = HERE._replace(pid=child.pid, started=started)
        assert is_alive(other)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert not is_alive(other), "it has ended, though nobody has asked for its exit code yet"


@pytest.mark.parametrize(
    "name",
    [
        "pipeline.unlearn:unlearn",
        "experiments.benchmark:prepare_flow",
        "experiments.benchmark:compare_flow",
        "experiments.audit:audit_flow",
        "experiments.shadows:shadows_flow",
        "experiments.tuning:tune_flow",
    ],
)
def test_every_flow_notes_its_run_first_of_all_and_writes_plain_json(name, monkeypatch, tmp_path):
    import importlib

    module_name, _, flow_name = name.partition(":")
    module = importlib.import_module(f"flows.{module_name}")
    flow = getattr(module, flow_name)
    noted = []

    class Noted(Exception):
        """Enough was seen."""

    def note(root: Path) -> None:
        noted.append(root)
        raise Noted

    monkeypatch.setattr(module, "register_run", note)
    arguments: dict = dict.fromkeys(flow.parameters.required or [], None) | {"root": tmp_path}
    if flow_name == "unlearn":
        (tmp_path / "dvc.yaml").write_text("stages: {}")
    with pytest.raises(Noted), disclosed():
        flow.fn(**arguments)
    assert noted == [tmp_path]
    assert flow.result_serializer == "json" and flow.persist_result is False
