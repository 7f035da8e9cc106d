"""Audits of models that a comparison made: any method, on any forget draw, beside the original and the retrained model of it.

The comparison must have kept the method's weights. Its draw is the request to the shadow pool, so that models of the clean
protocol, whose draws leave the tuning people out, can be audited at every level.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from aru.audit import quick
from aru.audit.audit_file import About, AuditRecord, Judged
from aru.audit.audited_model import AuditedModel
from aru.audit.case import AUDITED, Case, make_case
from aru.audit.criteria import KNOWN
from aru.audit.levels import measure
from aru.audit.record import audit_record, judged
from aru.audit.references import other_references
from aru.audit.thresholds import THRESHOLDS_FILE, Level, Thresholds, read_thresholds
from aru.comparison.cell import CellRecord, open_store
from aru.comparison.choices import parse_choice, parse_choices
from aru.comparison.command import choice as as_typed
from aru.comparison.draws import Protocol, assign, draw_of, load_draw
from aru.comparison.plan import MethodTask, OriginalTask, RetrainedTask, Task, make_plan
from aru.comparison.store import Store
from aru.compute.device import make_compute
from aru.core.config import Config, load_config
from aru.core.errors import InputError
from aru.core.files import file_md5
from aru.core.names import ORIGINAL, RETRAINED, SETS
from aru.core.progress import Progress, silent
from aru.data.manifest import read_manifest


@dataclass(frozen=True)
class Cell:
    """method: as a comparison takes it, such as ``scrub`` or ``aru:best``; of a forget draw and a training seed."""

    method: str
    protocol: Protocol = "official"
    draw: int = 0
    seed: int = 0

    @property
    def name(self) -> str:
        """What the audit calls the model."""
        return f"{self.method}-{self.protocol}-draw-{self.draw}-seed-{self.seed}"


@dataclass(frozen=True)
class Trio:
    """The tasks of one audit; the retrained model is the reference."""

    audited: Task
    original: Task
    retrained: Task


def cell_record(benchmark: str, cell: Cell, level: Level, *, root: Path, progress: Progress = silent) -> AuditRecord:
    """Audit a comparison's model; the content of audit.json. Everything that can be wrong is found before work starts."""
    config, work = load_config(root / "params.yaml", benchmark), root / "work" / benchmark
    thresholds, trio = read_thresholds(root / THRESHOLDS_FILE, KNOWN).on(benchmark), find_cell(benchmark, cell, root=root)
    store, tasks = open_store(work), {AUDITED: trio.audited, ORIGINAL: trio.original, RETRAINED: trio.retrained}
    made_from = {f"{which} model, MD5": file_md5(store.weights(task.key)) for which, task in tasks.items()}
    about: About = {
        "benchmark": benchmark,
        "model": cell.name,
        "made_from": made_from | {"thresholds, MD5": file_md5(root / THRESHOLDS_FILE)},
    }
    return record_of(trio, thresholds, config, work, level, about, progress=progress)


def find_cell(benchmark: str, cell: Cell, *, root: Path) -> Trio:
    """The tasks of a cell; InputError where weights of theirs are not there."""
    config, work = load_config(root / "params.yaml", benchmark), Path(root) / "work" / benchmark
    choice = parse_choice(cell.method, config)
    draw = draw_of(cell.protocol, cell.draw)
    place = f" --first-seed {cell.seed}" * (cell.seed > 0) + f" --first-draw {cell.draw}" * (cell.draw > 0)
    again = (
        f"`aru benchmark --benchmark {benchmark} --protocol {cell.protocol} --methods '{cell.method}' --keep-weights "
        f"--seeds 1{place}` makes them"
    )
    if not (work / "prepared" / "manifest.csv").is_file():
        raise InputError(f"no models of {benchmark} were compared yet: {again}")
    plan = make_plan(
        benchmark,
        config,
        work / "prepared",
        parse_choices(cell.method, config),
        [draw],
        seeds=1,
        first_seed=cell.seed,
        compute=make_compute(config.runtime),
        keep_weights=True,
    )
    trio = Trio(
        *(
            next(task for task in (*plan.cells, *plan.tasks) if fits(task))
            for fits in (
                lambda task: (
                    not isinstance(task, OriginalTask)
                    and (task.choice.method, task.choice.variant) == (choice.method, choice.variant)
                ),
                lambda task: isinstance(task, OriginalTask),
                lambda task: isinstance(task, RetrainedTask),
            )
        )
    )
    store = open_store(work)
    for task in (trio.audited, trio.original, trio.retrained):
        if not store.has(task.key, model=True):
            raise InputError(f"there are no weights of {task.label}: {again}")
    return trio


def record_of(
    trio: Trio,
    thresholds: Thresholds,
    config: Config,
    work: Path,
    level: Level,
    about: About,
    *,
    progress: Progress = silent,
) -> AuditRecord:
    """The record of one model."""
    case = _case(trio, config, work, level, references=_references(trio, config, work, level))
    measurements, details = measure(case, level, audited_model(trio, config, work), progress=progress)
    return audit_record(case, thresholds, level, measurements, details, about)


def judge_trio(
    trio: Trio, thresholds: Thresholds, config: Config, work: Path, level: Level, *, method: str | None = None
) -> Judged:
    """One model's criteria as its record has them, without what a record reports beside them.

    U-LiRA holds it to the shadows that `method` unlearned, where one is given, else its own.
    """
    references = [] if level == "quick" else _references(trio, config, work, level)  # at quick they are shown, not judged
    case, audited = _case(trio, config, work, level, references=references), audited_model(trio, config, work)
    found, _ = measure(case, level, replace(audited, method=method or audited.method), reported=False)
    return judged(thresholds, level, found)


def _case(trio: Trio, config: Config, work: Path, level: Level, *, references: Sequence[Mapping[str, torch.Tensor]]) -> Case:
    task, store = trio.audited, open_store(work)
    sets = load_draw(work / "prepared", task.draw, config)[0]
    manifest = assign(read_manifest(work / "prepared" / "manifest.csv"), task.draw, config)
    return make_case(
        _models(trio, store, level),
        sets,
        manifest,
        compute=make_compute(config.runtime),
        resamples=config.evaluate.resamples,
        seed=config.runtime.seed,
        roles=quick.QUICK_SETS if level == "quick" else SETS,
        references=references,
    )


def audited_model(trio: Trio, config: Config, work: Path) -> AuditedModel:
    """What the audit has to know of the model: the reference is not compared with itself."""
    task = trio.audited
    name = RETRAINED if task.key == trio.retrained.key else task.label
    made = as_typed(task.choice.method, task.choice.variant) if isinstance(task, MethodTask) else None
    return AuditedModel(name, task.benchmark, config, work, None if made == "nothing" else made, draw=task.draw)


def _references(trio: Trio, config: Config, work: Path, level: Level) -> list[dict[str, torch.Tensor]]:
    """What the retrained models answer that are not among the case's own."""
    there = {trio.audited.key} | (set() if level == "quick" else {trio.retrained.key})
    return other_references(trio.audited.benchmark, config, work, trio.audited.draw, without=there)


def _models(trio: Trio, store: Store[CellRecord], level: Level) -> dict[str, nn.Module]:
    models = {AUDITED: store.model(trio.audited.key), ORIGINAL: store.model(trio.original.key)}
    return models if level == "quick" else models | {RETRAINED: store.model(trio.retrained.key)}
