"""The command `aru` without a flow: what it refuses, what it edits, what it shows."""

import errno
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from aru.core.errors import InputError, TrainingError
from aru.data.manifest import write_manifest
from aru.data.prepare import build_manifest, read_rows
from aru.data.suppression.keyed_hashes import KEY_FILE, new_keys, write_keys
from aru.data.suppression.suppression_list import SuppressionList, subject_entry, write_list
from flows.cli import app, run
from flows.cli.options import expand_lists
from flows.project import params, versioning
from tests.helpers.archives import mucac_folder, mufac_archive, mufac_members, write_zip
from tests.helpers.command_line import Call, caller
from tests.helpers.project import CHECKOUT, change_param, shell


@pytest.fixture
def call(project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture) -> Call:
    """Call `aru` in a copy of a finished project; returns exit code, stdout and stderr."""
    monkeypatch.chdir(project)
    return caller(capfd)


REFUSED = {
    "unknown parameter": (["run", "--set", "attack.stepps=3"], "did you mean 'attack.steps'"),
    "ratio over one": (["run", "--set", "mask.ratio=1.5"], "mask.ratio = 1.5"),
    "negative eps": (["run", "--set", "attack.eps=-1"], "attack.eps = -1"),
    "no value": (["run", "--set", "attack.steps"], "has no '='"),
    "unknown benchmark": (["run", "--benchmark", "facs"], "did you mean 'faces'"),
    "unknown preset": (["run", "--preset", "papr"], "the presets are paper, vitmul"),
    "unknown stage": (["run", "--refresh", "trian"], "unknown stage 'trian'"),
    "unknown method": (["run", "--method", "scrubb"], "unknown method 'scrubb'; did you mean 'scrub'"),
    "a control": (["run", "--method", "nothing"], "it is a control, for comparisons"),
    "unknown setting": (
        ["run", "--method", "scrub", "--set", "unlearn.scrub.epoch=1"],
        "unknown parameter 'epoch'; did you mean 'epochs'",
    ),
    "bad setting": (["run", "--method", "scrub", "--set", "unlearn.scrub.lr=-1"], "scrub: lr = -1"),
    "another's preset": (
        ["run", "--method", "scrub", "--preset", "best"],
        "scrub has no preset 'best'",
    ),
    "another's stage": (
        ["run", "--method", "scrub", "--refresh", "attack"],
        "unknown stage 'attack' to refresh",
    ),
    "missing file": (["run", "--params", "none.yaml"], "none.yaml does not exist"),
    "missing archive": (["data", "import", "mufac", "none.zip"], "none.zip"),
    "unknown layout": (["data", "import", "celeba", "none.zip"], "'celeba'"),
    "one good and one bad": (["run", "--set", "attack.steps=3", "mask.ratio=7"], "mask.ratio = 7"),
}


@pytest.mark.parametrize("arguments, message", REFUSED.values(), ids=REFUSED.keys())
def test_bad_requests_are_refused_before_anything_changes(call, project, arguments, message):
    before = (project / "params.yaml").read_text()
    code, _, error = call(*arguments)
    assert code == 2 and message in error and "Traceback" not in error
    assert (project / "params.yaml").read_text() == before


@pytest.fixture
def small(project: Path) -> Path:
    """The project with an archive that can be read: three of F0003/D's four photos are F0001/D's."""
    members = mufac_members()
    train = [name for name in members if name.startswith("train_images")]
    for photo in range(3):
        members[train[16 + photo]] = members[train[photo]]
    write_zip(project / "data" / "faces.zip", members)
    params.edit(project / "params.yaml", "faces", [("data.forget.rows", 8)])
    return project


