"""thresholds.yaml: what each criterion of the audit measures, which figures are good, and where the limit comes from."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from aru.core.errors import InputError
from aru.core.safe_yaml import parse_yaml
from aru.core.suggestions import did_you_mean

Level = Literal["quick", "standard", "full"]
LEVELS: tuple[Level, ...] = ("quick", "standard", "full")
THRESHOLDS_FILE = "thresholds.yaml"
EMBEDDED = "faces"
"""The benchmark of drawn faces, whose retrained models the limits come from unless another is named."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Threshold(_Section):
    """One criterion: the good figures lie from `low` to `high`, both included; one end may be open."""

    level: Level = Field(description="the lowest level at which it is tested")
    measured: str = Field(min_length=10, description="what the figure is")
    low: float | None = None
    high: float | None = None
    required: bool = Field(True, description="whether the whole verdict rests on it, too; otherwise it informs")
    calibration: str = Field(min_length=10, description="where the limit comes from")
    silent: str = Field(min_length=10, description="what a pass does not prove")
    fixed: bool = Field(False, description="the limit is what is meant, not how far retrained models reach: not calibrated")
    calibrated_on: str = Field(EMBEDDED, description="the benchmark that the limit was calibrated on")

    @model_validator(mode="after")
    def _some_limit(self) -> "Threshold":
        if self.low is None and self.high is None:
            raise ValueError("neither low nor high is given: a criterion needs a limit")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError(f"low is {self.low}, high {self.high}: nothing could pass")
        return self

    @property
    def sides(self) -> Literal["one-sided", "two-sided"]:
        """Whether the figure can be bad in both directions."""
        return "two-sided" if self.low is not None and self.high is not None else "one-sided"

    @property
    def bounds(self) -> tuple[float, float]:
        """Both ends; an open one is infinite."""
        return -math.inf if self.low is None else self.low, math.inf if self.high is None else self.high


class Limits(_Section):
    """A criterion's limits on one benchmark, by its own retrained models (`python -m aru calibrate --write`)."""

    low: float | None = None
    high: float | None = None
    calibration: str = Field(min_length=10, description="where the limit comes from")


class Thresholds(_Section):
    """The whole file; `benchmarks` has the limits of those on which the audit was calibrated anew."""

    version: int = Field(ge=1, description="raised whenever a limit changes")
    criteria: dict[str, Threshold]
    benchmarks: dict[str, dict[str, Limits]] = {}

    def on(self, benchmark: str) -> "Thresholds":
        """The same with the benchmark's own limits in place of the common ones, where it has some."""
        own = {
            name: self.criteria[name].model_copy(update=dict(limits) | {"calibrated_on": benchmark})
            for name, limits in self.benchmarks.get(benchmark, {}).items()
        }
        return self.model_copy(update={"criteria": self.criteria | own})

    def of(self, level: Level) -> dict[str, Threshold]:
        """The criteria that a level tests: its own and those of the levels before it."""
        reached = LEVELS[: LEVELS.index(level) + 1]
        return {name: criterion for name, criterion in self.criteria.items() if criterion.level in reached}


def find_thresholds(folder: Path) -> Path:
    """The limits of a project folder, where it has some, else those that this package came with."""
    package = Path(__file__).with_name(THRESHOLDS_FILE)  # setup.py puts it into the wheel; in a clone it is the clone's own
    places = (Path(folder) / THRESHOLDS_FILE, package, Path(__file__).parents[2] / THRESHOLDS_FILE)
    return next((path for path in places if path.is_file()), places[0])


def read_thresholds(path: Path, known: Mapping[str, Level]) -> Thresholds:
    """Read and check the file; an InputError names the entry, and for an unknown name the nearest known one.

    known: the criteria that the audit measures, with their levels; the file must have each of them and no other.
    """
    try:
        content = parse_yaml(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: the audit needs its limits; restore it with `git checkout`") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid YAML: {error}") from None
    try:
        thresholds = Thresholds.model_validate(content)
    except ValidationError as error:
        raise InputError("\n".join(_explain(item, path) for item in error.errors())) from None
    _check_names(path, thresholds, known)
    for benchmark, limits in thresholds.benchmarks.items():
        _check_limits(f"{path}: benchmarks.{benchmark}", limits, thresholds.criteria)
    return thresholds


def check_level(level: str) -> Level:
    """Return the level; an unknown one is answered with the nearest."""
    if level not in LEVELS:
        raise InputError(f"unknown level {level!r}{did_you_mean(level, list(LEVELS))}; the levels are {', '.join(LEVELS)}")
    return level


def check_interclass(interclass: bool, level: Level, *, compared: bool) -> None:
    """Refuse the interclass test where it would be left out without a word."""
    if interclass and compared:
        raise InputError("--interclass is for the project's own models: leave it out, or leave out --protocol")
    if interclass and level != "full":
        raise InputError(f"--interclass belongs to level full, this is level {level}: leave it out, or ask for --level full")


def _check_names(path: Path, thresholds: Thresholds, known: Mapping[str, Level]) -> None:
    for name in thresholds.criteria:
        if name not in known:
            raise InputError(f"{path}: unknown criterion {name!r}{did_you_mean(name, list(known))}")
    for name, level in known.items():
        if name not in thresholds.criteria:
            raise InputError(f"{path} has no criterion {name!r}: the level {level} measures it; add it with a limit")
        if thresholds.criteria[name].level != level:
            raise InputError(f"{path}: {name} has the level {thresholds.criteria[name].level!r}, it is measured at {level!r}")


def _check_limits(where: str, limits: Mapping[str, Limits], criteria: Mapping[str, Threshold]) -> None:
    for name, own in limits.items():
        if name not in criteria:
            raise InputError(f"{where}: unknown criterion {name!r}{did_you_mean(name, list(criteria))}")
        common = criteria[name]
        if common.fixed:
            raise InputError(f"{where}.{name}: the limit of this criterion is fixed: remove the entry")
        if (own.low is None, own.high is None) != (common.low is None, common.high is None):
            raise InputError(f"{where}.{name} limits other ends than the criterion: low {common.low}, high {common.high}")
        if own.low is not None and own.high is not None and own.low >= own.high:
            raise InputError(f"{where}.{name}: low is {own.low}, high {own.high}: nothing could pass")


def _explain(item: Any, path: Path) -> str:
    name = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        fields = [*Threshold.model_fields, *Thresholds.model_fields, *Limits.model_fields]
        return f"{path}: unknown entry {name!r}{did_you_mean(name.rpartition('.')[2], fields)}"
    return f"{path}: {name}: {item['msg']}"
