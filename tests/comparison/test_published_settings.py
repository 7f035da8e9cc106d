"""The settings that the published tables were made by can still be named, and docs/methods.md names them."""

import json
import re

import pytest

from aru.comparison.choices import parse_choice
from aru.comparison.tuning import load_tuned
from aru.core.config import Config
from aru.methods.registry import CONTROLS, METHODS
from tests.helpers.tuned import CHECKOUT

NAMED = dict(
    re.findall(
        r"^\| `([\w-]+)` \| `(\S+)` \|$",
        (CHECKOUT / "docs" / "methods.md").read_text(encoding="utf-8").partition("## The settings of the published tables")[2],
        re.MULTILINE,
    )
)
IDLE = {"cf-k": {"milestones": [6, 9, 10]}}  # under a constant rate
FOLDERS = ["mufac-64px-clean", "mufac-32px-clean", "mufac-32px-official", "mufac-32px-resnet50", "mufac-32px-vit"]
OWN = {"aru", "retrain", *CONTROLS}  # of the benchmark's own sections


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_published_defaults_are_the_named_settings(folder: str) -> None:
    rows = json.loads((CHECKOUT / "docs" / folder / "records.json").read_text(encoding="utf-8"))
    published = {row["method"]: row["config"] for row in rows if row["variant"] == "default" and row["method"] not in OWN}
    assert published
    for method, values in published.items():
        config = parse_choice(NAMED.get(method, method), Config(data={})).parameters.model_dump(mode="json")
        assert {name: config[name] for name in values if name in config} == values | IDLE.get(method, {}), method


def test_the_peers_at_64_px_are_the_defaults() -> None:
    rows = json.loads((CHECKOUT / "docs" / "mufac-64px-clean" / "peers" / "records.json").read_text(encoding="utf-8"))
    published = {row["method"]: row["config"] for row in rows if row["method"] not in OWN}
    assert set(published) == {*METHODS} - OWN
    for method, values in published.items():
        assert parse_choice(method, Config(data={})).parameters.model_dump(mode="json") == values, method


@pytest.mark.parametrize(("folder", "count"), [("mufac-64px-clean", 5), ("mufac-64px-clean/draws", 9)])
def test_recommended_is_the_row_of_the_published_tables(folder: str, count: int) -> None:
    rows = json.loads((CHECKOUT / "docs" / folder / "records.json").read_text(encoding="utf-8"))
    found = [row["config"] for row in rows if row["variant"].startswith("best:finetune.optimiser=adamw")]
    assert len(found) == count
    config = parse_choice("aru:recommended", Config(data={})).parameters.model_dump(mode="json")
    for values in found:
        same = {part: {name: config[part][name] for name in values[part]} for part in ("attack", "mask", "reset", "finetune")}
        assert same == {part: values[part] for part in same}


@pytest.mark.parametrize("side, count", [(32, 23), (64, 3)])
def test_the_tuned_parameters_are_those_of_the_published_tables(side: int, count: int) -> None:
    # changes of the defaults of then, which the file names where they are others by now
    rows = json.loads((CHECKOUT / "docs" / f"mufac-{side}px-clean" / "records.json").read_text(encoding="utf-8"))
    published = {row["method"]: row["config"] for row in rows if row["variant"] == "tuned" and row["method"] not in OWN}
    tuned = load_tuned(CHECKOUT / "tuned" / f"mufac-resnet18-{side}px.yaml")
    assert published and set(published) <= set(tuned.parameters) and len(tuned.parameters) == count
    for method, values in published.items():
        config = parse_choice(method, Config(data={}), tuned).parameters.model_dump(mode="json")
        assert {name: config[name] for name in values if name in config} == values | IDLE.get(method, {}), method


def test_each_named_setting_differs_from_the_default() -> None:
    assert len(NAMED) == 10
    for method, choice in NAMED.items():
        named, default = (parse_choice(text, Config(data={})) for text in (choice, method))
        assert named.method == method and named.parameters != default.parameters
