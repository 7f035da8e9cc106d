"""A stage depends on just the code that it imports: no more (needless work), no less (stale results)."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest
import yaml

from aru.core.errors import InputError
from aru.core.leftovers import locked_folder
from aru.core.source_code import ROOT, closure, content_digest, read_sources
from aru.stages.code_record import RECORDS, code_records, modules_of, record_path, write_code_records
from aru.stages.runner import FOLDERS, STAGES
from flows.project.versioning import STORE
from tests.helpers.project import declared_outs

DECLARED = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]


def test_dvc_declares_all_stages_and_their_code():
    assert tuple(DECLARED) == ("code", *STAGES)
    assert DECLARED["code"]["cmd"] == "python -m aru code" and DECLARED["code"]["deps"] == ["aru"]
    assert DECLARED["code"]["outs"] == [{record_path(stage): {"remote": STORE, "persist": True}} for stage in STAGES]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_the_record_of_its_own_code(stage):
    deps = DECLARED[stage]["do"]["deps"]
    assert [dep for dep in deps if dep.startswith(("aru", "work/code/"))] == [record_path(stage)]


@pytest.mark.parametrize("stage", STAGES)
def test_a_record_lists_exactly_what_the_stage_imports(stage):
    sources = read_sources(ROOT)
    listed = json.loads(code_records(ROOT)[record_path(stage)])
    needed = {name for module in modules_of(stage) for name in closure(module)}
    assert listed == {name: content_digest(name, sources[name]) for name in needed}
    assert (stage == "unlearn") == ("aru/methods/scrub.py" in listed), "methods are found by name"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A project with code of its own, to be edited."""
    shutil.copytree(ROOT / "aru", tmp_path / "aru", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def with_other_record(root: Path, file: str, text: str) -> set[str]:
    """The stages whose record differs after `text` is appended to a file."""
    before = code_records(root)
    with open(root / file, "a") as edited:
        edited.write(text)
    after = code_records(root)
    return {stage for stage in STAGES if before[record_path(stage)] != after[record_path(stage)]}


@pytest.mark.parametrize(
    "file, text, expected",
    [
        ("aru/stages/retrain.py", "\nX = 1\n", {"retrain"}),
        ("aru/stages/retrain.py", "\n# a comment\n", set()),
        ("aru/core/files.py", "\nX = 1\n", set(STAGES)),
        ("aru/core/files.py", "\n\ndef f():\n", None),
        ("aru/stages/runner.py", "\nX = 1\n", set()),
        ("aru/reporting/run/page.css", "x", {"report"}),
    ],
    ids=("one stage", "comment", "all stages", "half edited", "what calls the stages", "new style sheet"),
)
def test_an_edit_changes_the_records_of_the_stages_that_import_it(copy, file, text, expected):
    if expected is None:
        with pytest.raises(InputError, match="or a module that it imports, is not valid Python"):
            with_other_record(copy, file, text)
    else:
        assert with_other_record(copy, file, text) == expected


def test_a_docstring_does_not_count_and_a_default_does(copy):
    before = code_records(copy)
    path = copy / "aru" / "core" / "seeds.py"
    source = path.read_text()
    path.write_text(source.replace('"""', '"""Changed. ', 1))
    assert code_records(copy) == before != code_records_with(path, source + "\n\ndef f(x=None):\n    return x\n", copy)


def code_records_with(path: Path, source: str, root: Path) -> dict[str, str]:
    path.write_text(source)
    return code_records(root)


def test_records_that_are_the_same_are_not_written(copy):
    write_code_records(copy)
    files = {path: (copy / path).stat() for path in code_records(copy)}
    (copy / record_path("report")).write_text("{}")
    write_code_records(copy)
    rewritten = {path for path, before in files.items() if (copy / path).stat().st_ino != before.st_ino}
    assert rewritten == {record_path("report")}
    assert {path: (copy / path).read_text() for path in files} == code_records(copy)


def test_a_killed_writer_leaves_nothing_after_the_next_one(copy):
    killed = (
        "import os, signal, sys\n"
        "from aru.stages.code_record import write_code_records\n"
        "os.replace = lambda *paths: os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_code_records(sys.argv[1])\n"
    )
    done = subprocess.run([sys.executable, "-c", killed, str(copy)], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    assert list((copy / RECORDS).glob(".*.tmp")), "it was killed with a file half written"
    write_code_records(copy)
    assert {path.name for path in (copy / RECORDS).iterdir()} == {f"{stage}.json" for stage in STAGES}


def test_two_writers_take_turns(copy):
    second = Thread(target=write_code_records, args=(copy,))
    with locked_folder(copy / RECORDS):
        second.start()
        second.join(timeout=2)
        assert second.is_alive() and not list((copy / RECORDS).iterdir())
    second.join(timeout=60)
    assert {path: (copy / path).read_text() for path in code_records(copy)} == code_records(copy)


def test_code_edited_while_it_is_recorded_is_an_error(copy, monkeypatch):
    def edit(path: Path, content: str) -> bool:
        (copy / "aru" / "core" / "seeds.py").write_text("X = 1\n")
        return True

    monkeypatch.setattr("aru.stages.code_record._has_content", edit)
    with pytest.raises(InputError, match="aru/ was edited while its code was recorded"):
        write_code_records(copy)


def test_a_project_without_code_of_its_own_records_the_package(tmp_path):
    write_code_records(tmp_path)
    assert {path: (tmp_path / path).read_text() for path in code_records(ROOT)} == code_records(ROOT)


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
    assert persistent == {"train", "finetune", "unlearn", "retrain"}
    assert all(
        options.get("persist") for stage in persistent for out in DECLARED[stage]["do"]["outs"] for options in out.values()
    ), "history and costs go with the weights"


def test_only_unlearning_depends_on_the_method():
    lists = {stage: DECLARED[stage]["foreach"] for stage in STAGES}
    assert {stage for stage in STAGES if lists[stage] == "${methods.aru}"} == {"attack", "mask", "finetune"}
    assert {stage for stage in STAGES if lists[stage] == "${methods.peers}"} == {"unlearn"}
    assert DECLARED["unlearn"]["do"]["outs"] == DECLARED["finetune"]["do"]["outs"]
    assert not [
        dep
        for stage in ("evaluate", "audit", "report")
        for dep in DECLARED[stage]["do"]["deps"]
        if "/mask/" in dep or "/noise/" in dep
    ]


def test_the_original_does_not_depend_on_who_is_to_be_forgotten():
    assert "work/${key}/prepared/training.csv" in DECLARED["train"]["do"]["deps"]
    assert "work/${key}/prepared/manifest.csv" not in DECLARED["train"]["do"]["deps"]
    assert not any("forget" in name or name.endswith(".data") for name in DECLARED["train"]["do"]["params"])


def test_the_import_walk_sees_what_is_there():
    found = closure("aru.stages.attack")
    assert {"aru/methods/aru/attack.py", "aru/stages/attack.py", "aru/train/losses.py", "aru/core/files.py"} <= found
    assert not {name for name in found if name.startswith("aru/reporting/")} and "aru/methods/aru/resetting.py" not in found
