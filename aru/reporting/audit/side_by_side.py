"""A benchmark's audits beside each other, as a Markdown table (`python -m aru side-by-side`).

Figures and verdicts alone: the people whom an audit lists by id are left out, so that the table can be published.
"""

from collections.abc import Sequence
from pathlib import Path

from aru.audit.audit_file import AuditRecord, CriterionRow
from aru.core.errors import InputError
from aru.core.files import read_json
from aru.reporting.audit.page import criterion_cells
from aru.reporting.markdown import escape_markdown, format_table


def read_audits(work: Path, level: str) -> list[AuditRecord]:
    """The records of all audits of a level under work/BENCHMARK/audit/, by model; InputError where there is none."""
    found = [read_json(path) for path in sorted((Path(work) / "audit").glob(f"*-{level}/audit.json"))]
    if not found:
        raise InputError(
            f"there are no audits of the level {level} in {Path(work) / 'audit'}: `aru audit MODEL --level {level}` makes one"
        )
    versions = sorted({record["thresholds_version"] for record in found})
    if len(versions) > 1:
        raise InputError(f"the audits were held to the versions {versions} of thresholds.yaml: make the older ones again")
    return found


def side_by_side(records: Sequence[AuditRecord]) -> str:
    """The table as Markdown: a column a model, a row a criterion, and first what the relative test says.

    * marks those on which the verdict does not rest.
    """
    rows = [["verdict", *(f"**{record['verdict']}**" for record in records)]]
    nearer = [record.get("relative", {}).get("answer", "not tested") for record in records]
    rows.insert(0, ["nearer to", *nearer])
    for criterion in records[0]["criteria"]:
        name = criterion["name"] + ("" if criterion["required"] else " *")
        found = [{row["name"]: row for row in record["criteria"]}[criterion["name"]] for record in records]
        rows.append([name, *(_cell(row) for row in found)])
    return format_table(["Criterion", *(escape_markdown(record["model"]) for record in records)], rows)


def _cell(row: CriterionRow) -> str:
    if not row["verdict"]:
        return "not tested"
    figure, interval, _ = criterion_cells(row)
    return f"{figure} {interval} {row['verdict']}" if row["interval"] else f"{figure} {row['verdict']}"
