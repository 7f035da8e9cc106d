"""The contracts between the flow, DVC and Prefect, each on a project that the flow has run through once."""

import os
import re
import shutil
from pathlib import Path

import pytest
import torch

from aru.core.config import load_config
from aru.core.errors import InputError
from aru.core.files import save_tensors
from aru.core.folders import STAGES as ALL_STAGES
from flows.pipeline.state import states
from flows.project import params, versioning
from flows.project.plan import absent_data
from tests.helpers.flow_fixtures import STAGES, computed, run_flow
from tests.helpers.project import change_param, commit_all, outputs, run_stage, shell

NOISE, MASK = "work/faces/noise/noise.safetensors", "work/faces/mask/mask.safetensors"


def without_report(digests: dict[str, str]) -> dict[str, str]:
    """What does not depend on the costs."""
    return {path: digest for path, digest in digests.items() if "/report/" not in path}


def test_after_a_flow_dvc_is_clean_repro_runs_nothing_and_a_second_flow_is_all_hits(project: Path) -> None:
    assert versioning.status(project) == {}
    said = shell(project, "dvc", "repro")
    assert "Running stage" not in said
    assert "up to date" in said
    assert set(run_flow(project).values()) == {"prefect"}


def test_flow_after_dvc_repro_is_all_hits(project: Path) -> None:
    change_param(project, "steps: 10", "steps: 12")
    shell(project, "dvc", "repro")
    costs = (project / "work/faces/noise/cost.json").read_text()
    sources = run_flow(project)
    assert computed(sources) == set()
    assert sources["attack"] == "dvc.lock"
    assert (project / "work/faces/noise/cost.json").read_text() == costs, "the newer run's files stay"
    assert versioning.status(project) == {}


def test_flow_after_forced_dvc_repro_keeps_its_bytes(project: Path) -> None:
    shell(project, "dvc", "repro", "--force", "--single-item", "train@faces")
    costs = (project / "work/faces/original/cost.json").read_text()
    assert computed(run_flow(project)) == {"report"}, "only the report reads the costs"
    assert (project / "work/faces/original/cost.json").read_text() == costs


@pytest.mark.parametrize("command, source", [(["dvc", "pull"], "dvc.lock"), (["dvc", "fetch"], "restored")])
def test_fresh_clone_is_all_hits(project: Path, tmp_path: Path, command: list[str], source: str) -> None:
    store = ("dvc", "remote", "add", "--local", "store", str(tmp_path / "remote"))
    shell(project, *store)
    commit_all(project)
    shell(project, "dvc", "push", "-q")
    clone = clone_of(project, tmp_path)
    shell(clone, *store)
    shell(clone, *command)
    if source == "restored":
        shell(clone, "dvc", "checkout", "data.dvc")
    assert set(run_flow(clone).values()) == {source}
    assert outputs(clone) == outputs(project)
    assert versioning.status(clone) == {}


def clone_of(project: Path, folder: Path) -> Path:
    shell(folder, "git", "clone", "-q", str(project), str(folder / "clone"))
    return folder / "clone"


def files_of(project: Path) -> list[Path]:
    """Everything in the project but DVC's own working state."""
    return sorted(path for path in project.rglob("*") if project / ".dvc" not in path.parents)


def with_private_archive(project: Path) -> None:
    """A second benchmark on an archive of its own, tracked and active, as an import leaves it."""
    versioning.track(project, "data/mufac.zip")
    change_param(project, "  faces: data/faces.zip", "  faces: data/faces.zip\n  mufac: data/mufac.zip")
    commit_all(project)


