"""What is known of DVC's files: digests as DVC computes them, stages as it resolves them, bytes back from its cache."""

from pathlib import Path

import pytest
import yaml

from aru.core.errors import InputError
from aru.core.files import file_md5
from aru.stages.code_record import write_code_records
from flows.project import versioning
from flows.project.digests import Digests, folder_manifest, folder_md5
from flows.project.plan import differences, key, plan, refreshed, upstream
from flows.project.versioning import Locked, Stage
from tests.helpers.flow_fixtures import STAGES
from tests.helpers.project import change_param, outputs, run_stage, shell

STAGE = Stage(
    name="mask",
    address="mask@faces",
    cmd="python -m aru mask faces",
    deps=("a", "b"),
    params={"params.yaml": {"faces.mask": {"ratio": 0.5, "unit": "filter"}}},
    outs=("work/m", "work/n"),
)
INPUTS = {"a": "1" * 32, "b": "2" * 32}
ENTRY = Locked(cmd=STAGE.cmd, deps=INPUTS, params=STAGE.params, outs={"work/m": "3" * 32, "work/n": "4" * 32})


def test_digests_are_those_of_dvc(finished: Path) -> None:
    digests, entries = Digests(finished), versioning.locked(finished)
    found = {path: digests.of(path) for entry in entries.values() for path in (*entry.deps, *entry.outs)}
    assert found == {path: md5 for entry in entries.values() for path, md5 in {**entry.deps, **entry.outs}.items()}
    assert any(md5.endswith(".dir") for md5 in found.values() if md5), "a folder is among them"
    assert digests.of("no/such/file") is None


def test_nested_folder_with_odd_names_has_dvcs_digest(fresh: Path) -> None:
    for name in ("b/ü.txt", "a.txt", "b/c/d.txt", "B.txt", "b.txt", ".hidden"):
        (fresh / "nested" / name).parent.mkdir(parents=True, exist_ok=True)
        (fresh / "nested" / name).write_text(name)
    assert versioning.track(fresh, "nested") == "nested.dvc"
    assert f"md5: {Digests(fresh).of('nested')}\n" in (fresh / "nested.dvc").read_text()


def test_digest_of_a_file_changed_in_place_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("one")
    digests = Digests(tmp_path)
    before = digests.of("file")
    (tmp_path / "file").write_text("two")
    assert digests.of("file") == file_md5(tmp_path / "file") != before


def test_plan_is_in_order_and_resolved(finished: Path) -> None:
    stages = plan(finished, "faces")
    assert tuple(stage.name for stage in stages) == STAGES
    by_address = {stage.address: stage for stage in stages}
    assert upstream(by_address["mask@faces"], by_address) == ["attack@faces", "prepare@faces", "train@faces"]
    assert "data/faces.zip" in by_address["prepare@faces"].deps
    assert by_address["attack@faces"].params["params.yaml"]["faces.attack"]["steps"] == 10


def test_plan_of_an_unknown_benchmark_names_the_known_ones(finished: Path) -> None:
    with pytest.raises(InputError, match="no stages for benchmark 'mufac'.*faces"):
        plan(finished, "mufac")


@pytest.mark.parametrize(
    "line, message",
    [
        ("'f;touch x': data/faces.zip", "'f;touch x' is no name"),
        ("/elsewhere/x: data/faces.zip", "'/elsewhere/x' is no name"),
        ("mufac: ../..", r"'\.\./\.\.' is no path in the project folder"),
    ],
)
def test_names_that_could_lead_elsewhere_are_refused_before_dvc_resolves_them(fresh: Path, line: str, message: str) -> None:
    change_param(fresh, "  faces: data/faces.zip", f"  faces: data/faces.zip\n  {line}")
    with pytest.raises(InputError, match=message):
        plan(fresh, "faces")


def test_no_shell_reads_a_benchmarks_name(fresh: Path) -> None:
    name = "f';touch x;$(touch y)'"
    change_param(fresh, "  faces: data/faces.zip", f'  "{name}": data/faces.zip')
    text = (fresh / "params.yaml").read_text()
    (fresh / "params.yaml").write_text(text.replace("\nfaces:", f'\n"{name}":'))
    shell(fresh, "dvc", "repro", f"prepare@{name}")
    assert (fresh / "work" / name / "prepared" / "manifest.csv").is_file(), "the stand-in takes any name"
    assert not (fresh / "x").exists() and not (fresh / "y").exists()


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x"])
def test_a_folders_list_in_the_cache_cannot_lead_out_of_it(fresh: Path, name: str) -> None:
    files = {name: file_md5(fresh / "data.dvc")}
    digest = folder_md5(files)
    with versioning._opened(fresh) as repo:
        listed = Path(repo.cache.local.oid_to_path(digest))
    listed.parent.mkdir(parents=True, exist_ok=True)
    listed.write_bytes(folder_manifest(files))
    assert not versioning.restore(fresh, {"work/faces/report/figures": digest})
    assert not listed.exists() and not (fresh / "work").exists()


