"""YAML that stands for more than it says is refused before anybody walks through it, wherever YAML is read."""

import time
from pathlib import Path

import pytest
import yaml

from aru.audit.thresholds import read_thresholds
from aru.comparison.choices import parse_choices
from aru.comparison.tuning import load_tuned
from aru.core.config import load_config, load_params
from aru.core.errors import InputError
from aru.core.safe_yaml import TooLarge, check_size, parse_yaml
from flows.project import versioning
from flows.project.params import file_settings, parse_setting

ROOT = Path(__file__).resolve().parents[2]
BOMB = (
    "a: &a ["
    + ", ".join(["x"] * 10)
    + "]\n"
    + "".join(
        f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
)


@pytest.mark.parametrize(
    "text, said",
    [
        (BOMB, "more than 400000 values"),
        ("a: &a [*a]", r"line 1: \*a stands within itself"),
        ("x" * 4_000_001, "4000001 characters, at most 4000000"),
        ("[" + "1," * 400_001 + "&a 2]", "more than 400000 values"),
    ],
)
def test_too_much_is_refused_at_once(text, said):
    began = time.process_time()
    with pytest.raises(TooLarge, match=said):
        parse_yaml(text)
    assert time.process_time() - began < 20


def test_aliases_that_a_person_writes_are_read():
    text = "one: &sgd {lr: 0.1, momentum: 0.9}\ntwo: *sgd\nthree: {<<: *sgd, lr: 0.2}\n"
    assert parse_yaml(text)["two"] == {"lr": 0.1, "momentum": 0.9} and parse_yaml(text)["three"]["lr"] == 0.2
    check_size((ROOT / "params.yaml").read_text())
    with pytest.raises(yaml.YAMLError):
        parse_yaml("a: *unknown")


@pytest.mark.parametrize(
    "read",
    [
        load_params,
        lambda path: read_thresholds(path, {}),
        load_tuned,
        file_settings,
        lambda path: versioning.declared(path.parent),
    ],
    ids=["params.yaml", "thresholds.yaml", "tuned", "--params", "DVC"],
)
@pytest.mark.parametrize("content", [BOMB.encode(), "Straße: Å".encode("latin-1")], ids=["bomb", "not UTF-8"])
def test_every_reader_says_which_file(read, content, tmp_path):
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    (tmp_path / "dvc.yaml").write_text("stages: {}")
    with pytest.raises(InputError, match=r"params\.yaml is not"):
        read(path)


def test_values_of_the_command_line_that_are_no_yaml_are_said():
    with pytest.raises(InputError, match="value of 'lr' is not YAML"):
        parse_choices("neggrad{lr='1}", load_config(ROOT / "params.yaml", "faces"))
    with pytest.raises(InputError, match="is not YAML"):
        parse_setting("attack.steps='1")
    with pytest.raises(InputError, match="is not YAML"):
        parse_setting("data.forget.subjects=&a [*a]")
