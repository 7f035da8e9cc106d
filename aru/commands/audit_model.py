"""Audit a model: the benchmark's own, a safetensors file, or one of a comparison."""

import argparse
from pathlib import Path

from aru.core.names import MODELS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which model, at which level."""
    from aru.audit.thresholds import LEVELS

    parser.add_argument("benchmark")
    parser.add_argument("model", help=f"{', '.join(MODELS)}, or a safetensors file; with --protocol a method of a comparison")
    parser.add_argument("--level", choices=LEVELS, default="quick")
    parser.add_argument("--interclass", action="store_true", help="with full: the interclass test, two more trainings")
    parser.add_argument("--protocol", choices=("official", "clean"), help="audit a comparison's model, whose weights it kept")
    parser.add_argument("--draw", type=int, default=0, help="with --protocol: the forget draw")
    parser.add_argument("--seed", type=int, default=0, help="with --protocol: the training seed")


def run(options: argparse.Namespace) -> int:
    """Write the audit's files and print one line a criterion; the exit code is the verdict."""
    from aru.audit.compared_models import Cell
    from aru.audit.project_models import model_path
    from aru.audit.texts import relative_line
    from aru.audit.thresholds import check_interclass
    from aru.audit.verdicts import EXIT_CODES
    from aru.core.files import read_json
    from aru.reporting.audit.page import criterion_cells
    from aru.stages.model_audit import audit_cell, audit_folder, run_audit

    cell = Cell(options.model, options.protocol, options.draw, options.seed) if options.protocol else None
    name = cell.name if cell else options.model
    check_interclass(options.interclass, options.level, compared=cell is not None)
    if cell:
        audit_cell(options.benchmark, cell, options.level, root=Path("."))
    else:
        weights = model_path(Path("work") / options.benchmark, name) if name in MODELS else Path(name)
        run_audit(options.benchmark, name, weights, options.level, root=Path("."), interclass=options.interclass)
    record = read_json(audit_folder(Path("."), options.benchmark, name, options.level) / "audit.json")
    if first := relative_line(record):
        print(first)
    for row in record["criteria"]:
        cells = criterion_cells(row) if row["verdict"] else (row["not_run"],)
        print(f"{row['name']:20} {row['verdict'] or 'not run':13} {'  '.join(cells)}")
    print(record["verdict"])
    return EXIT_CODES[record["verdict"]]