UNFIT = {
    "more rows than there are": (["data.forget.rows=99999"], "data.forget.rows is 99999 of 40 training rows"),
    "an unknown subject": (["data.forget.subjects=[F0003/d]"], "unknown subject 'F0003/d' (did you mean 'F0003/D'?)"),
    "nobody to forget": (["data.forget.subjects=[F0001/M, F0008/M]"], "no training photo of 'F0008/M'"),
    "people who come along": (["data.forget.subjects=[F0003/D]"], "does not name (photos): F0001/D (4). Say --yes"),
    "an unknown different person": (["data.merge.different=[[F0001/D, F0777/D]]"], "unknown person 'F0777/D'"),
    "an unknown network": (["model.name=resnet19"], "unknown model 'resnet19'"),
    "patches that do not tile": (["model.name=vit_tiny", "data.resolution=50"], "cannot be built for 50 px images"),
    "a device that is not here": (["runtime.device=cuda:9"], "runtime.device is 'cuda:9' but CUDA"),
    "more processes than GPUs": (["runtime.device=cuda", "runtime.processes=99"], "but CUDA"),
}


@pytest.mark.parametrize("settings, message", UNFIT.values(), ids=UNFIT.keys())
def test_settings_are_held_to_data_network_and_device_before_anything_is_written(call, small, monkeypatch, settings, message):
    before = (small / "params.yaml").read_text()
    monkeypatch.setattr("flows.servers.local_servers.flow_api", lambda *given: pytest.fail("a server was started"))
    code, _, error = call("run", "--quiet", "--set", "attack.steps=3", *settings)
    assert code == 2 and message in error and "Traceback" not in error
    assert (small / "params.yaml").read_text() == before


def test_a_preset_that_the_task_has_no_loss_for_is_refused(project):
    before = (project / "params.yaml").read_text()
    with pytest.raises(InputError, match=r"mucac: .*finetune.distillation = 0.5 is not defined for the multi-label task"):
        params.edit(project / "params.yaml", "mucac", params.preset_settings("best", "mucac"))
    assert (project / "params.yaml").read_text() == before


@pytest.mark.parametrize("answer", ["yes", "no", "--yes"])
def test_whom_a_choice_resolved_to_is_said_and_asked_where_a_merge_adds_anybody(call, small, monkeypatch, answer):
    before = (small / "params.yaml").read_text()
    seen = []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: seen.append(question) or answer)
    monkeypatch.setattr(run, "run_main_flow", lambda *given: sys.exit(77))
    code, _, error = call(
        "run", "--quiet", *(["--yes"] if answer == "--yes" else []), "--set", "data.forget.subjects=[F0003/D, F0002/M]"
    )
    assert "forget: 12 images of 9 photos, 2 people, 3 filings" in error
    assert "F0003/D is S00000: 4 photos of F0003/D; the same person, not named in the request: 4 photos of F0001/D\n" in error
    assert "F0002/M is S00003: 4 photos of F0002/M\n" in error
    assert code == (2 if answer == "no" else 77) and len(seen) == (answer != "--yes")
    assert (small / "params.yaml").read_text() == before


def test_a_request_on_the_command_line_is_a_setting_as_any_other(call, small, monkeypatch):
    """Names, lists and paths in one command; whom a merge adds is asked about; nothing names them in the lock."""
    train = [name for name in mufac_members() if name.startswith("train_images")]
    (small / "who.csv").write_text("family,person\nF0002,M\nF0001,M\n")
    (small / "which.txt").write_text(f"{train[-1]}\n")
    seen = []
    monkeypatch.setattr(run, "run_main_flow", lambda *given: seen.append((small / "params.yaml").read_text()) or sys.exit(77))
    lists = ("--forget-people", "who.csv", "--forget-files", "which.txt")
    code, _, error = call("run", "--forget", "F0002/M", "F0003/D", *lists, "--quiet")
    assert code == 2 and "does not name (photos): F0001/D (4). Say --yes" in error and not seen
    assert call("run", "--forget", "F0002/M", "--forget", "F0001/D", "F0003/D", *lists, "--quiet")[0] == 77
    section = yaml.safe_load(seen[0])["faces"]["data"]["forget"]
    assert section == {"subjects": ["F0002/M", "F0001/D", "F0003/D", "F0001/M"], "files": [train[-1]]}
    code, _, error = call("run", "--forget", "F0002/M", "F0777/D", "F0888/D", "--quiet")
    assert code == 2 and "unknown subject 'F0777/D', 'F0888/D'" in error
    code, _, error = call("run", "--forget", "F0002/M", "--set", "data.forget.draw=2", "--quiet")
    assert code == 2 and "subjects and draw are given" in error