def test_missing_parameter_is_named(fresh: Path) -> None:
    text = (fresh / "params.yaml").read_text()
    (fresh / "params.yaml").write_text(text.replace("  evaluate:\n    resamples: 1000\n    retrained: true\n", "", 1))
    with pytest.raises(InputError, match=r"retrain@faces needs the parameter 'faces\.evaluate\.retrained'"):
        plan(fresh, "faces")


def test_broken_dvc_yaml_is_the_users_to_mend(fresh: Path) -> None:
    (fresh / "dvc.yaml").write_text("stages:\n  train:\n    command: x\n")
    with pytest.raises(InputError, match=r"dvc\.yaml"):
        plan(fresh, "faces")


@pytest.mark.parametrize(
    "change",
    [
        {"cmd": "python -m aru mask mufac"},
        {"params": {"params.yaml": {"faces.mask": {"ratio": 0.6, "unit": "filter"}}}},
        {"outs": ("work/m",)},
    ],
)
def test_key_changes_with_each_part_of_a_stage(change: dict) -> None:
    assert key(Stage(**{**vars(STAGE), **change}), INPUTS) != key(STAGE, INPUTS)


def test_key_changes_with_an_inputs_bytes_and_stays_otherwise() -> None:
    assert key(STAGE, {**INPUTS, "a": "5" * 32}) != key(STAGE, INPUTS) == key(STAGE, dict(reversed(INPUTS.items())))
    with pytest.raises(InputError, match="reads b, which does not exist"):
        key(STAGE, {**INPUTS, "b": None})


@pytest.mark.parametrize(
    "entry, expected",
    [
        ({}, []),
        ({"cmd": "other"}, ["cmd"]),
        ({"deps": {"a": "1" * 32, "b": "9" * 32}}, ["b"]),
        ({"deps": {"a": "1" * 32, "c": "2" * 32}}, ["b", "c"]),
        ({"params": {"params.yaml": {"faces.mask": {"ratio": 0.1, "unit": "filter"}}}}, ["faces.mask.ratio"]),
        ({"params": {}}, ["faces.mask"]),
        ({"outs": {"work/m": "3" * 32}}, ["outs"]),
    ],
)
def test_differences_name_what_changed(entry: dict, expected: list[str]) -> None:
    assert differences(STAGE, INPUTS, Locked(**{**vars(ENTRY), **entry})) == expected


def test_refresh_takes_known_stages_only() -> None:
    assert refreshed(["mask"], ("all",)) == {"mask"} == refreshed(["mask"], ("mask",))
    assert refreshed(["mask"], ()) == frozenset()
    with pytest.raises(InputError, match="unknown stage 'musk'.*mask, or 'all'"):
        refreshed(["mask"], ("musk",))


def test_each_archive_has_a_file_and_a_remote_of_its_own(fresh: Path) -> None:
    embedded = (fresh / "data.dvc").read_text()
    for content in ("the archive of mufac", "received again"):
        (fresh / "data" / "mufac.zip").write_text(content)
        assert versioning.track(fresh, "data/mufac.zip") == "data/mufac.zip.dvc"
        tracked = yaml.safe_load((fresh / "data" / "mufac.zip.dvc").read_text())["outs"]
        assert tracked == [
            {
                "md5": file_md5(fresh / "data" / "mufac.zip"),
                "size": len(content),
                "hash": "md5",
                "path": "mufac.zip",
                "remote": "store",
            }
        ]
    assert (fresh / "data.dvc").read_text() == embedded and "remote: embedded" in embedded
    (fresh / "data" / "faces.zip").write_text("drawn anew")
    versioning.track(fresh, "data/faces.zip", remote="embedded", file="data.dvc")
    assert yaml.safe_load((fresh / "data.dvc").read_text())["outs"] == [
        yaml.safe_load(embedded)["outs"][0] | {"md5": file_md5(fresh / "data" / "faces.zip"), "size": 10}
    ]
    assert shell(fresh, "git", "status", "--short", "--untracked-files=all").split("\n") == [
        " M data.dvc",
        "?? data/mufac.zip.dvc",
        "",
    ], "git sees no archive"
    assert [versioning.tracked_by(fresh, f"data/{name}.zip") for name in ("faces", "mufac", "mucac")] == [
        "data.dvc",
        "data/mufac.zip.dvc",
        None,
    ]


def test_commit_leaves_the_other_stages_entries(fresh: Path) -> None:
    write_code_records(fresh)
    for stage in plan(fresh, "faces"):
        run_stage(stage.name, "faces", fresh)
    versioning.commit(fresh, ["prepare@faces", "train@faces"])
    assert set(versioning.locked(fresh)) == {"prepare@faces", "train@faces"}
    entry = versioning.locked(fresh)["train@faces"]
    assert entry.outs["work/faces/original/model.safetensors"] == outputs(fresh)["work/faces/original/model.safetensors"]
    assert versioning.lacking(fresh, list(entry.outs.values())) == set()
    assert versioning.lacking(fresh, ["0" * 32]) == {"0" * 32}


def test_busy_repository_is_told_apart(fresh: Path) -> None:
    from dvc.repo import Repo

    with Repo(str(fresh)).lock, pytest.raises(versioning.VersioningBusy, match="DVC is busy"):
        versioning.commit(fresh, ["prepare@faces"])
