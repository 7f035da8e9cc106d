"""The command `aru` without a flow: what it refuses, what it edits, what it shows."""

import errno
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from flows import cli, params
from tests.archives import mucac_folder, mufac_archive
from tests.project import change_param, shell


@pytest.fixture
def call(project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture) -> Callable[..., tuple]:
    """Call `aru` in a copy of a finished project; returns exit code, stdout and stderr."""
    monkeypatch.chdir(project)

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            cli.main(list(arguments))
        captured = capfd.readouterr()
        return ended.value.code or 0, captured.out, captured.err

    return run


REFUSED = {
    "unknown parameter": (["run", "--set", "attack.stepps=3"], "did you mean 'attack.steps'"),
    "ratio over one": (["run", "--set", "mask.ratio=1.5"], "mask.ratio = 1.5"),
    "negative eps": (["run", "--set", "attack.eps=-1"], "attack.eps = -1"),
    "no value": (["run", "--set", "attack.steps"], "has no '='"),
    "unknown benchmark": (["run", "--benchmark", "facs"], "did you mean 'faces'"),
    "unknown preset": (["run", "--preset", "papr"], "the presets are paper, vitmul"),
    "unknown stage": (["run", "--refresh", "trian"], "unknown stage 'trian'"),
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


@pytest.mark.parametrize("command", [("run",), ("benchmark",), ("tune",), ("shadows", "build")], ids=" ".join)
def test_without_the_data_it_is_said_before_a_server_starts(call, project, monkeypatch, command):
    (project / "data" / "faces.zip").unlink()
    monkeypatch.setattr("flows.servers.flow_api", lambda *given: pytest.fail("started"))
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

    monkeypatch.setattr("flows.servers.flow_api", interrupted)
    code, _, error = call(*command)
    assert code == 130 and f"aru {' '.join(command)}" in error and "goes on from there." in error
    assert ("the server is gone" in error) == bool(on_the_way_out)


def test_an_odd_pool_is_refused_before_a_server_starts(call, project, monkeypatch):
    monkeypatch.setattr("flows.servers.flow_api", lambda *given: pytest.fail("a server was started"))
    code, _, error = call("shadows", "build", "--models", "3")
    assert code == 2 and "3 shadow models: an even number" in error


def test_another_error_is_not_taken_for_an_interruption(project, monkeypatch):
    monkeypatch.setattr("flows.servers.flow_api", lambda *given: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        cli.main(["run"])


def test_outside_a_project_the_command_says_so(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        cli.main(["status"])
    assert "no dvc.yaml" in capfd.readouterr().err


def test_editing_keeps_comments_and_tells_old_and_new(project):
    path = project / "params.yaml"
    comments = [line for line in path.read_text().splitlines() if line.startswith("#")]
    changes = params.edit(path, "faces", [params.parse_setting("attack.steps=20"), params.parse_setting("train.lr=0.5")])
    assert [(change.name, change.new) for change in changes] == [("attack.steps", 20), ("train.lr", 0.5)]
    assert [line for line in path.read_text().splitlines() if line.startswith("#")] == comments
    content = yaml.safe_load(path.read_text())
    assert content["faces"]["attack"]["steps"] == 20 and content["mufac"]["attack"]["steps"] == 10


def test_a_preset_and_a_file_set_what_they_name(project, tmp_path):
    path, file = project / "params.yaml", tmp_path / "mine.yaml"
    file.write_text("finetune: {epochs: 9}\n")
    params.edit(path, "faces", [*params.preset_settings("vitmul"), *params.file_settings(file)])
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
    assert code == 2 and "not a whole zip file" in error
    assert {path.name: path.read_bytes() for path in (project / "data").iterdir()} == before


def test_a_full_disk_is_told_with_what_to_free(call, monkeypatch):
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("flows.state.states", full)
    code, _, error = call("status")
    assert code == 2 and "the disk is full" in error and "Finished stages are kept" in error


@pytest.mark.parametrize("given, meant", [
    (["run", "--set", "a=1", "b=2"], ["run", "--set", "a=1", "--set", "b=2"]),
    (["run", "--refresh"], ["run", "--refresh", "all"]),
    (["run", "--refresh", "train", "mask", "--quiet"], ["run", "--refresh", "train", "--refresh", "mask", "--quiet"]),
    (["run", "--refresh", "--set", "a=1"], ["run", "--refresh", "all", "--set", "a=1"]),
])
def test_options_take_several_values(given, meant):
    assert cli.spread(given) == meant
