"""An unlearning from Python in MLflow: what a flow's run has, by comparison of the two, and nothing of people."""

import shutil
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch
from mlflow.entities import Run
from torch import nn

import aru
from aru.core.errors import InputError
from aru.library.audits import AuditVerdict
from aru.library.evaluation import Figures
from aru.library.saved import weights_md5
from aru.library.unlearning import Cost, Inputs, Unlearning
from aru.nets.models import load_model
from flows.tracking import log_unlearned, main_runs, registry, runs, store
from tests.helpers import tracked
from tests.helpers.stores import path_of
from tests.helpers.toys import same_weights, small_net
from tests.library.own import photos

pytest_plugins = ["tests.helpers.tracking_fixtures"]
OF_THE_FILES = {f"{name}_md5" for name in ("archive", "manifest", "forget", "retain")}
"""The tags of a flow's version that only files give."""


def of_the_flow(project: Path) -> dict:
    """What the flow of `tracked` made, as the library would have given it."""
    work, content = project / "work" / "faces", tracked.metrics()
    nets = {name: load_model(work / name / "model.safetensors") for name in content["models"]}
    digests = {name: weights_md5(net) for name, net in nets.items()}
    made_from = {"audited model, MD5": digests["unlearned"], "original model, MD5": digests["original"]}
    config = tracked.config().model_dump(mode="json")
    history = [{"epoch": epoch, "loss": 2.0 / epoch, "accuracy": 0.2 * epoch, "lr": 0.01} for epoch in (1, 2, 3)]
    result = Unlearning(
        nets["unlearned"],
        None,
        None,
        history,
        Cost({"attack": 10.0, "mask": 10.0, "reset": 4.0, "finetune": 6.0}, "cpu", "fp32", 1),
        "aru",
        {name: config[name] for name in ("attack", "mask", "reset", "finetune")},
        0,
        Inputs((3, tracked.SIDE, tracked.SIDE), torch.float32, (0.0, 1.0), None),
    )
    verdict = AuditVerdict(tracked.audit() | {"made_from": made_from})
    return {"result": result, "verdict": verdict, "figures": Figures(content, digests), "retrain_seconds": 10.0}


def children(root: Path, run: Run) -> dict[str, Run]:
    return {one.info.run_name: one for one in runs.children(store.client(root), run)}


def test_a_run_has_the_figures_that_a_flows_run_has(tracked_project: Path) -> None:
    logged = log_unlearned(
        **of_the_flow(tracked_project), experiment="notebook", registered_model="notebook", root=tracked_project
    )
    client = store.client(tracked_project)
    flow = client.get_run(main_runs.find_run(tracked_project, benchmark="faces", state="a" * 64))
    own = client.get_run(logged.run_id)
    assert own.info.status == "FINISHED"
    assert own.data.metrics == flow.data.metrics and len(own.data.metrics) > 20
    assert {"audit/attacks", "cost/share_of_retraining"} < own.data.metrics.keys()
    assert own.data.params.items() - flow.data.params.items() == {("runtime.device", "cpu"), ("runtime.precision", "fp32")}
    ours, theirs = children(tracked_project, own), children(tracked_project, flow)
    assert set(ours) == {"original", "unlearned", "retrained"}
    for name, run in ours.items():
        curves = {key for key in theirs[name].data.metrics if key.startswith("train/")} if name != "unlearned" else set()
        time = {"cost/seconds", "cost/share_of_retraining"} if name == "original" else set()
        assert run.data.metrics.items() <= theirs[name].data.metrics.items()
        assert theirs[name].data.metrics.keys() - run.data.metrics.keys() == curves | time, name
    assert flow.data.tags.keys() - own.data.tags.keys() == {"git_changes"} & flow.data.tags.keys()


def test_a_version_has_what_a_flows_version_has(tracked_project: Path) -> None:
    given = of_the_flow(tracked_project)
    logged = log_unlearned(**given, experiment="notebook", registered_model="notebook", root=tracked_project)
    client = store.client(tracked_project)
    flow, own = (client.get_model_version_by_alias(name, "candidate") for name in ("aru-faces", "notebook"))
    assert str(own.version) == logged.version == "1"
    assert flow.tags.keys() - own.tags.keys() == OF_THE_FILES and own.tags.keys() <= flow.tags.keys()
    assert own.tags["nomus"] == flow.tags["nomus"]
    assert own.tags["weights_md5"] == weights_md5(given["result"].model)
    assert client.get_run(logged.run_id).data.tags["alias"] == "candidate"
    again = log_unlearned(**given, experiment="notebook", registered_model="notebook", root=tracked_project)
    assert again.version == "1" and again.run_id != logged.run_id, "the same weights are one version"
    held = replace(given["verdict"], record=dict(given["verdict"].record) | tracked.audit("fail") | {"made_from": {}})
    log_unlearned(**given | {"verdict": held}, experiment="notebook", registered_model="notebook", root=tracked_project)
    assert str(client.get_model_version_by_alias("notebook", "challenger").version) == "1"