def test_nothing_is_pushed_anywhere_until_the_store_has_a_place(project: Path, tmp_path: Path) -> None:
    with_private_archive(project)
    run_flow(project, "mufac")
    before = files_of(project)
    for targets in ([], ["data/mufac.zip.dvc"]):
        with pytest.raises(AssertionError, match="store-has-no-place-yet"):
            shell(project, "dvc", "push", *targets)
        shell(project, "dvc", "push", "--remote", "embedded", *targets)
    assert files_of(project) == before
    (known,) = [path for path in (project / "data-remote").rglob("*") if path.is_file()]
    assert known.read_text() == "the archive of faces"
    shell(project, "dvc", "remote", "add", "--local", "store", str(tmp_path / "mine"))
    shell(project, "dvc", "push")
    pushed = [path.read_text() for path in (tmp_path / "mine").rglob("*") if path.is_file()]
    assert "the archive of mufac" in pushed and (project / NOISE.replace("faces", "mufac")).read_text() in pushed
    assert "the archive of faces" not in pushed, "it has its own"
    assert files_of(project) == before


def test_clone_without_a_private_archive_runs_the_embedded_one(project: Path, tmp_path: Path) -> None:
    with_private_archive(project)
    clone = clone_of(project, tmp_path)
    shell(clone, "dvc", "pull", "data.dvc")
    assert computed(run_flow(clone)) == set(STAGES)
    assert without_report(outputs(clone)) == without_report(outputs(project))
    absent = absent_data(clone)
    assert absent.keys() == {"mufac"} and "data/mufac.zip does not exist: `dvc pull data/mufac.zip.dvc`" in absent["mufac"]
    with pytest.raises(InputError, match=r"^data/mufac\.zip does not exist: `dvc pull data/mufac\.zip\.dvc`"):
        run_flow(clone, "mufac")


@pytest.mark.parametrize(
    "change, expected",
    [
        (("params", "steps: 10", "steps: 11"), {"attack", "mask", "finetune", "evaluate", "audit", "report"}),
        (("params", "resamples: 1000", "resamples: 500"), {"evaluate", "audit", "report"}),
        (("code", "aru/stages/retrain.py"), {"retrain", "evaluate", "audit", "report"}),
        (("code", "aru/core/progress.py"), set(STAGES)),
        (("input", "data/faces.zip"), set(STAGES)),
    ],
    ids=("attack", "evaluation", "one stage", "all stages", "archive"),
)
def test_a_change_runs_what_depends_on_it_and_nothing_else(project: Path, change: tuple[str, ...], expected: set[str]) -> None:
    if change[0] == "params":
        change_param(project, change[1], change[2])
    else:
        append(project / change[1], "\nX = 1\n")
    assert computed(run_flow(project)) == expected
    assert versioning.status(project).keys() <= {"data.dvc"}, "a change of the data is the user's to record"


def test_changes_on_which_no_stage_depends_run_nothing(project: Path) -> None:
    append(project / "aru/core/progress.py", "\n# a comment\n")
    append(project / "aru/methods/scrub.py", "\nX = 1\n")
    append(project / "data/mufac.zip", "\nX = 1\n")
    assert computed(run_flow(project)) == set()
    assert versioning.status(project).keys() <= {"data.dvc"}, "a change of the data is the user's to record"


def append(path: Path, text: str) -> None:
    with open(path, "a") as file:
        file.write(text)


def run_by_repro(root: Path, *targets: str) -> set[str]:
    """The stages that a plain `dvc repro` runs."""
    return set(re.findall(r"Running stage '(.+?)'", shell(root, "dvc", "repro", *targets)))


def test_dvc_repro_sees_a_change_of_code_and_runs_what_imports_it(project: Path) -> None:
    append(project / "aru/stages/retrain.py", "\nX = 1\n")
    after = {f"{stage}@faces" for stage in ("retrain", "evaluate", "audit", "report")}
    assert run_by_repro(project) == {"code", *after}
    assert versioning.status(project) == {}
    assert computed(run_flow(project)) == set()
    append(project / "aru/stages/retrain.py", "\n# a comment\n")
    assert run_by_repro(project) == {"code"}
    assert computed(run_flow(project)) == set()
    append(project / "aru/stages/attack.py", "\nX = 1\n")
    assert run_by_repro(project, "attack@faces") == {"code", "attack@faces"}, "the record of the code is upstream"


