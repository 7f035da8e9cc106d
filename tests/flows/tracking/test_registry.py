"""Registered models: loadable, equal to the weights on disk, trainable again, and never empty or twice."""

import json
from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch
from torch import nn

from aru.core.errors import InputError
from aru.core.files import file_md5
from aru.nets.models import build, load_model, save_model
from flows.tracking import main_runs as tracking
from flows.tracking import registry, runs, store
from tests.helpers import tracked
from tests.helpers.stores import path_of
from tests.helpers.tracked import begin, track

pytest_plugins = ["tests.helpers.tracking_fixtures"]
NAME = "aru-faces"


def images(count: int = 5) -> torch.Tensor:
    return torch.rand(count, 3, tracked.SIDE, tracked.SIDE, generator=torch.Generator().manual_seed(1))


def answers(model: nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return model(images())


def own_model(root: Path) -> nn.Module:
    return load_model(root / "work" / "faces" / "unlearned" / "model.safetensors")


def shown_aliases(root: Path) -> dict[str, str]:
    """{state: what the runs table shows as alias} of the flows that show one."""
    experiment = store.find_experiment(root, "faces").experiment_id
    return {
        run.data.tags["state"]: run.data.tags["alias"]
        for run in runs.flows(store.client(root), experiment)
        if "alias" in run.data.tags
    }


def test_version_has_alias_tags_and_the_way_back(tracked_once: Path) -> None:
    client = store.client(tracked_once)
    version = client.get_model_version_by_alias(NAME, "candidate")
    run = client.get_run(version.run_id)
    assert str(version.version) == "1"
    assert version.tags["weights_md5"] == file_md5(tracked_once / "work" / "faces" / "unlearned" / "model.safetensors")
    assert version.tags["git_commit"] == run.data.tags["git_commit"]
    assert version.tags["nomus"] == f"{run.data.metrics['nomus']:.4f}"
    digests = {item.dataset.name: item.dataset.digest for item in run.inputs.dataset_inputs}
    for name in ("archive", "manifest", "forget", "retain"):
        assert version.tags[f"{name}_md5"] == digests[name]
    assert "What is not claimed" in version.description
    assert "unlearned" in client.get_registered_model(NAME).description


def test_loaded_model_gives_the_same_logits_and_can_be_trained(tracked_once: Path) -> None:
    model = registry.load_registered(tracked_once, NAME)
    assert torch.equal(answers(model), answers(own_model(tracked_once)))
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model(images()).square().sum().backward()
    optimizer.step()
    assert not torch.equal(answers(model.eval()), answers(own_model(tracked_once)))


def test_mlflows_own_way_of_loading_gives_the_same_logits(tracked_once: Path) -> None:
    client = store.client(tracked_once)
    model = mlflow.pyfunc.load_model(client.get_model_version_download_uri(NAME, "1"))
    assert np.allclose(model.predict(images(3).numpy()), answers(own_model(tracked_once))[:3], atol=1e-4)
    assert model.metadata.signature.inputs.inputs[0].shape == (-1, 3, tracked.SIDE, tracked.SIDE)
    assert model.metadata.signature.outputs.inputs[0].shape == (-1, tracked.OUTPUTS)


def test_input_example_shows_nobody(tracked_once: Path) -> None:
    folder = path_of(store.client(tracked_once).get_model_version_download_uri(NAME, "1"))
    stored = [
        json.loads((folder / "input_example.json").read_text()),
        json.loads((folder / "serving_input_example.json").read_text())["inputs"],
    ]
    for example in map(np.array, stored):
        assert example.shape == (2, 3, tracked.SIDE, tracked.SIDE) and not example.any()


def test_new_weights_are_a_new_version_and_the_alias_moves_both_ways(tracked_project: Path) -> None:
    weights = tracked_project / "work" / "faces" / "unlearned" / "model.safetensors"
    before = weights.read_bytes()
    save_model(
        weights,
        build(tracked.MODEL, tracked.OUTPUTS, seed=99),
        name=tracked.MODEL,
        outputs=tracked.OUTPUTS,
        resolution=tracked.SIDE,
    )
    track(tracked_project, state="1" * 64)
    client = store.client(tracked_project)
    assert str(client.get_model_version_by_alias(NAME, "candidate").version) == "2"
    assert shown_aliases(tracked_project) == {"1" * 64: "candidate"}
    assert not torch.equal(
        answers(registry.load_registered(tracked_project, NAME, "1")),
        answers(registry.load_registered(tracked_project, NAME, "2")),
    )
    weights.write_bytes(before)
    track(tracked_project, state="2" * 64)
    assert str(client.get_model_version_by_alias(NAME, "candidate").version) == "1"
    assert shown_aliases(tracked_project) == {"a" * 64: "candidate", "2" * 64: "candidate"}, "both runs made version 1"
    assert len(client.search_model_versions(f"name = '{NAME}'")) == 2


@pytest.mark.parametrize("fault", ["answers differently", "is not stored"])
def test_a_model_that_does_not_load_is_not_registered(
    tracked_project: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    client = store.client(tracked_project)
    tracking.ensure_store(tracked_project)
    client.delete_model_version(NAME, "1")
    run_id = begin(tracked_project)
    if fault == "is not stored":
        monkeypatch.setattr(mlflow.pytorch, "save_model", lambda *arguments, **options: None)
    else:
        monkeypatch.setattr(mlflow.pytorch, "load_model", lambda folder: lambda batch: torch.ones(len(batch), 8))
    with pytest.raises((RuntimeError, OSError, ValueError, mlflow.exceptions.MlflowException)):
        tracking.register(
            tracked_project,
            run_id,
            benchmark="faces",
            work=tracked_project / "work" / "faces",
            metrics=tracked.metrics(),
            config=tracked.config(),
            audit=tracked.audit(),
        )
    assert client.search_model_versions(f"name = '{NAME}'") == []
    experiment = client.get_run(run_id).info.experiment_id
    newest = client.search_logged_models([experiment], order_by=[{"field_name": "creation_timestamp", "ascending": False}])[0]
    assert newest.status == "FAILED"
    assert not mlflow.is_tracking_uri_set()


def test_a_version_that_was_deleted_is_not_taken_for_registered(tracked_project: Path) -> None:
    tracking.ensure_store(tracked_project)
    run_id = tracking.find_run(tracked_project, benchmark="faces", state="a" * 64)
    store.client(tracked_project).delete_model_version(NAME, "1")
    assert tracking.registered(tracked_project, run_id) is None


@pytest.mark.parametrize("name, which", [("aru-nobody", "candidate"), (NAME, "production"), (NAME, "7")])
def test_unknown_model_version_or_alias_is_named(tracked_once: Path, name: str, which: str) -> None:
    with pytest.raises(InputError, match=which):
        registry.load_registered(tracked_once, name, which)
