"""Parameters: limits, nearest names, presets that fit, and a params.yaml that is complete."""

from pathlib import Path

import pytest
import yaml

from aru.compute.device import device_of
from aru.core.config import (
    ModelConfig,
    RuntimeConfig,
    check_parameter,
    load_archive,
    load_archives,
    load_config,
    load_params,
    parameter_names,
    parse_config,
)
from aru.core.errors import InputError

ROOT = Path(__file__).resolve().parents[2]

BAD = {
    "ratio over one": ({"mask": {"ratio": 1.2}}, r"mask.ratio = 1.2: .*less than or equal to 1"),
    "negative eps": ({"attack": {"eps": -0.1}}, r"attack.eps = -0.1: .*greater than or equal to 0"),
    "too small": ({"data": {"resolution": 16}}, "data.resolution = 16: .*greater than or equal to 24"),
    "mean of levels": ({"model": {"mean": [124, 116, 104], "std": 58}}, r"mean is \[124.0, 116.0, 104.0\].*divide by 255"),
    "mean of no number": ({"model": {"mean": float("nan")}}, "finite number"),
    "channels": ({"model": {"mean": [0.5, 0.5]}}, "one number or three"),
    "no channel": ({"model": {"std": []}}, "one number or three"),
    "std of 0": ({"model": {"std": [0.2, 0, 0.2]}}, "each must be greater than 0"),
    "endless std": ({"model": {"std": float("inf")}}, "finite number"),
    "unknown name": ({"attack": {"stepps": 3}}, r"unknown parameter 'attack.stepps'; did you mean 'attack.steps'"),
    "unknown choice": ({"mask": {"unit": "neuron"}}, r"mask.unit = 'neuron': .*'filter', 'kernel' or 'weight'"),
    "nan": ({"train": {"lr": float("nan")}}, r"train.lr = nan"),
    "two forget rules": (
        {"data": {"forget": {"rows": 3, "draw": 4}}},
        "name exactly one of rows, draw, or subjects and files",
    ),
    "task of another layout": (
        {"data": {"layout": "mufac", "task": "smiling"}},
        "^params.yaml: faces: data: task 'smiling' does not belong to layout 'mufac'",
    ),
    "a name that is no list": (
        {"data": {"forget": {"subjects": "F0003/D"}}},
        r"data.forget.subjects = 'F0003/D': Input should be a list, as in \[A, B\]",
    ),
    "device": ({"runtime": {"device": "tpu"}}, "runtime.device = 'tpu'"),
}


@pytest.mark.parametrize("values, message", BAD.values(), ids=BAD.keys())
def test_bad_values_are_named_with_their_limit(values, message):
    with pytest.raises(InputError, match=message):
        parse_config({"data": {}, **values}, where="params.yaml: faces")


def test_the_projects_parameters_are_valid_and_complete():
    """DVC tracks what params.yaml says: a value left to a default of the code would change unseen.

    Settings of peer methods stand there where a benchmark has one; what they leave to a preset is in the history of the model.
    """
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    for name in ("faces", "mufac", "mucac"):
        given = set(_leaves(content[name]))
        optional = ("data.forget.", *(f"model.{leaf}" for leaf in ModelConfig.model_fields if leaf != "name"))
        wanted = {leaf for leaf in parameter_names() if not leaf.startswith(optional) and leaf != "unlearn"}
        assert wanted <= given | {leaf for leaf in wanted if any(g.startswith(leaf + ".") for g in given)}, name
        parse_config(content[name], where=name)
    assert set(load_params(ROOT / "params.yaml")) == set(content["benchmarks"])
    assert str(load_archive(ROOT / "params.yaml", "faces")) == "data/faces.zip"


BAD_NAMES = [
    "/elsewhere/x",
    "../x",
    "a/b",
    "f;touch x",
    "$(touch x)",
    "f'x",
    "a.b",
    "",
    "-x",
    "f x",
    "x" * 65,
    "a\nb",
    "얼굴",
    "benchmarks",
    "methods",
    7,
]
BAD_PATHS = ["../..", "/etc/passwd", "data/../../x", "..", ".", "", "data//x", "./data", "data\\x", "C:/x", "data/\nx", 7]


@pytest.mark.parametrize("read", [load_params, load_archives, lambda path: load_config(path, "faces")])
@pytest.mark.parametrize("name, archive", [(name, "data/x.zip") for name in BAD_NAMES] + [("x", path) for path in BAD_PATHS])
def test_names_and_paths_that_could_lead_elsewhere_are_refused_wherever_they_are_read(tmp_path, read, name, archive):
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    content["benchmarks"][name] = archive
    if name != "benchmarks":
        content[name] = content["faces"]
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content, allow_unicode=True))
    with pytest.raises(InputError, match="params.yaml, benchmarks.* is no (name for a|path in the project folder)"):
        read(tmp_path / "params.yaml")


@pytest.mark.parametrize("name, archive", [("mufac-clean_2", "data/mufac.zip"), ("A" * 64, "얼굴 사진/a b.zip"), ("9", "x")])
def test_ordinary_names_and_paths_are_taken(tmp_path, name, archive):
    (tmp_path / "params.yaml").write_text(yaml.safe_dump({"benchmarks": {name: archive}}, allow_unicode=True))
    assert load_archives(tmp_path / "params.yaml") == {name: archive}


def _leaves(section, prefix=""):
    for name, value in section.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def test_unknown_names_come_with_the_nearest(tmp_path):
    assert check_parameter("mask.ratio") == "mask.ratio"
    with pytest.raises(InputError, match="did you mean 'mask.ratio'"):
        check_parameter("mask.rato")
    with pytest.raises(InputError, match="did you mean 'faces'"):
        load_config(ROOT / "params.yaml", "facs")


@pytest.mark.parametrize(
    "text, message",
    [
        ("benchmarks: [faces", "not valid YAML"),
        ("benchmarks: [faces]", "must name the active benchmarks"),
        ("benchmarks: {faces: data/faces.zip}", "no section of that name"),
        ("- 1", "must name the active benchmarks"),
    ],
)
def test_a_broken_file_is_named(tmp_path, text, message):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        load_params(path)
    with pytest.raises(InputError, match="does not exist"):
        load_params(tmp_path / "other.yaml")


def test_a_device_that_is_not_here_is_refused(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert str(device_of(RuntimeConfig(device="cuda:1"))) == "cuda:1" and str(device_of(RuntimeConfig(device="cpu"))) == "cpu"
    with pytest.raises(InputError, match="'cuda:2' but CUDA has 2 devices here, numbered from 0"):
        device_of(RuntimeConfig(device="cuda:2"))
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(InputError, match="'cuda:0' but CUDA is not available here"):
        device_of(RuntimeConfig(device="cuda:0"))
