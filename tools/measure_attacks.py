"""Measure what attackers with both models, and re-recognition, find of models that a comparison kept, as Markdown tables.

    python -m aru compare faces --methods retrain,aru,finetune --seeds 2 --keep-weights
    python -m tools.measure_attacks faces aru finetune retrain

Each model is audited at the level standard under the official protocol, where it has not been, and `retrain` as another seed's
beside the first: so far two retrained models lie apart. Nobody's id is printed.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from aru.audit.audit_file import About, AuditRecord
from aru.audit.compared_models import Cell, find_cell, record_of
from aru.audit.criteria import KNOWN
from aru.audit.thresholds import THRESHOLDS_FILE, Level, read_thresholds
from aru.core.config import load_config
from aru.core.errors import InputError
from aru.core.files import read_json
from aru.reporting.audit.page import write_audit
from aru.reporting.audit.reported import Reported, reported
from aru.reporting.markdown import format_table
from aru.stages.model_audit import audit_folder

LEVEL: Level = "standard"


def main() -> int:
    """Audit what is missing and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("benchmark")
    parser.add_argument("methods", nargs="+")
    options = parser.parse_args()
    for method in options.methods:
        print(f"## {method}\n")
        for table in reported(_record(options.benchmark, method)):
            print(f"{table.title}\n\n{_markdown(table)}")
    return 0


def _record(benchmark: str, method: str) -> AuditRecord:
    """The audit of a method's model of seed 0; for `retrain` that of seed 1, beside the models of seed 0."""
    root, other = Path("."), method == "retrain"
    name = f"{Cell(method, seed=int(other)).name}{'-beside-seed-0' if other else ''}"
    folder = audit_folder(root, benchmark, name, LEVEL)
    if not (folder / "audit.json").is_file():
        trio = find_cell(benchmark, Cell(method), root=root)
        if other:
            trio = replace(trio, audited=find_cell(benchmark, Cell(method, seed=1), root=root).audited)
        config = load_config(root / "params.yaml", benchmark)
        thresholds = read_thresholds(root / THRESHOLDS_FILE, KNOWN).on(benchmark)
        about: About = {"benchmark": benchmark, "model": name, "made_from": {}}
        write_audit(folder, record_of(trio, thresholds, config, root / "work" / benchmark, LEVEL, about))
    return read_json(folder / "audit.json")


def _markdown(table: Reported) -> str:
    rows = [[row.name, *(" ".join([cell.text, *cell.small]) for cell in row.cells)] for row in table.rows]
    return format_table(["", *table.columns], rows)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except InputError as error:
        sys.exit(f"error: {error}")
