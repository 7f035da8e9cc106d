"""A benchmark's own limits: the rule that sets them, what is refused, and how they come into thresholds.yaml and out of it."""

import shutil
from pathlib import Path

import pytest
import yaml

from aru.audit.calibration import CalibrationRequest, calibrate
from aru.audit.criteria import KNOWN
from aru.audit.own_limits import check_originals, own_limits, verdicts_under, write_limits
from aru.audit.texts import limits_note
from aru.audit.thresholds import Limits, read_thresholds
from aru.core.errors import InputError

FILE = Path(__file__).resolve().parents[2] / "thresholds.yaml"
TEXT = "mine, official; 2 retrained models"


def record(forgetting: tuple[float, float], likeness: float = 0.5, verdict: str = "pass") -> dict:
    """As much of an audit's record as the limits are made from: two criteria, one of them with a fixed limit."""
    low, high = forgetting
    return {
        "criteria": [
            {"name": "forgetting", "verdict": verdict, "figure": (low + high) / 2, "interval": [low, high]},
            {"name": "likeness", "verdict": "pass", "figure": likeness, "interval": None},
            {"name": "remaining", "verdict": None},
        ]
    }


PARTS = {
    "calibrating": [record((0.44, 0.55)), record((0.46, 0.57))],
    "testing": [record((0.45, 0.58)), record((0.38, 0.5))],
    "originals": [record((0.64, 0.7))],
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return Path(shutil.copy(FILE, tmp_path))


def test_a_limit_lies_beyond_the_farthest_end_by_as_much_as_the_ends_lie_apart() -> None:
    found = own_limits(PARTS, read_thresholds(FILE, KNOWN), "mine, official")
    assert list(found) == ["forgetting"], "fixed limits, and what was not measured, are left"
    assert (found["forgetting"].low, found["forgetting"].high) == (0.42, 0.59)
    assert "2 retrained models: 0.495 to 0.515, intervals reach 0.440 to 0.570" in found["forgetting"].calibration


def test_the_models_are_judged_under_their_own_limits() -> None:
    thresholds = read_thresholds(FILE, KNOWN)
    found = verdicts_under(own_limits(PARTS, thresholds, "mine"), PARTS, thresholds)
    assert found["originals"] == ["fail"] and found["calibrating"] == found["testing"] == ["inconclusive"] * 2
    check_originals(found)
    with pytest.raises(InputError, match="1 of 1 originals come out inconclusive: nothing is written"):
        check_originals(verdicts_under({"forgetting": Limits(low=0.1, high=0.9, calibration=TEXT)}, PARTS, thresholds))


def test_limits_are_written_at_the_end_and_hold_for_their_benchmark_alone(file: Path) -> None:
    before = file.read_text()
    write_limits(file, "mine", {"forgetting": Limits(low=0.3, high=0.7, calibration=TEXT)})
    write_limits(file, "other", {"forgetting": Limits(low=0.2, high=0.8, calibration=TEXT)})
    write_limits(file, "mine", {"forgetting": Limits(low=0.35, high=0.65, calibration=TEXT)})
    found = read_thresholds(file, KNOWN)
    assert found.version == read_thresholds(FILE, KNOWN).version + 3
    assert file.read_text().split("criteria:")[1].startswith(before.split("criteria:")[1].rstrip("\n")), "the rest stays"
    ends = {
        name: (one.low, one.high, one.calibrated_on)
        for name in ("mine", "other", "faces")
        for one in [found.on(name).criteria["forgetting"]]
    }
    assert ends == {"mine": (0.35, 0.65, "mine"), "other": (0.2, 0.8, "other"), "faces": (0.4, 0.6, "faces")}
    assert found.on("mine").criteria["attacks"] == found.criteria["attacks"]


@pytest.mark.parametrize(
    "name, limits, message",
    [
        ("forgeting", {"high": 0.5}, "did you mean 'forgetting'"),
        ("likeness", {"high": 0.5}, "likeness: the limit .* is fixed"),
        ("forgetting", {"high": 0.5}, "limits other ends"),
        ("forgetting", {"low": 0.6, "high": 0.5}, "nothing could pass"),
        ("forgetting", {"low": 0.4, "hihg": 0.5}, "did you mean 'high'"),
    ],
)
def test_wrong_limits_are_refused_by_name(file: Path, name: str, limits: dict, message: str) -> None:
    content = yaml.safe_load(file.read_text()) | {"benchmarks": {"mine": {name: limits | {"calibration": TEXT}}}}
    file.write_text(yaml.safe_dump(content))
    with pytest.raises(InputError, match=message):
        read_thresholds(file, KNOWN)


def test_the_page_says_whose_limits_they_are() -> None:
    assert "not on mine" in limits_note("mine", ["faces", None, "mine"])
    assert "aru calibrate mine --write" in limits_note("mine", ["faces"])
    for benchmark in ("mine", "faces"):
        assert "of this benchmark" in limits_note(benchmark, [benchmark, None])


def test_too_few_models_are_refused_before_anything_is_trained(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="3 seeds: 4 or more"):
        calibrate(CalibrationRequest("mine", seeds=3, write=True), root=tmp_path)
