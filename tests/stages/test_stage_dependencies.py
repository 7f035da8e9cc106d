"""dvc.yaml names for each stage just the code that it imports: no more (needless work), no less (stale results)."""

from pathlib import Path

import pytest
import yaml

from aru.core.source_code import closure
from aru.stages.runner import FOLDERS, STAGES
from flows.project.versioning import STORE
from tests.helpers.project import declared_outs

ROOT = Path(__file__).resolve().parents[2]
DECLARED = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]


def test_dvc_declares_all_stages():
    assert tuple(DECLARED) == STAGES


@pytest.mark.parametrize("stage", STAGES)
def test_code_dependencies_are_the_imports(stage):
    declared = {dep for dep in DECLARED[stage]["do"]["deps"] if dep.startswith("aru/")}
    needed = closure(f"aru.stages.{stage}", ROOT)
    assert declared == needed, f"dvc.yaml, stage {stage}: add {sorted(needed - declared)}, drop {sorted(declared - needed)}"


@pytest.mark.parametrize("stage", STAGES)
def test_outputs_lie_in_the_stages_folder(stage):
    assert all(out.startswith(f"work/${{key}}/{FOLDERS[stage]}/") for out in declared_outs(DECLARED[stage]["do"]))


@pytest.mark.parametrize("stage", STAGES)
def test_outputs_go_to_the_remote_that_the_owner_names_alone(stage):
    assert all(options["remote"] == STORE for out in DECLARED[stage]["do"]["outs"] for options in out.values())


def test_dvc_leaves_models_in_place_for_the_stages_to_judge():
    persistent = {
        stage
        for stage in STAGES
        for out in DECLARED[stage]["do"]["outs"]
        for options in out.values()
        if options.get("persist")
    }
    assert persistent == {"train", "finetune", "retrain"}
    assert all(
        options.get("persist") for stage in persistent for out in DECLARED[stage]["do"]["outs"] for options in out.values()
    ), "history and costs go with the weights"


def test_the_original_does_not_depend_on_who_is_to_be_forgotten():
    assert "work/${key}/prepared/training.csv" in DECLARED["train"]["do"]["deps"]
    assert "work/${key}/prepared/manifest.csv" not in DECLARED["train"]["do"]["deps"]
    assert not any("forget" in name or name.endswith(".data") for name in DECLARED["train"]["do"]["params"])


def test_the_import_walk_sees_what_is_there():
    found = closure("aru.stages.attack", ROOT)
    assert {"aru/methods/aru/attack.py", "aru/stages/attack.py", "aru/train/losses.py", "aru/core/files.py"} <= found
    assert not {name for name in found if name.startswith("aru/reporting/")} and "aru/methods/aru/resetting.py" not in found