def test_lost_records_of_the_code_are_written_again(project: Path) -> None:
    before = {path.name: path.read_bytes() for path in (project / "work/code").glob("*.json")}
    assert before.keys() == {f"{stage}.json" for stage in ALL_STAGES}
    shutil.rmtree(project / "work/code")
    assert set(run_flow(project).values()) == {"prefect"}
    assert {path.name: path.read_bytes() for path in (project / "work/code").glob("*.json")} == before
    assert versioning.status(project) == {}


def test_status_names_the_changed_file_and_writes_nothing(project: Path) -> None:
    append(project / "aru/stages/retrain.py", "\nX = 1\n")
    before = files_with_times(project)
    found = {item.name: (item.state, item.because) for item in states(project, "faces")}
    assert found["retrain"] == ("stale", ("aru/stages/retrain.py",))
    assert found["train"] == ("cached", ()) and found["evaluate"] == ("waits", ("for retrain",))
    assert files_with_times(project) == before


def files_with_times(project: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in files_of(project)}


def test_parameters_set_back_are_not_computed_again(project: Path) -> None:
    before = outputs(project)
    change_param(project, "steps: 10", "steps: 11")
    run_flow(project)
    assert outputs(project) != before
    change_param(project, "steps: 11", "steps: 10")
    sources = run_flow(project)
    assert computed(sources) == set()
    assert sources["attack"] == "restored"
    assert outputs(project) == before
    assert versioning.status(project) == {}


def test_another_method_has_a_stage_of_its_own_and_back_again_nothing_is_computed(project: Path) -> None:
    before = outputs(project)
    params.edit(project / "params.yaml", "faces", [("method", "scrub"), ("unlearn.scrub.epochs", 1)])
    assert computed(run_flow(project)) == {"unlearn", "evaluate", "audit", "report"}
    assert versioning.status(project) == {} and run_by_repro(project) == set()
    by_scrub = outputs(project)
    assert computed(run_flow(project)) == set()
    params.edit(project / "params.yaml", "faces", [("method", "aru")])
    assert computed(run_flow(project)) == {"report"}, "the settings of scrub stay in params.yaml, on all of which it depends"
    assert without_report(outputs(project)) == without_report(before)
    assert versioning.status(project) == {} and run_by_repro(project) == set()
    params.edit(project / "params.yaml", "faces", [("method", "scrub")])
    assert computed(run_flow(project)) == set() and outputs(project) == by_scrub
    params.edit(project / "params.yaml", "faces", [("unlearn.ssd.alpha", 5)])
    assert computed(run_flow(project)) == {"report"}, "it shows all parameters; a method depends on its own alone"


def test_a_file_edited_by_hand_is_refused_by_stages_and_brought_up_to_date_by_the_flow(project: Path) -> None:
    change_param(project, "method: aru", "method: ssd")
    with pytest.raises(InputError, match=r"lists under 'methods'.*`aru status` brings them up to date"):
        load_config(project / "params.yaml", "faces")
    assert "unlearn" in computed(run_flow(project))
    assert load_config(project / "params.yaml", "faces").method == "ssd"
    assert versioning.status(project) == {}


def damage_in_place(path: Path) -> None:
    """Other bytes of the same length at the same time: what DVC's own look at times does not notice."""
    status = path.stat()
    path.write_bytes(path.read_bytes()[::-1])
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_harmed_outputs_come_back_from_the_cache(project: Path) -> None:
    before, work = outputs(project), project / "work/faces"
    (project / NOISE).unlink()
    damage_in_place(project / MASK)
    shutil.rmtree(work / "unlearned")
    (work / "report/figures/figure.png").unlink()
    (work / "report/figures/stray.png").write_text("not ours")
    sources = run_flow(project)
    assert computed(sources) == set()
    assert {stage for stage, source in sources.items() if source == "restored"} == {"attack", "mask", "finetune", "report"}
    assert outputs(project) == before


