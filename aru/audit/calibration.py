"""How the audit judges retrained models: where limits can lie, and how many good models the limits turn away.

A good model has to lie within a limit by all of its interval, so the first half of the retrained models says where limits
can lie: at the farthest end of an interval of theirs. The other half tests the limits of thresholds.yaml: those that fail
are the false alarms. Originals have to fail, and are shown beside.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NotRequired, TypedDict

from aru.audit.audit_file import CriterionRow, Judged
from aru.audit.compared_models import Trio, judge_trio
from aru.audit.criteria import KNOWN
from aru.audit.own_limits import LEAST_SEEDS, check_originals, own_limits, verdicts_under, write_limits
from aru.audit.thresholds import THRESHOLDS_FILE, Level, Thresholds, read_thresholds
from aru.audit.verdicts import Verdict
from aru.comparison.cell import open_store, task_job
from aru.comparison.choices import parse_choices
from aru.comparison.draws import Protocol, draws_of
from aru.comparison.plan import make_plan
from aru.compute.device import make_compute
from aru.compute.jobs import run_locally
from aru.core.config import load_config
from aru.core.errors import InputError
from aru.core.files import write_json
from aru.core.names import ORIGINAL, RETRAINED
from aru.metrics.summary import rounded

VERDICTS: tuple[Verdict, ...] = ("pass", "inconclusive", "fail")


class CalibrationRecord(Judged):
    """What an audit judged, with what was audited, `retrained` or `original`, and its training seed."""

    kind: str
    seed: int


Parts = dict[str, list[CalibrationRecord]]
"""Retrained models that calibrate, those that test, and originals."""


class CriterionCalibration(TypedDict):
    """How far the calibrating models' intervals reach, None where it was not run, and figures and verdicts by part."""

    reach: list[float] | None
    figures: dict[str, list[float]]
    verdicts: dict[str, list[Verdict]]


class Calibration(TypedDict):
    """The content of calibration-LEVEL.json; seeds and whole verdicts by part."""

    level: Level
    criteria: dict[str, CriterionCalibration]
    seeds: dict[str, list[int]]
    verdicts: dict[str, list[Verdict]]
    benchmark: NotRequired[str]
    protocol: NotRequired[Protocol]
    own_limits: NotRequired[dict[str, dict[str, float | str]]]
    own_verdicts: NotRequired[dict[str, list[Verdict]]]


@dataclass(frozen=True)
class CalibrationRequest:
    """seeds: retrained models; originals: how many; workers: trainings at once; cached: use what is there, train nothing.

    method: whose unlearned shadows U-LiRA holds these models to, which no method has made; without one it is not run.
    write: put the limits that these models give into thresholds.yaml, as the benchmark's own.
    """

    benchmark: str
    seeds: int = 6
    originals: int = 1
    level: Level = "quick"
    protocol: Protocol = "official"
    workers: int = 2
    cached: bool = False
    method: str | None = None
    write: bool = False


def calibrate(request: CalibrationRequest, *, root: Path) -> Calibration:
    """Train what is missing (as cells of a comparison), judge every model, sum up into calibration-LEVEL.json.

    The level standard compares with the retrained model of the lowest seed, which is then neither calibrating nor testing.
    """
    if request.seeds < (least := LEAST_SEEDS if request.write else 2):
        raise InputError(f"{request.seeds} seeds: {least} or more are needed, one half to calibrate and one to test")
    config, work = load_config(root / "params.yaml", request.benchmark), root / "work" / request.benchmark
    thresholds, store = read_thresholds(root / THRESHOLDS_FILE, KNOWN).on(request.benchmark), open_store(work)
    plan = make_plan(
        request.benchmark,
        config,
        work / "prepared",
        parse_choices("retrain", config),
        draws_of(request.protocol, 1),
        seeds=request.seeds,
        compute=make_compute(config.runtime),
    )
    wanted = [
        task for task in plan.tasks if task.kind == RETRAINED or (task.kind == ORIGINAL and task.seed < request.originals)
    ]
    if not request.cached:
        missing = [task for task in wanted if not store.has(task.key, model=True)]
        run_locally([task_job(task, config, work) for task in missing], workers=request.workers)
    there = [task for task in wanted if store.has(task.key, model=True)]
    retrained, originals = ([task for task in there if task.kind == kind] for kind in (RETRAINED, ORIGINAL))
    if len(retrained) < 2 or not originals:
        raise InputError(
            f"{len(retrained)} retrained models and {len(originals)} originals are there, 2 and 1 are needed: "
            "let them be trained"
        )
    audited = [task for task in there if request.level == "quick" or task != retrained[0]]
    rows: list[CalibrationRecord] = [
        {
            **judge_trio(
                Trio(task, originals[0], retrained[0]), thresholds, config, work, request.level, method=request.method
            ),
            "kind": task.kind,
            "seed": task.seed,
        }
        for task in audited
    ]
    found: Calibration = {
        **rounded(summarise_models(rows, thresholds, request.level)),
        "benchmark": request.benchmark,
        "protocol": request.protocol,
    }
    if request.write:
        parts = _parts(rows)
        limits = own_limits(parts, thresholds, f"{request.benchmark}, {request.protocol}")
        own = verdicts_under(limits, parts, thresholds)
        check_originals(own)
        write_limits(root / THRESHOLDS_FILE, request.benchmark, limits)
        found["own_limits"] = {name: limit.model_dump(exclude_none=True) for name, limit in limits.items()}
        found["own_verdicts"] = own
    write_json(work / "audit" / f"calibration-{request.level}.json", found)
    return found


