"""A project that the main flow has run through once, copies of it, and the flow itself with stand-in stages."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers.made_once import made_once
from tests.helpers.project import commit_all, make_project, run_stage

STAGES = ("prepare", "train", "attack", "mask", "finetune", "retrain", "evaluate", "audit", "report")


def run_flow(
    root: Path, benchmark: str = "faces", *, stage: Callable[..., None] = run_stage, **options: object
) -> dict[str, str]:
    """Run the main flow on a project with stand-in stages and without MLflow; returns {stage: source}."""
    from prefect.settings import PREFECT_RESULTS_LOCAL_STORAGE_PATH, temporary_settings

    from flows.pipeline import unlearn
    from flows.pipeline.workers import Workers
    from flows.project.discretion import disclosed
    from flows.tracking import publishing

    with (
        disclosed(),
        pytest.MonkeyPatch.context() as patch,
        temporary_settings({PREFECT_RESULTS_LOCAL_STORAGE_PATH: root / ".prefect" / "results"}),
    ):
        patch.setattr(Workers, "run", lambda self, work, progress: stage(*work.arguments, work.options["root"], progress))
        published = publishing.Published("run", "model", "1", "pass", ("candidate",), new=True)
        patch.setattr(publishing, "publish", lambda *arguments: published)
        patch.setattr(publishing, "summary", lambda *arguments: "results")
        outcome = unlearn.unlearn(benchmark, root=root, quiet=True, **options)
    return {result.stage.name: result.source for result in outcome.results}


def computed(sources: dict[str, str]) -> set[str]:
    """The stages that were computed."""
    return {stage for stage, source in sources.items() if source == "computed"}


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which nothing has run yet; never changed by a test."""
    return made_once(tmp_path_factory, "template", make_project)


@pytest.fixture(scope="session")
def finished(template: Path, prefect_server: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which the flow has run once; never changed by a test."""

    def make(root: Path) -> None:
        shutil.copytree(template, root, dirs_exist_ok=True)
        assert computed(run_flow(root)) == set(STAGES)
        commit_all(root)

    return made_once(tmp_path_factory, "finished", make)


@pytest.fixture
def fresh(template: Path, tmp_path: Path) -> Path:
    """A copy of the project in which nothing has run, to be changed."""
    return Path(shutil.copytree(template, tmp_path / "fresh"))


@pytest.fixture
def project(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished project, to be changed."""
    return Path(shutil.copytree(finished, tmp_path / "project"))
