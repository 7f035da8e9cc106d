"""`aru init` makes a folder a project that DVC and the flow accept, writes over nothing, and can be repeated."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from aru.core.config import load_config, parse_config
from aru.core.errors import InputError
from aru.core.source_code import PACKAGE, ROOT
from aru.data.suppression.keyed_hashes import new_keys, write_keys
from aru.data.suppression.suppression_list import SuppressionList, subject_entry, write_list
from aru.stages.code_record import INSTALLED, check_code_record, installed_code, record_path
from flows.project import versioning
from flows.project.new_project import make_project
from flows.project.params import PARAMS_FILE, activate, complete, propose
from flows.project.plan import plan
from flows.project.shipped import shipped, shipped_section
from flows.project.sparse_params import differing
from flows.project.stage_code import StageCode
from flows.requests.certificates.envelope import new_key
from flows.requests.key_findings import examine_keys
from flows.servers.doctor import examine


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("own") / "project"
    make_project(root)
    return root


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "project", symlinks=True))


def test_a_new_project_has_stages_that_depend_on_the_installed_code(project: Path) -> None:
    propose(project / PARAMS_FILE, "faces", (), new=shipped_section("faces")).write()
    activate(project / PARAMS_FILE, "faces", "data/faces.zip")
    stages = {stage.address: stage for stage in versioning.declared(project)}
    assert stages["code"].deps == (INSTALLED,) and record_path("train") in stages["train@faces"].deps
    assert [stage.name for stage in plan(project, "faces")]
    assert (project / INSTALLED).read_text() == installed_code()
    places = versioning.remotes(project)
    assert list(places) == [versioning.STORE] and places[versioning.STORE].endswith(versioning.NO_PLACE)


def test_the_file_has_only_what_differs_and_means_the_same(project: Path) -> None:
    path = project / PARAMS_FILE
    propose(path, "faces", [("train.lr", 0.01), ("attack.steps", 7)], new=shipped_section("faces")).write()
    written = yaml.safe_load(path.read_text())["faces"]
    assert written["train"] == {"epochs": 7, "schedule": "onecycle", "augment": False}
    assert written["attack"] == {"steps": 7} and written["mask"] == {}
    activate(path, "faces", "data/faces.zip")
    propose(path, "faces", [("attack.steps", 10)]).write()
    whole = parse_config(shipped_section("faces") or {}, where="faces")
    assert load_config(path, "faces") == whole
    assert yaml.safe_load(path.read_text())["faces"]["attack"] == {}
    assert parse_config(differing(whole, project / "dvc.yaml"), where="faces") == whole


def test_what_a_newer_pipeline_names_is_added(project: Path) -> None:
    path = project / PARAMS_FILE
    propose(path, "faces", (), new=shipped_section("faces")).write()
    activate(path, "faces", "data/faces.zip")
    assert not complete(path)
    before = path.read_text()
    path.write_text(before.replace("  mask: {}\n", ""))
    with pytest.raises(InputError, match="`aru code` adds it"):
        plan(project, "faces")
    assert complete(path) and yaml.safe_load(path.read_text()) == yaml.safe_load(before)


def test_it_can_be_repeated_and_keeps_what_its_owner_edited(project: Path) -> None:
    (project / "thresholds.yaml").write_text("version: 7\n")
    (project / ".gitignore").write_text("*.tmp\n/work/\n")
    done = make_project(project)
    assert done.made == [".gitignore"]
    assert (project / "thresholds.yaml").read_text() == "version: 7\n"
    assert (project / ".gitignore").read_text().splitlines()[:3] == ["*.tmp", "/work/", "/mlruns/"]


@pytest.mark.parametrize(
    "file, content, message",
    [
        ("dvc.yaml", "stages: {}\n", "`aru init --renew`"),
        ("params.yaml", "lr: 0.1\n", "belongs to something else"),
        ("params.yaml", "a: [\n", "belongs to something else"),
        ("params.yaml", "7\n", "belongs to something else"),
        ("aru/code.py", "", "imported in place of the installed package"),
    ],
)
def test_what_is_in_the_way_is_named_before_anything_is_written(tmp_path: Path, file: str, content: str, message: str) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(content)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match=message):
        make_project(tmp_path)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_of_a_repository_becomes_a_project(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    done = make_project(tmp_path / "inner")
    assert ".git" not in done.made and not (tmp_path / "inner" / ".git").exists()
    assert versioning.declared(tmp_path / "inner")


def test_another_version_is_noticed_by_the_flow_and_refused_under_dvc(project: Path) -> None:
    from flows.project.digests import Digests

    check_code_record("train", project)
    (project / record_path("train")).write_text("{}\n")
    with pytest.raises(InputError, match=r"train.json is not of the code that runs here: run `python -m aru code`"):
        check_code_record("train", project)
    (project / INSTALLED).write_text("{}\n")
    StageCode(project, {}, Digests(project)).refresh()
    check_code_record("train", project)
    assert (project / INSTALLED).read_text() == installed_code()


def test_a_new_version_changes_the_records_of_the_stages_that_it_changes_and_no_other(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.project.digests import Digests

    def refreshed() -> dict[str, str]:
        code = StageCode(project, {}, Digests(project))
        code.refresh()
        return code.digests

    before, noted = refreshed(), (project / INSTALLED).read_text()
    newer = tmp_path / "site-packages"
    shutil.copytree(ROOT / PACKAGE, newer / PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr("aru.stages.code_record.ROOT", newer)
    masking = newer / PACKAGE / "methods" / "aru" / "masking.py"
    masking.write_text(masking.read_text() + "\n# a comment\n")
    assert refreshed() == before and (project / INSTALLED).read_text() != noted
    masking.write_text(masking.read_text() + "\nNEW = 1\n")
    unlearning = {record_path(stage) for stage in ("mask", "finetune", "unlearn")}
    assert {path for path, digest in refreshed().items() if digest != before[path]} == unlearning
    page = newer / PACKAGE / "reporting" / "run" / "page.html.j2"
    page.write_text(page.read_text() + "<p>new</p>")
    assert {path for path, digest in refreshed().items() if digest != before[path]} == unlearning | {record_path("report")}


def test_a_service_is_added_for_a_benchmark_of_ones_own(project: Path) -> None:
    assert make_project(project, service="team").made == ["prefect.yaml", "work-pool.json"]
    (deployment,) = yaml.safe_load((project / "prefect.yaml").read_text())["deployments"]
    assert (deployment["name"], deployment["parameters"]["benchmark"]) == ("team-nightly", "team")
    assert deployment["entrypoint"] == "flows.pipeline.unlearn.unlearn"
    with pytest.raises(InputError, match="--service"):
        make_project(project, service="../team")


def test_the_doctor_names_what_is_wrong_with_its_remedy(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert not [finding for finding in examine(project, project) if finding.state == "fail"]
    (project / INSTALLED).write_text("{}\n")
    (project / "dvc.yaml").write_text((project / "dvc.yaml").read_text() + "# edited\n")
    (project / PARAMS_FILE).write_text("benchmarks: 3\n")
    found = {finding.what: finding for finding in examine(project, project)}
    assert found["parameters"].state == "fail"
    assert found["code"].state == found["stages"].state == found["python of dvc.yaml"].state == "warn"
    assert all(bool(finding.remedy) == (finding.state != "ok") for finding in found.values())


def test_files_of_the_repository_are_found() -> None:
    assert shipped("dvc.yaml").is_file() and shipped_section("benchmarks") is None
    with pytest.raises(InputError, match=r"lacks no-such-file"):
        shipped("no-such-file")


def test_the_doctor_misses_the_keys_that_the_list_and_the_certificates_need(project: Path) -> None:
    def of(what: str) -> tuple[str, str]:
        [found] = [finding for finding in examine_keys(project) if finding.what == what]
        return found.state, found.found

    assert of("suppression key")[0] == of("signing key")[0] == "ok"
    keys = new_keys()
    write_list(project / "suppression.jsonl", SuppressionList((subject_entry("A", keys),), keys.id))
    (project / "certificates").mkdir()
    (project / "certificates" / "000001-R-000001.json").write_text("{}")
    for what in ("suppression key", "signing key"):
        state, found = of(what)
        assert state == "fail" and "does not exist" in found
    write_keys(project / ".aru" / "suppression.key", keys)
    new_key(project / ".aru" / "certificates.key").public_key()
    assert of("suppression key")[0] == of("signing key")[0] == "ok"
    (project / ".aru" / "certificates.key").chmod(0o644)
    write_keys(project / ".aru" / "suppression.key", new_keys())
    assert "can be read by others" in of("signing key")[1] and "was made under the keys" in of("suppression key")[1]