def test_outputs_harmed_with_their_cached_copies_are_computed_again(project: Path) -> None:
    before, locked = outputs(project), versioning.locked(project)
    for stage, path, harm in (("attack", NOISE, Path.unlink), ("mask", MASK, lambda copy: copy.write_text("decayed"))):
        digest = locked[f"{stage}@faces"].outs[path]
        copy = project / ".dvc/cache/files/md5" / digest[:2] / digest[2:]
        copy.chmod(0o644)
        harm(copy)
        (project / path).unlink()
    assert computed(run_flow(project)) == {"attack", "mask"}, "the model keeps the costs of its making"
    assert without_report(outputs(project)) == without_report(before)
    assert versioning.status(project) == {}
    for path in (NOISE, MASK):
        (project / path).unlink()
    sources = run_flow(project)
    assert sources["attack"] == sources["mask"] == "restored", "the cache has good bytes again"


def test_two_benchmarks_side_by_side(project: Path) -> None:
    before, faces = outputs(project), versioning.locked(project)
    change_param(project, "  faces: data/faces.zip", "  faces: data/faces.zip\n  mufac: data/mufac.zip")
    assert computed(run_flow(project, "mufac")) == set(STAGES)
    assert outputs(project) == before
    assert {address: entry for address, entry in versioning.locked(project).items() if address in faces} == faces
    assert versioning.status(project) == {}
    assert set(run_flow(project).values()) == {"prefect"}


def test_new_request_leaves_the_original(project: Path) -> None:
    def prepares_the_same_training_rows(stage: str, benchmark: str, root: Path, progress) -> None:
        run_stage(stage, benchmark, root, progress)
        if stage == "prepare":
            for name in ("training.csv", "images.npy", "labels.json"):
                (root / "work/faces/prepared" / name).write_bytes(before[name])

    before = {path.name: path.read_bytes() for path in (project / "work/faces/prepared").iterdir() if path.is_file()}
    change_param(project, "rows: 420", "rows: 400")
    assert computed(run_flow(project, stage=prepares_the_same_training_rows)) == {*STAGES} - {"train"}
    assert versioning.status(project) == {}


def test_original_that_a_user_brought_is_never_replaced_unasked(project: Path) -> None:
    weights = project / "work/faces/original/model.safetensors"
    save_tensors(weights, {"weight": torch.zeros(3)}, {"name": "resnet18"})
    supplied = weights.read_bytes()
    with pytest.raises(
        InputError, match="model.safetensors was supplied by you.*`aru model import FILE --arch NAME --benchmark faces`"
    ):
        run_flow(project)  # dvc.lock has another: nothing is restored over it
    shell(project, "dvc", "commit", "-f", "train@faces")
    assert computed(run_flow(project)) == {"attack", "mask", "finetune", "evaluate", "audit", "report"}
    change_param(project, "epochs: 7", "epochs: 8")
    with pytest.raises(InputError, match=r"was supplied by you.*\(faces\.train\.epochs changed since it was recorded\)"):
        run_flow(project, stage=lambda stage, *rest: pytest.fail(f"{stage} was started"))
    change_param(project, "epochs: 8", "epochs: 7")
    change_param(project, "steps: 10", "steps: 11")
    assert "train" not in computed(run_flow(project))
    assert weights.read_bytes() == supplied
    weights.unlink()
    assert run_flow(project)["train"] == "restored" and weights.read_bytes() == supplied
    weights.unlink()
    assert "train" in computed(run_flow(project, refresh=("train",))) and weights.read_bytes() != supplied


def test_refresh_computes_again_and_keeps_the_rest(project: Path) -> None:
    before = outputs(project)
    assert computed(run_flow(project, refresh=("mask",))) == {"mask"}, "the model keeps the costs of its making"
    assert outputs(project) == before
    assert versioning.status(project) == {}


def test_moved_project_is_still_cached(project: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(project, moved)
    run_flow(moved)  # records of Prefect's that name the copy's place
    again = tmp_path / "again"
    shutil.move(moved, again)
    assert computed(run_flow(again)) == set()


def test_unreadable_record_of_prefect_is_replaced(project: Path) -> None:
    for record in (project / ".prefect" / "results").iterdir():
        record.write_bytes(record.read_bytes()[:40])
    assert set(run_flow(project).values()) == {"dvc.lock"}
    assert set(run_flow(project).values()) == {"prefect"}
