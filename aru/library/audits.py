"""`aru.audit`: an unlearned network held to the criteria of the audit, on data of the caller's own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from aru.audit.audit_file import About, AuditRecord, CriterionRow
from aru.audit.audited_model import AuditedModel
from aru.audit.case import AUDITED, make_case
from aru.audit.criteria import KNOWN
from aru.audit.levels import measure
from aru.audit.quick import QUICK_SETS
from aru.audit.record import audit_record
from aru.audit.texts import relative_line
from aru.audit.thresholds import check_level, find_thresholds, read_thresholds
from aru.audit.verdicts import Verdict
from aru.compute.device import Compute
from aru.core.config import Config, DataConfig
from aru.core.errors import InputError
from aru.core.files import atomic_path, file_md5, write_json
from aru.core.names import FORGET, ORIGINAL, RETAIN, RETRAINED, SETS, TEST, UNSEEN
from aru.core.progress import Progress
from aru.data.datasets import Bounds, Source
from aru.data.images import Sets
from aru.library.own_task import Loss, compared_sets, task_of
from aru.library.people import People, manifest_of, people_of
from aru.library.problem import DataOptions, adapted
from aru.library.progress_bar import reporting
from aru.library.running import computing, with_gradients
from aru.library.saved import weights_md5
from aru.reporting.audit.page import audit_page, criterion_cells
from aru.train.tasks import Task, sample_losses


@dataclass(frozen=True)
class AuditVerdict:
    """What an audit found; `record` is what audit.json of a project holds (docs/audit.md)."""

    record: AuditRecord

    @property
    def verdict(self) -> Verdict:
        """The whole verdict: pass, inconclusive or fail."""
        return self.record["verdict"]

    @property
    def criteria(self) -> Mapping[str, CriterionRow]:
        """By name: figure, interval, limit and verdict of a criterion, or in `not_run` why it was not tested."""
        return {row["name"]: row for row in self.record["criteria"]}

    def to_json(self, path: str | Path) -> None:
        """Write the record."""
        write_json(Path(path), self.record)

    def to_html(self, path: str | Path) -> None:
        """Write the page: one file, without scripts, with the ids of the most exposed people."""
        with atomic_path(Path(path)) as temporary:
            temporary.write_text(audit_page(self.record), encoding="utf-8")

    def __str__(self) -> str:
        """What the relative test says, the whole verdict, and a line for each criterion."""
        tested = [row for row in self.record["criteria"] if row["verdict"]]
        lines = [
            f"{row['name']:<18} {figure:>7} {interval:<18} limit {limit:<16} {row['verdict']}"
            for row, (figure, interval, limit) in ((row, criterion_cells(row)) for row in tested)
        ]
        left = [f"{row['name']:<18} not tested: {row['not_run']}" for row in self.record["criteria"] if not row["verdict"]]
        first = relative_line(self.record)
        return "\n".join([*([first] if first else []), f"{self.verdict} at the level {self.record['level']}", *lines, *left])


@with_gradients
def audit(
    model: nn.Module,
    *,
    original: nn.Module,
    forget: Source,
    retain: Source,
    test: Source,
    unseen: Source,
    people: People,
    retrained: nn.Module | None = None,
    level: str = "quick",
    name: str = "unlearned",
    seed: int = 0,
    resamples: int = 1000,
    device: str | torch.device = "auto",
    precision: str = "auto",
    progress: bool | None = None,
    callbacks: Sequence[Progress] = (),
    bounds: Bounds = (0.0, 1.0),
    preprocessing: Mapping[str, Any] | None = None,
    loss: Loss | None = None,
    outputs: int | None = None,
    workers: int = 0,
) -> AuditVerdict:
    """Hold a network to the limits of thresholds.yaml: the working folder's where there is one, else those of this package.

    people: an id for each image, by set, or of the forget set alone; every other image is then a person of its own. level:
    quick needs forward passes alone, standard a retrained network; with one, `record["relative"]` says at both levels whether
    the network is nearer to it than to the original. name: what the page calls the model. The other arguments
    are those of `aru.unlearn` and `aru.evaluate`. The level full needs shadow models, which are a project's: InputError.

    With `loss`, for another task: the attacks are those on the loss, without classes, at the level quick; criteria that are
    defined by a classifier's answers are not tested, so that the verdict is at best inconclusive.
    """
    checked = check_level(level)
    if checked == "full":
        raise InputError(
            "level full needs a pool of shadow models: make a project of these data and run `aru shadows build` and "
            "`aru audit --level full`, or use level standard here"
        )
    if checked == "standard" and retrained is None:
        raise InputError("level standard compares with a retrained model: give retrained=, or use level quick")
    if loss is not None and checked != "quick":
        raise InputError(f"level {checked} compares the answers of classifiers: with loss= use level quick")
    task = task_of(loss)
    options = DataOptions(bounds, preprocessing, None, outputs, workers)
    networks = {AUDITED: model, ORIGINAL: original} | ({} if retrained is None else {RETRAINED: retrained})
    models = {str(which): adapted(network, options, raw=loss is not None) for which, network in networks.items()}
    given: dict[str, Source] = {FORGET: forget, RETAIN: retain, TEST: test, UNSEEN: unseen}
    sets = compared_sets(models, given, options, task, own=loss is not None)
    manifest = manifest_of(people_of(people, sets))
    path = find_thresholds(Path.cwd())
    thresholds = read_thresholds(path, KNOWN)
    made_from = {f"{which} model, MD5": weights_md5(network) for which, network in networks.items()}
    about: About = {"benchmark": "own data", "model": name, "made_from": made_from | {"thresholds, MD5": file_md5(path)}}
    with computing(device, precision) as compute, reporting(progress, callbacks) as report:
        roles = QUICK_SETS if checked == "quick" else SETS
        losses = None if loss is None else _losses(models, sets, task, compute)
        case = make_case(models, sets, manifest, compute=compute, resamples=resamples, seed=seed, roles=roles, losses=losses)
        audited = AuditedModel(name, "own data", Config(data=DataConfig()), Path.cwd())
        found, details = measure(case, checked, audited, progress=report)
    return AuditVerdict(audit_record(case, thresholds, checked, found, details, about))


def _losses(models: Mapping[str, nn.Module], sets: Sets, task: Task, compute: Compute) -> dict[str, dict[str, np.ndarray]]:
    return {
        name: {role: sample_losses(model, getattr(sets, role), task, compute=compute).numpy() for role in (FORGET, UNSEEN)}
        for name, model in models.items()
    }