def test_networks_of_others_are_refused_before_anything_is_written(tracked_project: Path, tmp_path: Path) -> None:
    given = of_the_flow(tracked_project)
    result, verdict = given["result"], given["verdict"]
    other = {"made_from": {"audited model, MD5": "0" * 32}}
    faults = {
        "figures= and this result differ in the unlearned": {"result": replace(result, model=small_net())},
        "the verdict and this result differ in the unlearned": {"verdict": AuditVerdict({**verdict.record, **other})},
        "is empty or has one of": {"experiment": "a/b"},
        "the name ' ' is empty": {"registered_model": " "},
    }
    for message, fault in faults.items():
        with pytest.raises(InputError, match=message):
            log_unlearned(**{**given, "experiment": "notebook", "root": tmp_path / "new", **fault})
    assert not (tmp_path / "new").exists()


class Branching(nn.Module):
    """What it does depends on the values that it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = small_net()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.inner(images) if images.sum() > 1 else self.inner(images) + 1


@pytest.fixture(scope="module")
def sets() -> dict:
    return {
        "forget": photos(12, 1, shape=(3, 12, 20)),
        "retain": photos(12, 2, shape=(3, 12, 20)),
        "test": photos(12, 3, shape=(3, 12, 20)),
        "unseen": photos(12, 4, shape=(3, 12, 20)),
    }


def unlearned(model: nn.Module, sets: dict, **options) -> dict:
    """A whole unlearning of somebody's own network: rectangular images, normalised before the network."""
    data = {"preprocessing": {"mean": [0.5] * 3, "std": [0.25] * 3}, "precision": "fp32"}
    result = aru.unlearn(
        model, forget=sets["forget"], retain=sets["retain"], **data, **{"method": "finetune", "epochs": 1, **options}
    )
    people = {"people": [f"Ada Example {row // 3}" for row in range(12)], "resamples": 20}
    return {
        "result": result,
        "figures": aru.evaluate(result.model, original=model, **sets, **data, **people),
        "verdict": aru.audit(result.model, original=model, **sets, **data, **people),
    }


def test_ones_own_network_comes_back_from_the_registry_and_names_nobody(sets: dict, empty_store: Path, tmp_path: Path) -> None:
    model, root = small_net(), tmp_path / "own"
    shutil.copytree(empty_store / "mlruns", root / "mlruns")
    given = unlearned(model.half(), sets)
    assert given["verdict"].record["details"]["people"]["most_exposed"][0]["id"].startswith("Ada Example")
    logged = log_unlearned(**given, experiment="clinic", registered_model="clinic", root=root)
    client = store.client(root)
    stored = mlflow.pyfunc.load_model(client.get_model_version_download_uri("clinic", logged.version))
    images = torch.stack([image for image, _ in sets["test"]])
    with torch.no_grad():
        expected = given["result"].model.float()((images - 0.5) / 0.25)
    assert np.allclose(stored.predict(images.numpy()), expected, atol=1e-4)
    assert same_weights(registry.load_registered(root, "clinic", logged.version, network=small_net()), given["result"].model)
    location = path_of(client.get_model_version_download_uri("clinic", logged.version))
    assert not np.array(stored.metadata.load_input_example(str(location))).any()
    files = {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert len(files) > 8 and not [path for path, content in files.items() if b"Ada Example" in content]
    run = client.get_run(logged.run_id)
    assert run.data.params["unlearn.epochs"] == "1"
    assert run.data.tags["method"] == "finetune" and run.data.metrics["cost/seconds"] > 0


def test_a_network_that_cannot_be_exported_is_refused_and_its_run_can_still_be_written(
    sets: dict, empty_store: Path, tmp_path: Path
) -> None:
    given = unlearned(Branching(), sets)
    with pytest.raises(InputError, match=r"Branching cannot be exported by torch\.export .*leave registered_model= out"):
        log_unlearned(**given, experiment="clinic", registered_model="clinic", root=tmp_path / "new")
    assert not (tmp_path / "new").exists()
    shutil.copytree(empty_store / "mlruns", tmp_path / "new" / "mlruns")
    logged = log_unlearned(**given, experiment="clinic", root=tmp_path / "new")
    assert logged.version is None and registry.names(tmp_path / "new") == []
