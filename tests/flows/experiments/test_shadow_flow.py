"""The flow that builds a pool, and `aru shadows status`."""

import shutil
from pathlib import Path

from aru.shadows.build import PoolRequest
from tests.helpers.shadow_pools import contents, plan

pytest_plugins = ["tests.helpers.shadow_fixtures"]


def test_the_flow_builds_and_tops_up_and_its_status_is_shown(prepared, tmp_path, monkeypatch, capfd, prefect_server):
    from flows.cli.app import app
    from flows.experiments import shadows

    root = Path(shutil.copytree(prepared, tmp_path / "project"))
    (root / "dvc.yaml").touch()
    monkeypatch.setattr(shadows, "prepare_flow", lambda benchmark, root, board: None)  # the images are there
    done = shadows.build_pool("small", PoolRequest(2, unlearn="ssd"), root=root, drop_weights=True)
    assert done == shadows.Pool(trained=2, unlearned=1, cached=0, left=0)
    assert "2 shadow models, 2 to train: about" in capfd.readouterr().err
    assert {tuple(contents(root, shadow)) for shadow in plan(root, 2)} == {("logits.safetensors",)}
    done = shadows.build_pool(
        "small", PoolRequest(4, unlearn="ssd", restore_weights=True), root=root, budget_seconds=0, quiet=True
    )
    assert done == shadows.Pool(trained=0, unlearned=0, cached=0, left=4)
    monkeypatch.chdir(root)
    monkeypatch.setattr("flows.project.environment.prepare_environment", lambda root: None)
    app(["shadows", "status", "--benchmark", "small"], standalone_mode=False)
    assert capfd.readouterr().out.count("weights dropped") == 2