def test_a_choice_that_prepare_has_acted_on_is_not_asked_about_again(call, small, monkeypatch):
    params.edit(small / "params.yaml", "faces", [("data.forget.subjects", ["F0003/D"])])
    manifest = build_manifest("mufac", small / "data" / "faces.zip", protocol="official", forget={"subjects": ["F0003/D"]})
    write_manifest(small / "work" / "faces" / "prepared" / "manifest.csv", manifest)
    versioning.commit(small, ["prepare@faces"])
    monkeypatch.setattr(run, "run_main_flow", lambda *given: sys.exit(77))
    monkeypatch.setattr("aru.data.prepare.read_rows", lambda *given, **more: pytest.fail("the archive was looked through"))
    assert call("run", "--quiet")[0] == 77
    code, _, error = call("run", "--quiet", "--set", "data.protocol=clean")
    assert code == 2 and "Say --yes" in error, "other roles are another choice, of people who are known"
    (small / "work" / "faces" / "prepared" / "manifest.csv").unlink()
    with pytest.raises(pytest.fail.Exception, match="looked through"):
        app.main(["run", "--quiet"])


@pytest.mark.parametrize(
    "failure, kept",
    [
        (InputError("unknown"), False),
        (TrainingError("nan"), False),
        (RuntimeError("gone"), False),
        (KeyboardInterrupt(), True),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_run_that_fails_leaves_the_parameters_as_they_were_and_an_interrupted_one_goes_on(
    call, project, monkeypatch, failure, kept
):
    path = project / "params.yaml"
    before = path.read_text()

    def fail(*given):
        assert "steps: 3" in path.read_text()
        raise failure

    monkeypatch.setattr(run, "run_main_flow", fail)
    if isinstance(failure, RuntimeError) and not isinstance(failure, InputError | TrainingError):
        with pytest.raises(RuntimeError, match="gone"):
            app.main(["run", "--set", "attack.steps=3"])
    else:
        code, _, error = call("run", "--set", "attack.steps=3")
        assert code == (130 if kept else 2) and ("again as it was" in error) != kept
    assert (path.read_text() == before) != kept


def test_what_somebody_else_wrote_meanwhile_is_not_taken_back(call, project, monkeypatch):
    path = project / "params.yaml"

    def fail(*given):
        path.write_text(path.read_text() + "# mine\n")
        raise InputError("late")

    monkeypatch.setattr(run, "run_main_flow", fail)
    assert call("run", "--set", "attack.steps=3")[0] == 2
    assert "steps: 3" in path.read_text() and path.read_text().endswith("# mine\n")


def test_one_way_to_say_who_is_forgotten_takes_the_place_of_another(project):
    path = project / "params.yaml"

    def forget(*settings):
        changes = params.edit(path, "faces", [params.parse_setting(text) for text in settings])
        section = yaml.safe_load(path.read_text())["faces"]["data"]["forget"]
        return section, [(change.name.rpartition(".")[2], change.old, change.new) for change in changes]

    assert forget("data.forget.subjects=[F0001/D]") == (
        {"subjects": ["F0001/D"]},
        [("rows", 420, None), ("subjects", None, ["F0001/D"])],
    )
    assert forget("data.forget.draw=3", "data.forget.draw_seed=2")[0] == {"draw": 3, "draw_seed": 2}
    assert forget("data.forget.rows=null")[0]["draw"] == 3, "nothing is put in its place"
    assert forget("data.forget.rows=5")[0]["rows"] == 5
    with pytest.raises(InputError, match="rows and draw are given: name exactly one"):
        forget("data.forget.rows=5", "data.forget.draw=3")


def test_before_the_import_a_benchmark_is_said_to_be_inactive(call, project):
    for command in (("data", "audit"), ("run",), ("status",)):
        code, _, error = call(*command, "--benchmark", "mufac")
        assert code == 2 and "benchmark 'mufac'" in error and "Traceback" not in error
        assert "`aru data import` brings its data in" in error or command == ("status",)


def test_an_import_sets_what_its_archive_needs(call, project, tmp_path):
    path, archive = project / "params.yaml", str(mufac_archive(tmp_path / "a.zip"))
    before = path.read_text()
    code, _, error = call("data", "import", "mufac", archive)
    assert code == 2 and "data.forget.rows is 1500 of 40 training rows" in error and path.read_text() == before
    code, _, error = call("data", "import", "mufac", archive, "--set", "data.forget.rows=8", "model.name=resnet1")
    assert code == 2 and "unknown model 'resnet1'" in error and path.read_text() == before
    code, shown, error = call("data", "import", "mufac", archive, "--set", "data.forget.rows=8", "data.resolution=64")
    content = yaml.safe_load(path.read_text())
    assert code == 0 and "data.forget.rows: 1500 -> 8" in error and "forget: 8 images of 8 photos, 2 people" in error
    assert content["mufac"]["data"]["forget"] == {"rows": 8} and content["mufac"]["data"]["resolution"] == 64
    assert content["benchmarks"]["mufac"] == "data/mufac.zip"


@pytest.mark.parametrize("command", [("run",), ("benchmark",), ("tune",), ("shadows", "build")], ids=" ".join)
def test_without_the_data_it_is_said_before_a_server_starts(call, project, monkeypatch, command):
    (project / "data" / "faces.zip").unlink()
    monkeypatch.setattr("flows.servers.local_servers.flow_api", lambda *given: pytest.fail("started"))
    code, _, error = call(*command)
    assert code == 2 and "data/faces.zip does not exist: `dvc pull data.dvc`" in error


@pytest.mark.parametrize("command", [("run",), ("shadows", "build")], ids=" ".join)
@pytest.mark.parametrize("on_the_way_out", [None, RuntimeError("the server is gone")])
def test_an_interruption_says_how_to_go_on_whatever_comes_up_then(call, project, monkeypatch, command, on_the_way_out):
    def interrupted(*given):
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            if on_the_way_out:
                raise on_the_way_out from None
            raise

    monkeypatch.setattr("flows.servers.local_servers.flow_api", interrupted)
    code, _, error = call(*command)
    assert code == 130 and f"aru {' '.join(command)}" in error and "goes on from there." in error
    assert ("the server is gone" in error) == bool(on_the_way_out)


def test_an_odd_pool_is_refused_before_a_server_starts(call, project, monkeypatch):
    monkeypatch.setattr("flows.servers.local_servers.flow_api", lambda *given: pytest.fail("a server was started"))
    code, _, error = call("shadows", "build", "--models", "3")
    assert code == 2 and "3 shadow models: an even number" in error


@pytest.mark.parametrize(
    "command, message",
    [
        (("benchmark", "--budget", "2d"), "--budget '2d' is not a length of time"),
        (("tune", "--budget", "0s"), "--budget '0s' is 0.0 seconds"),
        (("shadows", "build", "--budget", "90"), "--budget '90' is not a length of time"),
        (("shadows", "build", "--protocol", "clear"), "unknown protocol 'clear'"),
        (("benchmark", "--parameters", "best"), "--parameters 'best': choose default, tuned or capped"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_wrong_option_is_refused_before_a_server_starts(call, project, monkeypatch, command, message):
    monkeypatch.setattr("flows.servers.local_servers.flow_api", lambda *given: pytest.fail("a server was started"))
    code, _, error = call(*command)
    assert code == 2 and message in error


def test_another_error_is_not_taken_for_an_interruption(project, monkeypatch):
    monkeypatch.setattr("flows.servers.local_servers.flow_api", lambda *given: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        app.main(["run"])


def test_outside_a_project_the_command_says_so(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        app.main(["status"])
    assert "no dvc.yaml" in capfd.readouterr().err


def test_editing_keeps_comments_and_tells_old_and_new(project):
    path = project / "params.yaml"
    comments = [line for line in path.read_text().splitlines() if line.startswith("#")]
    changes = params.edit(path, "faces", [params.parse_setting("attack.steps=20"), params.parse_setting("train.lr=0.5")])
    assert [(change.name, change.new) for change in changes] == [("attack.steps", 20), ("train.lr", 0.5)]
    assert [line for line in path.read_text().splitlines() if line.startswith("#")] == comments
    content = yaml.safe_load(path.read_text())
    assert content["faces"]["attack"]["steps"] == 20 and content["mufac"]["attack"]["steps"] == 10


@pytest.mark.parametrize("beside", ["", "  # the embedded one"])
def test_activating_adds_one_line_below_the_last_and_moves_no_comment(tmp_path, beside):
    path = Path(shutil.copy(CHECKOUT / "params.yaml", tmp_path))
    change_param(tmp_path, "  faces: data/faces.zip", f"  faces: data/faces.zip{beside}")
    before = path.read_text().split("\n")
    assert params.activate(path, "mufac", "data/mufac.zip") and params.activate(path, "mucac", "data/mucac.zip")
    place = before.index(f"  faces: data/faces.zip{beside}") + 1
    assert path.read_text().split("\n") == [
        *before[:place],
        "  mufac: data/mufac.zip",
        "  mucac: data/mucac.zip",
        *before[place : before.index("  peers: {}")],
        "    mufac: aru",
        "    mucac: aru",
        *before[before.index("  peers: {}") :],
    ], "the stages of ARU are theirs, too"
    assert not params.activate(path, "mufac", "data/mufac.zip"), "it is there"
    assert params.activate(path, "mufac", "data/other.zip")
    assert path.read_text().split("\n") == [
        *before[:place],
        "  mufac: data/other.zip",
        "  mucac: data/mucac.zip",
        *before[place : before.index("  peers: {}")],
        "    mufac: aru",
        "    mucac: aru",
        *before[before.index("  peers: {}") :],
    ]


def test_a_preset_and_a_file_set_what_they_name(project, tmp_path):
    path, file = project / "params.yaml", tmp_path / "mine.yaml"
    file.write_text("finetune: {epochs: 9}\n")
    params.edit(path, "faces", [*params.preset_settings("vitmul", "faces"), *params.file_settings(file)])
    section = yaml.safe_load(path.read_text())["faces"]
    assert (section["mask"]["unit"], section["attack"]["direction"]) == ("kernel", "min")
    assert section["finetune"]["epochs"] == 9 and section["finetune"]["optimiser"] == "adamw"


def test_status_tells_cached_stale_and_damaged(call, project):
    assert "stale" not in call("status")[1]
    change_param(project, "ratio: 0.5", "ratio: 0.25")
    (project / "work" / "faces" / "retrained" / "model.safetensors").write_text("damaged")
    shown = {line.split("│")[1].strip(): line for line in call("status")[1].splitlines() if line.startswith("│")}
    assert "cached" in shown["train"] and "damaged" in shown["retrain"]
    assert "stale" in shown["mask"] and "mask.ratio" in shown["mask"]


def test_importing_mufac_checks_tracks_and_activates(call, project, tmp_path):
    code, shown, _ = call("data", "import", "mufac", str(mufac_archive(tmp_path / "a.zip", photos=160, side=8)))
    assert code == 0 and "aru run --benchmark mufac" in shown and "tracked by data/mufac.zip.dvc" in shown
    assert yaml.safe_load((project / "params.yaml").read_text())["benchmarks"]["mufac"] == "data/mufac.zip"
    assert (project / "data" / "mufac.zip").read_bytes() == (tmp_path / "a.zip").read_bytes()
    assert "remote: store" in (project / "data" / "mufac.zip.dvc").read_text()
    assert "zip.dvc" not in shell(project, "dvc", "status"), "the archive is tracked as it now is"
    assert " data.dvc" not in shell(project, "git", "status", "--short"), "the embedded one's file is as it was"
    code, listed, _ = call("data", "audit", "--benchmark", "mufac", "--json", "audit.json")
    assert code == 0 and json.loads((project / "audit.json").read_text())["sets"]["forget"]["images"] == 1500
    assert "0 people have several filings." in listed and "0 pairs of people may be one." in listed


def test_importing_mucac_makes_one_archive_of_the_folder(call, project, tmp_path):
    code, _, error = call("data", "import", "mucac", str(mucac_folder(tmp_path / "mucac")))
    assert code == 0, error
    first = (project / "data" / "mucac.zip").read_bytes()
    assert call("data", "import", "mucac", str(tmp_path / "mucac"))[0] == 0
    assert (project / "data" / "mucac.zip").read_bytes() == first


def test_an_import_brings_nobody_of_the_suppression_list_back(call, project, tmp_path):
    keys = new_keys()
    listed = SuppressionList().with_entries([subject_entry("F0002/M", keys, "R-1")], keys)
    write_keys(project / KEY_FILE, keys)
    write_list(project / "suppression.jsonl", listed)
    assert "suppression.jsonl" in shell(project, "dvc", "status", "prepare@faces")
    archive, sets = str(mufac_archive(tmp_path / "a.zip")), ["--set", "data.forget.rows=8", "data.resolution=32"]
    code, _, error = call("data", "import", "mufac", archive, *sets, "data.suppression=refuse")
    assert code == 2 and "4 photos (4 rows) are on the suppression list" in error and "F0002" not in error
    assert not (project / "data" / "mufac.zip.dvc").exists()
    code, shown, error = call("data", "import", "mufac", archive, *sets)
    assert code == 0, error
    assert "On the suppression list, left out: 4 rows of 4 photos (files: 4 by subject)." in shown
    rows = read_rows("mufac", project / "data" / "mufac.zip")
    assert len(rows) == 60 and "F0002/M" not in set(rows["family"] + "/" + rows["person"])
    (project / KEY_FILE).unlink()
    code, _, error = call("data", "audit", "--benchmark", "mufac")
    assert code == 2 and "cannot be read without its key" in error


def test_benchmarks_whose_data_is_elsewhere_are_named(call, project):
    change_param(project, "  faces: data/faces.zip", "  faces: data/faces.zip\n  mufac: data/elsewhere.zip")
    code, shown, error = call("status")
    assert code == 0 and "cached" in shown
    assert "benchmark mufac is active, but data/elsewhere.zip does not exist: no .dvc file tracks it" in error
    code, _, error = call("run", "--benchmark", "mufac")
    assert code == 2 and "data/elsewhere.zip does not exist" in error


def test_a_broken_import_changes_nothing(call, project, tmp_path):
    (tmp_path / "a.zip").write_bytes(b"PK not a zip")
    before = {path.name: path.read_bytes() for path in (project / "data").iterdir()}
    code, _, error = call("data", "import", "mufac", str(tmp_path / "a.zip"))
    assert code == 2 and f"{tmp_path / 'a.zip'} is not a complete zip file" in error and ".dvc/tmp" not in error
    assert {path.name: path.read_bytes() for path in (project / "data").iterdir()} == before


def test_a_full_disk_is_told_with_what_to_free(call, monkeypatch):
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("flows.pipeline.state.states", full)
    code, _, error = call("status")
    assert code == 2 and "the disk is full" in error and "Finished stages are kept" in error


@pytest.mark.parametrize(
    "given, meant",
    [
        (["run", "--set", "a=1", "b=2"], ["run", "--set", "a=1", "--set", "b=2"]),
        (["run", "--refresh"], ["run", "--refresh", "all"]),
        (["run", "--refresh", "train", "mask", "--quiet"], ["run", "--refresh", "train", "--refresh", "mask", "--quiet"]),
        (["run", "--refresh", "--set", "a=1"], ["run", "--refresh", "all", "--set", "a=1"]),
    ],
)
def test_options_take_several_values(given, meant):
    assert expand_lists(given) == meant


def test_the_command_line_starts_without_what_only_some_commands_need() -> None:
    heavy = {"pandas", "torch", "prefect", "mlflow", "dvc"}
    code = f"import sys, flows.cli.app; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
