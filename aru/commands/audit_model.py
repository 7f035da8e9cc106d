"""`python -m aru.commands.audit_model BENCHMARK MODEL` audits a model with PyTorch alone, where no Prefect or MLflow is."""

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: idle OpenMP threads spin

from aru.core.errors import InputError
from aru.core.names import MODELS


def main(arguments: list[str] | None = None) -> int:
    """Write the audit's files and print one line a criterion."""
    from aru.audit.compared_models import Cell
    from aru.audit.project_models import model_path
    from aru.audit.thresholds import LEVELS, check_interclass
    from aru.audit.verdicts import EXIT_CODES
    from aru.core.files import read_json
    from aru.reporting.audit.page import criterion_cells
    from aru.stages.model_audit import audit_cell, audit_folder, run_audit

    parser = argparse.ArgumentParser(prog="python -m aru.commands.audit_model", description=__doc__)
    parser.add_argument("benchmark")
    parser.add_argument("model", help=f"{', '.join(MODELS)}, or a safetensors file; with --protocol a method of a comparison")
    parser.add_argument("--level", choices=LEVELS, default="quick")
    parser.add_argument("--interclass", action="store_true", help="with full: the interclass test, two more trainings")
    parser.add_argument("--protocol", choices=("official", "clean"), help="audit a comparison's model, whose weights it kept")
    parser.add_argument("--draw", type=int, default=0, help="with --protocol: the forget draw")
    parser.add_argument("--seed", type=int, default=0, help="with --protocol: the training seed")
    options = parser.parse_args(arguments)
    cell = Cell(options.model, options.protocol, options.draw, options.seed) if options.protocol else None
    name = cell.name if cell else options.model
    weights = model_path(Path("work") / options.benchmark, options.model) if options.model in MODELS else Path(options.model)
    try:
        check_interclass(options.interclass, options.level, compared=cell is not None)
        if cell:
            audit_cell(options.benchmark, cell, options.level, root=Path("."))
        else:
            run_audit(options.benchmark, name, weights, options.level, root=Path("."), interclass=options.interclass)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    record = read_json(audit_folder(Path("."), options.benchmark, name, options.level) / "audit.json")
    for row in record["criteria"]:
        cells = criterion_cells(row) if row["verdict"] else (row["not_run"],)
        print(f"{row['name']:20} {row['verdict'] or 'not run':13} {'  '.join(cells)}")
    print(record["verdict"])
    return EXIT_CODES[record["verdict"]]


if __name__ == "__main__":
    sys.exit(main())
