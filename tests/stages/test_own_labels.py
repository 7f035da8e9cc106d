"""All stages on an archive of the layout "table": class names of its own, binary labels, photos without people."""

import json
import math
import re
import shutil
from pathlib import Path

import pytest
import yaml
from safetensors.torch import load_file

from aru.core.errors import InputError
from aru.core.files import read_json
from aru.core.folders import stages_of
from aru.core.names import ARU
from aru.data.classes import FIXED, read_classes
from aru.data.images import load_sets
from aru.data.manifest import read_manifest
from aru.data.own_photos import convert
from aru.data.sources.found import Columns
from aru.metrics.people.subgroups import find_bystanders, named_group
from aru.stages.runner import run
from tests.helpers.archives import jpeg, write_zip
from tests.helpers.own_network import own_network
from tests.helpers.own_photos import folder, photos
from tests.stages.test_stages import CHECKOUT, SMALL

CLASSES = {"kind of coat": ["red", "gr\u00fcn", "blue | green"], "hat": ["no", "yes"], "glasses": ["off", "on"]}
SPLITS = ("train", "train", "train", "test", "unseen")


def write_table(root: Path, task: str, *, people: bool = True, classes: dict[str, list[str]] = CLASSES) -> None:
    """A project whose archive has fifteen people in families of one, four photos each."""
    lines, members = [",".join(["path", "person", "family", "split", *classes])], {}
    for person in range(15):
        for photo in range(4):
            number = 4 * person + photo
            path = f"photos/{number:03d}.jpg"
            members[path] = jpeg(number)
            names = [values[number % 3 * (len(values) - 1) // 2] for values in classes.values()]
            lines.append(",".join([path, f"p{person}" if people else "", "", SPLITS[person % 5], *names]))
    members |= {"table.csv": "\n".join([*lines, ""]).encode(), "labels.json": json.dumps(classes).encode()}
    write_zip(root / "data" / "own.zip", members)
    write_params(root, task)


def write_params(root: Path, task: str, **changes) -> None:
    """The section of the archive; `changes` are of its sections."""
    section = yaml.safe_load((CHECKOUT / "params.yaml").read_text())["faces"]
    for name, values in SMALL.items():
        section[name] |= values
    section["model"] = own_network(root)
    section["data"] |= {"layout": "table", "task": task, "protocol": "clean", "forget": {"draw": 3}}
    for name, values in changes.items():
        section[name] |= values
    (root / "params.yaml").write_text(yaml.safe_dump({"benchmarks": {"own": "data/own.zip"}, "own": section}))
    shutil.copy(CHECKOUT / "thresholds.yaml", root)


@pytest.mark.parametrize(("task", "outputs", "people"), [("kind of coat", 3, True), ("hat,glasses", 2, False)])
def test_every_stage_runs_on_own_labels(tmp_path, task, outputs, people):
    write_table(tmp_path, task, people=people)
    for stage in stages_of(ARU):
        run(stage, "own", root=tmp_path)
    work = tmp_path / "work" / "own"
    sets = load_sets(work / "prepared", task)
    assert sets.train.outputs == outputs
    assert (sets.train.targets.ndim == 2) == ("," in task)
    assert read_json(work / "prepared" / "labels.json") == CLASSES
    page = (work / "report" / "report.html").read_text()
    assert "gr\u00fcn" in page
    for shown in (page, (work / "audit" / "audit.html").read_text()):
        assert ("counts as a person of its own" in shown) == (not people)
    assert read_json(work / "evaluation" / "metrics.json")["task"] == task


@pytest.mark.parametrize(
    ("task", "outputs"), [("kind", 10_000), ("hat", 2), ("hat,glasses", 2), ("identity", 5)], ids=lambda value: str(value)
)
def test_every_kind_of_label_is_prepared_under_both_protocols_and_learnt_for_an_epoch(tmp_path, task, outputs):
    forget = {"draw": 1 if task == "identity" else 3}
    small = {"train": {"epochs": 1}, "evaluate": {"resamples": 100}}
    official, clean = (small | {"data": {"protocol": name, "forget": forget}} for name in ("official", "clean"))
    if task == "identity":
        own = folder(tmp_path / "photos", photos())
        convert("folder", own, tmp_path / "data" / "own.zip", Columns(pattern="person"))
    else:
        names = {"kind": [f"kind {number}" for number in range(10_000)], "hat": ["no", "yes"], "glasses": ["off", "on"]}
        write_table(tmp_path, task, classes=names)
    work = tmp_path / "work" / "own"
    for changes in (official, clean):
        write_params(tmp_path, task, **changes)
        run("prepare", "own", root=tmp_path)
        sets = load_sets(work / "prepared", task)
        assert all(len(getattr(sets, role)) for role in ("forget", "retain", "test", "unseen"))
        assert sets.train.outputs == outputs
    run("train", "own", root=tmp_path)
    assert len(load_file(work / "original" / "model.safetensors")["8.bias"]) == outputs
    history = read_json(work / "original" / "history.json")["epochs"]
    assert len(history) == 1 and math.isfinite(history[0]["loss"])
    groups = find_bystanders(read_manifest(work / "prepared" / "manifest.csv"), "retain").groups
    assert groups["all"].all() and not groups["families"].any(), "there are no families"
    first = task.split(",")[0]
    titles = [named_group(name, read_classes(work / "prepared")) for name in groups if name.startswith(f"{first}=")]
    assert titles and set(titles) <= {f"{first}={name}" for name in read_classes(work / "prepared")[first]}
    assert named_group("families", {}) == "families" and named_group("age=3", FIXED) == "age=3"
    if outputs == 10_000:
        for model in ("retrained", "unlearned"):
            shutil.copytree(work / "original", work / model)
        for stage in ("evaluate", "audit", "report"):
            run(stage, "own", root=tmp_path)
        pages = [work / "report" / "report.html", work / "report" / "results.md", work / "audit" / "audit.html"]
        assert all(len(set(re.findall(r"kind \d+", page.read_text()))) <= 60 for page in pages), "a page lists all classes"


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("coat", "names the label 'coat', the data have kind of coat, hat, glasses"),
        ("kind of coat,hat", "'kind of coat' has 3 classes, not 2"),
    ],
)
def test_a_task_that_the_data_do_not_have_is_refused(tmp_path, task, message):
    write_table(tmp_path, task)
    with pytest.raises(InputError, match=message):
        run("prepare", "own", root=tmp_path)


def test_a_family_is_optional_in_no_other_column(tmp_path):
    write_table(tmp_path, "hat")
    members = {"table.csv": b"path,person,family,split,hat\n,,,train,no\n", "labels.json": b'{"hat": ["no", "yes"]}'}
    write_zip(tmp_path / "data" / "own.zip", members)
    with pytest.raises(InputError, match="1 x path is empty"):
        run("prepare", "own", root=tmp_path)