def summarise_models(rows: Sequence[CalibrationRecord], thresholds: Thresholds, level: Level) -> Calibration:
    """Per criterion the reach of the calibrating models' intervals, and the verdicts of the testing ones and of originals.

    rows: of every model. Retrained models calibrate in the order of their seeds, the first half,
    rounded up; the others test.
    """
    parts = _parts(rows)
    return {
        "level": level,
        "criteria": {name: _criterion(name, parts) for name in thresholds.of(level)},
        "seeds": {part: [row["seed"] for row in records] for part, records in parts.items()},
        "verdicts": {part: [row["verdict"] for row in records] for part, records in parts.items()},
    }


def format_calibration(found: Calibration) -> list[str]:
    """The table as lines of text."""
    lines = [f"{'criterion':20} {'reach of retrained':>18}  tested: {'/'.join(VERDICTS)}  originals"]
    for name, row in found["criteria"].items():
        reach = f"[{row['reach'][0]:.3f}, {row['reach'][1]:.3f}]" if row["reach"] else "not run"
        lines.append(f"{name:20} {reach:>18}  {_counts(row['verdicts']):>30}  {', '.join(row['verdicts']['originals'])}")
    lines.append(f"{'all':20} {'':>18}  {_counts(found['verdicts']):>30}  {', '.join(found['verdicts']['originals'])}")
    if own := found.get("own_verdicts"):
        lines.append(f"{'under own limits':20} {'':>18}  {_counts(own):>30}  {', '.join(own['originals'])}")
        lines.append(f"{len(found['own_limits'])} limits of {found['benchmark']} are in {THRESHOLDS_FILE}")
    return lines


def _parts(rows: Sequence[CalibrationRecord]) -> Parts:
    """Retrained models that calibrate, the first half by their seeds, rounded up, those that test, and originals."""
    retrained = sorted((row for row in rows if row["kind"] == RETRAINED), key=lambda row: row["seed"])
    half = -(-len(retrained) // 2)
    return {
        "calibrating": retrained[:half],
        "testing": retrained[half:],
        "originals": [row for row in rows if row["kind"] == ORIGINAL],
    }


def _criterion(name: str, parts: Parts) -> CriterionCalibration:
    found: dict[str, list[CriterionRow]] = {
        part: [row for record in records for row in record["criteria"] if row["name"] == name and row["verdict"]]
        for part, records in parts.items()
    }
    ends = [row["interval"] or [row["figure"]] * 2 for row in found["calibrating"]]
    return {
        "reach": [min(low for low, _ in ends), max(high for _, high in ends)] if ends else None,
        "figures": {part: [row["figure"] for row in rows] for part, rows in found.items()},
        "verdicts": {part: [row["verdict"] for row in rows if row["verdict"]] for part, rows in found.items()},
    }


def _counts(verdicts: Mapping[str, list[Verdict]]) -> str:
    return "/".join(str(verdicts["testing"].count(verdict)) for verdict in VERDICTS)
