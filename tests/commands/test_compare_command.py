"""`python -m aru compare`, and its jobs in processes."""

from pathlib import Path

import pytest
import yaml

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


def test_another_resolution_without_prepare_is_refused_and_nothing_is_stored(tuning_project, monkeypatch, capsys):
    params = yaml.safe_load((tuning_project / "params.yaml").read_text())
    params["toy"]["data"]["resolution"] = 32
    (tuning_project / "params.yaml").write_text(yaml.safe_dump(params))
    store = open_store(tuning_project / "work" / "toy")
    monkeypatch.chdir(tuning_project)
    before = sorted(store.keys())
    assert main(["compare", "toy", "--methods", "ssd", "--workers", "1"]) == 2
    assert "24 px wide, data.resolution is 32: run the stage 'prepare' again" in capsys.readouterr().err
    assert sorted(store.keys()) == before
