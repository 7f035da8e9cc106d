"""`python -m aru compare`, and its jobs in processes."""

from pathlib import Path

import pytest

from aru.__main__ import main
from aru.comparison.cell import open_store, task_job
from aru.compute.jobs import Job, run_locally
from aru.core.config import Config
from tests.helpers.plans import plan_of
from tests.helpers.tuned import config_of

pytest_plugins = ["tests.helpers.tuning_fixtures"]


@pytest.fixture
def config(tuning_once: Path) -> Config:
    return config_of(tuning_once)


def test_a_stopped_pool_says_what_is_left_and_goes_on_from_there(tuning_project, config):
    plan, work = plan_of(tuning_project, "ssd"), tuning_project / "work" / "toy"
    jobs = [task_job(task, config, work) for task in plan.missing(open_store(work))]
    assert run_locally(jobs, workers=1, budget_seconds=0.0) == jobs and len(jobs) == len(plan.tasks)
    finished: list[Job] = []
    assert run_locally(jobs, workers=2, done=lambda job, number: finished.append(job)) == []
    assert len(finished) == len(plan.tasks) and plan.missing(open_store(work)) == []


def test_the_runner_computes_and_refuses(tuning_project, monkeypatch, capsys):
    monkeypatch.chdir(tuning_project)
    assert main(["compare", "toy", "--methods", "ssd", "--workers", "1"]) == 0
    assert "complete" in capsys.readouterr().out
    assert main(["compare", "toy", "--methods", "ssd"]) == 0 and "0 to compute" in capsys.readouterr().out
    assert main(["compare", "toy", "--methods", "sdd"]) == 2 and "did you mean 'ssd'" in capsys.readouterr().err
