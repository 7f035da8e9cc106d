"""Limits of a benchmark's own: set by its retrained models, tested on others of them, and written into thresholds.yaml.

A limit lies beyond the farthest end of an interval that a calibrating model reached, by as much as these ends lie apart from
each other, rounded outwards to a hundredth: so much more may the next retrained model need. Limits at which an original passes
would call any model good; they are not written.
"""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from aru.audit.audit_file import CriterionRow, Judged
from aru.audit.thresholds import Limits, Threshold, Thresholds
from aru.audit.verdicts import Measurement, Verdict, judge, overall
from aru.core.errors import InputError
from aru.core.files import atomic_path

LEAST_SEEDS = 4
"""Retrained models: two that say how far apart they lie, and two that test the limits."""
_SECTION = re.compile(r"^benchmarks:.*", re.MULTILINE | re.DOTALL)
_VERSION = re.compile(r"^version: (\d+)$", re.MULTILINE)

Records = Mapping[str, Sequence[Judged]]
"""What was judged, by part: calibrating and testing retrained models, originals."""


def own_limits(parts: Records, thresholds: Thresholds, where: str) -> dict[str, Limits]:
    """The limits of every criterion that is not fixed and was measured on all calibrating models; `where` names the data."""
    found = {}
    for name, criterion in thresholds.criteria.items():
        rows = [row for record in parts["calibrating"] if (row := _row(record, name)) and row["verdict"]]
        if criterion.fixed or len(rows) < len(parts["calibrating"]):
            continue
        lows, highs = zip(*(row["interval"] or [row["figure"]] * 2 for row in rows), strict=True)
        found[name] = Limits(
            low=None if criterion.low is None else _outwards(min(lows), max(lows)),
            high=None if criterion.high is None else _outwards(max(highs), min(highs)),
            calibration=f"{where}; {len(rows)} retrained models: {_range([row['figure'] for row in rows])}, intervals reach "
            f"{_range([*lows, *highs])}",
        )
    return found


def verdicts_under(limits: Mapping[str, Limits], parts: Records, thresholds: Thresholds) -> dict[str, list[Verdict]]:
    """The whole verdict of every model under these limits, by part."""
    criteria = thresholds.model_copy(update={"benchmarks": {"own": dict(limits)}}).on("own").criteria
    found = {}
    for part, records in parts.items():
        found[part] = [
            overall({row["name"]: _judged(row, criteria[row["name"]]) for row in record["criteria"]}, criteria)
            for record in records
        ]
    return found


def check_originals(verdicts: Mapping[str, Sequence[Verdict]]) -> None:
    """Raise InputError where an original does not fail."""
    originals = verdicts["originals"]
    spared = [verdict for verdict in originals if verdict != "fail"]
    if spared:
        raise InputError(
            f"under limits by these retrained models {len(spared)} of {len(originals)} originals come out "
            f"{' and '.join(sorted(set(spared)))}: nothing is written; with more forgotten people, or an "
            "original that remembers more, the audit can distinguish retrained models from originals"
        )


def write_limits(path: Path, benchmark: str, limits: Mapping[str, Limits]) -> None:
    """Put the limits into thresholds.yaml in place of the benchmark's earlier ones, and raise the version.

    The section `benchmarks` is the last of the file and is written anew; what stands before it is left as it is.
    """
    text = Path(path).read_text(encoding="utf-8")
    section = yaml.safe_load(text).get("benchmarks") or {}
    section[benchmark] = section.get(benchmark, {}) | {
        name: limit.model_dump(exclude_none=True) for name, limit in limits.items()
    }
    head = _VERSION.sub(lambda found: f"version: {int(found[1]) + 1}", _SECTION.sub("", text))
    with atomic_path(Path(path)) as temporary:
        temporary.write_text(head.rstrip("\n") + "\n" + yaml.safe_dump({"benchmarks": section}, width=120), encoding="utf-8")


def _row(record: Judged, name: str) -> CriterionRow | None:
    return next((row for row in record["criteria"] if row["name"] == name), None)


def _judged(row: CriterionRow, criterion: Threshold) -> Verdict:
    if not row["verdict"]:
        return "inconclusive"
    bounds = row["interval"]
    return judge(Measurement(row["figure"], (bounds[0], bounds[1]) if bounds else None), criterion)


def _outwards(farthest: float, nearest: float) -> float:
    """Beyond the farthest by its distance from the nearest, to the next hundredth."""
    end = farthest + (farthest - nearest)
    return (math.ceil if farthest >= nearest else math.floor)(round(end * 100, 6)) / 100


def _range(values: Sequence[float]) -> str:
    return f"{min(values):.3f} to {max(values):.3f}"
