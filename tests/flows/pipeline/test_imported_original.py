"""An imported original in the main flow of a project of one's own: never trained or changed, told from one trained here."""

import importlib
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from mlflow.entities import Run

from aru.core.config import load_config
from aru.core.errors import InputError
from aru.core.files import file_md5, read_json
from aru.core.progress import Progress
from aru.stages.code_record import installed_code
from aru.stages.runner import run as run_stage
from flows.pipeline.workers import Work, Workers
from flows.project.model_import import import_model, remove_model
from flows.project.new_project import make_project
from flows.project.params import PARAMS_FILE, activate, propose
from flows.tracking import lineage, registry, runs, store
from flows.tracking import main_runs as tracking
from tests.helpers.archives import mufac_archive
from tests.helpers.flow_fixtures import STAGES
from tests.helpers.project import run_stage as stand_in
from tests.helpers.project import shell

pytest_plugins = ["tests.helpers.tracking_fixtures"]
NETWORK = """
from torch import nn


def make(outputs):
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, outputs))
"""
SECTION = {
    "data": {"resolution": 32, "forget": {"rows": 8}},
    "train": {"epochs": 1},
    "attack": {"steps": 1},
    "finetune": {"epochs": 1},
    "evaluate": {"resamples": 100},
    "audit": {"release": "not-failed"},
}
ORIGINAL = "work/small/original/model.safetensors"


UNLEARNING = ("prepare", "train", "attack", "mask", "finetune")


def run_flow(root: Path, *, tracked: bool = False, stages: Sequence[str] = STAGES) -> dict[str, str]:
    """The main flow, in this process; with MLflow where it is tracked. Returns {stage: source}.

    The named stages are the real ones, the others stand-ins.
    """
    from prefect.settings import PREFECT_RESULTS_LOCAL_STORAGE_PATH, temporary_settings

    from flows.pipeline import unlearn
    from flows.project.discretion import disclosed

    with (
        disclosed(),
        pytest.MonkeyPatch.context() as patch,
        temporary_settings({PREFECT_RESULTS_LOCAL_STORAGE_PATH: root / ".prefect" / "results"}),
    ):

        def work_at(self: Workers, work: Work, progress: Progress) -> None:
            (run_stage if work.arguments[0] in stages else stand_in)(*work.arguments, root=work.options["root"])

        patch.setattr(Workers, "run", work_at)
        if not tracked:
            patch.setattr("flows.tracking.publishing.publish", lambda *arguments: None)
            patch.setattr("flows.tracking.publishing.summary", lambda *arguments: "results")
        outcome = unlearn.unlearn("small", root=root, quiet=True)
    return {result.stage.name: result.source for result in outcome.results}


def set_params(root: Path, **settings: Any) -> None:
    propose(root / PARAMS_FILE, "small", [(name.replace("__", "."), value) for name, value in settings.items()]).write()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, empty_store: Path, prefect_server: None) -> Iterator[Path]:
    """A project whose original was trained here."""
    root = tmp_path_factory.mktemp("own")
    make_project(root)
    shutil.copytree(empty_store / "mlruns", root / "mlruns")
    store.ensure_store(root)
    mufac_archive(root / "data" / "small.zip", families=15)
    (root / "nets_of_test.py").write_text(NETWORK)
    propose(root / PARAMS_FILE, "small", [("model.name", "nets_of_test:make")], new=SECTION).write()
    activate(root / PARAMS_FILE, "small", "data/small.zip")
    assert run_flow(root)["train"] == "computed"
    yield root
    sys.path.remove(str(root))  # the flow put it there
    sys.modules.pop("nets_of_test", None)


