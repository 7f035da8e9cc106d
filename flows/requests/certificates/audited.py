"""What a certificate says of an audit, from the audit's record."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from aru.audit.audit_file import AuditRecord, CriterionRow
from aru.core.file_digest import file_sha256
from flows.requests.certificates.contents import Audit, Figure, utc

_WORST = ("worst_people", "individuals")
"""The criteria that speak of single people, the one that knows most first."""
_BYSTANDERS = ("bystanders", "bystander_exposure")


def audit_of(record: AuditRecord, *, thresholds: Path, scheduled: str, fixed_at: datetime) -> Audit:
    """The part of a certificate that speaks of the audit.

    thresholds: the file of limits that the audit used. scheduled: the SHA-256 of that file when the batch was scheduled, at
    `fixed_at`. Criteria that the audit's level did not measure stand as not tested.
    """
    rows = record["criteria"]
    return Audit(
        verdict=record["verdict"],
        level=record["level"],
        thresholds=file_sha256(thresholds),
        thresholds_scheduled=scheduled,
        thresholds_fixed_at=utc(fixed_at),
        criteria=tuple(map(_figure, rows)),
        worst_person=_first(rows, _WORST),
        bystanders=_first(rows, _BYSTANDERS),
    )


def _first(rows: Sequence[CriterionRow], names: Sequence[str]) -> Figure:
    """The first of these criteria that has a figure."""
    found = {row["name"]: row for row in rows}
    measured = [found[name] for name in names if name in found and found[name]["verdict"] is not None]
    if measured:
        return _figure(measured[0])
    return Figure(criterion=names[0], value=None, low=None, high=None, limit="", verdict="not tested", required=False)


def _figure(row: CriterionRow) -> Figure:
    low, high = row.get("interval") or (None, None)
    return Figure(
        criterion=row["name"],
        value=row.get("figure"),
        low=low,
        high=high,
        limit=_limit(*row["limit"]),
        verdict=row["verdict"] or "not tested",
        required=row["required"],
    )


def _limit(low: float | None, high: float | None) -> str:
    if low is None:
        return "none" if high is None else f"at most {high:g}"
    return f"at least {low:g}" if high is None else f"{low:g} to {high:g}"
