"""The audit of any model, from files to files: what the flow's worker and `python -m aru audit-model` run."""

from pathlib import Path

from aru.audit.compared_models import Cell, cell_record
from aru.audit.project_models import project_record
from aru.audit.thresholds import check_level
from aru.core.progress import Progress, silent
from aru.reporting.audit.page import write_audit


def run_audit(
    benchmark: str,
    name: str,
    weights: Path,
    level: str,
    *,
    root: Path,
    interclass: bool = False,
    progress: Progress = silent,
) -> None:
    """Audit the model of a safetensors file, called `name`, and write audit.json and audit.html to `audit_folder`.

    Raises InputError before work starts, for everything that can be wrong.
    """
    record = project_record(
        benchmark, name, weights, check_level(level), root=Path(root), interclass=interclass, progress=progress
    )
    write_audit(audit_folder(root, benchmark, name, level), record)


def audit_cell(benchmark: str, cell: Cell, level: str, *, root: Path, progress: Progress = silent) -> None:
    """Audit a comparison's model and write audit.json and audit.html to `audit_folder`; errors as in `run_audit`."""
    record = cell_record(benchmark, cell, check_level(level), root=Path(root), progress=progress)
    write_audit(audit_folder(root, benchmark, cell.name, level), record)


def audit_folder(root: Path, benchmark: str, name: str, level: str) -> Path:
    """Where the files of an audit lie: work/BENCHMARK/audit/MODEL-LEVEL/; of a file's path only its name is used."""
    short = Path(name).name if name.endswith(".safetensors") else name
    safe = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in short)
    return Path(root) / "work" / benchmark / "audit" / f"{safe}-{level}"