def test_an_imported_original_through_requests_recipes_and_back(trained: Path, tmp_path: Path) -> None:
    code = load_config(trained / PARAMS_FILE, "small").model.code
    assert code, "`aru run --set model.name=nets:make` names the code, too"
    own = file_md5(trained / ORIGINAL)
    torch.manual_seed(5)
    torch.save(importlib.import_module("nets_of_test").make(8).state_dict(), tmp_path / "w.pt")
    import_model(trained, tmp_path / "w.pt", "nets_of_test:make", "small", anyway=True)
    sources = run_flow(trained, tracked=True)
    assert sources["train"] == "computed" and read_json(trained / "work/small/original/cost.json")["not_trained"] == "imported"
    placed, first = file_md5(trained / ORIGINAL), file_md5(trained / "work/small/unlearned/model.safetensors")
    assert placed != own
    check_records(trained)

    for request in ({"data__forget__rows": 12}, {"data__forget__draw": 5}, {"data__forget__rows": 16}):
        set_params(trained, **request)
        sources = run_flow(trained, stages=UNLEARNING)
        assert sources["train"] != "computed" and sources["attack"] == "computed"
        assert file_md5(trained / ORIGINAL) == placed
    set_params(trained, train__lr=0.003, train__epochs=2)
    assert run_flow(trained, stages=UNLEARNING)["attack"] != "computed", "what depends on the original sees no change"
    assert file_md5(trained / ORIGINAL) == placed
    assert shell(trained, "dvc", "status") == "Data and pipelines are up to date.\n"
    assert file_md5(trained / "work/small/unlearned/model.safetensors") != first

    set_params(trained, train__lr=0.01, train__epochs=1)
    remove_model(trained, "small")
    assert run_flow(trained)["train"] != "computed"
    assert file_md5(trained / ORIGINAL) == own, "the one that was trained here is still in the cache"


def check_records(root: Path) -> None:
    """What MLflow has of the newest flow says that the original was trained elsewhere, and which code computed."""
    client = store.client(root)
    flow = runs.flows(client, store.experiment_id(root, "small"), "attributes.status = 'FINISHED'")[0]
    md5 = load_config(root / PARAMS_FILE, "small").model.original_md5
    children: dict[str, Run] = {run.info.run_name: run for run in runs.children(client, flow)}
    version = client.get_model_version(*registered) if (registered := tracking.registered(root, flow.info.run_id)) else None
    assert version is not None
    for tags in (flow.data.tags, children["original"].data.tags, children["unlearned"].data.tags, version.tags):
        assert (tags["original"], tags["original_file_md5"]) == ("imported", md5)
    installed = yaml.safe_load(installed_code())
    for tags in (flow.data.tags, version.tags):
        assert (tags["aru_version"], tags["aru_sha256"]) == (installed["version"], installed["sha256"])
    assert children["original"].data.tags["trained_on"] == "not known here: imported"
    assert "cost/seconds" not in children["original"].data.metrics
    uses = {
        (use.model, use.dataset): use.context
        for name in ("forget", "retain")
        for use in lineage.models_of_digest(root, lineage.data_sets(root, "small")[name].digest)
    }
    assert uses == {
        ("original", "forget"): lineage.ELSEWHERE,
        ("original", "retain"): lineage.ELSEWHERE,
        ("unlearned", "forget"): lineage.UNLEARNED,
        ("unlearned", "retain"): lineage.TRAINED,
    }
    assert registry.load_registered(root, "aru-small", str(version.version))(torch.zeros(1, 3, 32, 32)).shape == (1, 8)
    page = (root / "work/small/report/report.html").read_text()
    assert "original, not trained here;" in page and "original, its training" not in page


def test_edited_code_of_the_network_is_refused_until_it_is_named(trained: Path) -> None:
    (trained / "nets_of_test.py").write_text(NETWORK.replace("nn.ReLU()", "nn.GELU()"))
    try:
        with pytest.raises(InputError, match="model.code is"):
            run_flow(trained)
        before = load_config(trained / PARAMS_FILE, "small").model.code
        edit = propose(trained / PARAMS_FILE, "small", [("model.name", "nets_of_test:make")])
        assert [change.name for change in edit.changes] == ["model.code"] and edit.config.model.code != before
        assert propose(trained / PARAMS_FILE, "small", [("model.name", "resnet18")]).config.model.code is None
    finally:
        (trained / "nets_of_test.py").write_text(NETWORK)
