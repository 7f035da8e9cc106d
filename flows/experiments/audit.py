"""The audit flow: one model held to the criteria of thresholds.yaml, with a page, a verdict and a run in MLflow."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from aru.audit.audit_file import AuditRecord
from aru.audit.compared_models import Cell, find_cell
from aru.audit.project_models import model_path
from aru.audit.thresholds import check_interclass, check_level
from aru.comparison.cell import open_store
from aru.comparison.draws import parse_protocol
from aru.core.config import load_config
from aru.core.errors import InputError
from aru.core.files import file_md5, read_json
from aru.core.names import MODELS
from aru.core.suggestions import nearest
from aru.nets.own_code import check_own_code
from aru.stages.model_audit import audit_folder
from flows.pipeline.crashes import register_run
from flows.pipeline.progress import Board, make_board
from flows.pipeline.workers import Work, workers
from flows.project.discretion import disclosed, discreet
from flows.project.folder import find_project, project_lock
from flows.tracking import audit_runs, registry, store


@dataclass(frozen=True)
class Audited:
    """What an audit leaves behind."""

    record: AuditRecord
    folder: Path
    run_id: str


@dataclass(frozen=True)
class Target:
    """The model that is meant: what it is called, and its weights."""

    name: str
    weights: Path
    cell: Cell | None = None


def audit(
    model: str,
    *,
    benchmark: str = "faces",
    level: str = "quick",
    interclass: bool = False,
    protocol: str | None = None,
    draw: int = 0,
    seed: int = 0,
    root: Path = Path("."),
    quiet: bool = False,
) -> Audited:
    """Audit one of the project's own models, a safetensors file, or a registered model NAME, NAME@alias, NAME/version.

    With a protocol `model` is a method of a comparison that kept its weights, on that draw, with that training seed.

    Everything that can be wrong with the request is found before the flow begins.
    """
    root = find_project(root)
    check_interclass(interclass, check_level(level), compared=protocol is not None)
    described = load_config(root / "params.yaml", benchmark).model
    check_own_code(described.name, described.code, root)
    store.preflight(root, benchmark)
    with disclosed(), project_lock(root), make_board(quiet=quiet) as board, tempfile.TemporaryDirectory() as fetched:
        target = (
            find_compared(Cell(model, parse_protocol(protocol), draw, seed), benchmark, root)
            if protocol
            else find_target(model, benchmark, root, Path(fetched))
        )
        return audit_flow(target, benchmark, level, interclass, root, board)


@flow(
    name="audit",
    flow_run_name="audit-{benchmark}-{level}",
    persist_result=False,
    result_serializer="json",
    validate_parameters=False,
)
@discreet
def audit_flow(target: Target, benchmark: str, level: str, interclass: bool, root: Path, board: Board) -> Audited:
    """Measure in a process of its own, write the page, track it in MLflow. Runs that were killed are marked as crashed."""
    register_run(root)
    measure_task(target, benchmark, level, interclass, root, board)
    folder = audit_folder(root, benchmark, target.name, level)
    record = read_json(folder / "audit.json")
    run_id = audit_runs.track(root, benchmark, record, weights=file_md5(target.weights))
    return Audited(record, folder, run_id)


@task(name="audit", task_run_name="audit {target.name}", cache_policy=NO_CACHE)
@discreet
def measure_task(target: Target, benchmark: str, level: str, interclass: bool, root: Path, board: Board) -> None:
    """The audit itself, with its progress shown."""
    label = f"the audit of {target.name}"
    work = (
        Work(label, "aru.stages.model_audit:audit_cell", (benchmark, target.cell, level), {"root": root})
        if target.cell
        else Work(
            label,
            "aru.stages.model_audit:run_audit",
            (benchmark, target.name, target.weights, level),
            {"root": root, "interclass": interclass},
        )
    )
    with workers(1) as pool, board.stage("audit") as show:
        pool.run(work, show)


def find_compared(cell: Cell, benchmark: str, root: Path) -> Target:
    """The weights that a comparison kept."""
    trio = find_cell(benchmark, cell, root=root)
    return Target(cell.name, open_store(root / "work" / benchmark).weights(trio.audited.key), cell)


def find_target(model: str, benchmark: str, root: Path, fetched: Path) -> Target:
    """The weights that are meant; those of a registered model are brought to the folder `fetched`."""
    if model in MODELS:
        path = model_path(root / "work" / benchmark, model)
        if not path.is_file():
            raise InputError(f"there is no {model} model of {benchmark} yet: `aru run --benchmark {benchmark}` makes it")
        return Target(model, path)
    path = Path(model).expanduser()
    if path.suffix == ".safetensors" or path.is_file():
        return Target(model, path.resolve())
    name, which = _registered_name(model)
    registered = registry.names(root)
    if name in registered:
        version, path = registry.fetch_weights(root, name, which, fetched)
        return Target(f"{name}-version-{version}", path)
    near = nearest(name, [*MODELS, *registered])
    hint = f"did you mean {near!r}? " if near else ""
    raise InputError(
        f"no model {model!r}: {hint}MODEL is {', '.join(MODELS)}, a .safetensors file, or a registered model as "
        f"NAME, NAME@alias or NAME/version (registered: {', '.join(registered) or 'none'})"
    )


def _registered_name(model: str) -> tuple[str, str]:
    name = model.removeprefix("models:/")
    for mark in ("@", "/"):
        if mark in name:
            name, _, which = name.rpartition(mark)
            return name, which
    return name, registry.CANDIDATE
