"""What the server that a command starts for its own flow keeps: without it the page of a run would show no tasks."""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

SCRIPT = """
from pathlib import Path
from flows.cli.context import prefect_api
from flows.project.environment import prepare_environment

prepare_environment(Path.cwd())
with prefect_api(Path.cwd()):
    from prefect import flow, task

    @task
    def stage(): ...

    @flow
    def stages():
        stage()
        stage()

    stages()
"""


def test_the_task_runs_of_a_flow_are_kept(tmp_path: Path, prefect_database: Path) -> None:
    (tmp_path / ".prefect").mkdir()
    shutil.copy(prefect_database, tmp_path / ".prefect")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env=environment | {"PYTHONPATH": str(Path(__file__).resolve().parents[3])},
    )
    assert done.returncode == 0, done.stderr
    with closing(sqlite3.connect(tmp_path / ".prefect" / "prefect.db")) as database:
        states = database.execute("SELECT state_type FROM task_run").fetchall()
        runs = database.execute("SELECT state_type FROM flow_run").fetchall()
    assert states == [("COMPLETED",)] * 2 and runs == [("COMPLETED",)]
