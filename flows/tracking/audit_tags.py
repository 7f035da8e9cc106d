"""What MLflow keeps of an audit beside its files: figures as metrics, verdict, level and what failed as tags."""

from aru.audit.audit_file import AuditRecord


def audit_metrics(record: AuditRecord) -> dict[str, float]:
    """{"audit/NAME": figure} of the criteria that were tested."""
    return {f"audit/{row['name']}": row["figure"] for row in record["criteria"] if row["verdict"]}


def audit_tags(record: AuditRecord) -> dict[str, str]:
    """Verdict and level, and the required criteria that failed or were left undecided, where there are any."""
    tags: dict[str, str] = {"audit.verdict": record["verdict"], "audit.level": record["level"]}
    for tag, names in (("audit.failed", failed_criteria(record)), ("audit.inconclusive", undecided_criteria(record))):
        if names:
            tags[tag] = ", ".join(names)
    return tags


def failed_criteria(record: AuditRecord) -> list[str]:
    """The required criteria that failed."""
    return [row["name"] for row in record["criteria"] if row["required"] and row["verdict"] == "fail"]


def undecided_criteria(record: AuditRecord) -> list[str]:
    """The required criteria that are inconclusive or were not tested."""
    return [row["name"] for row in record["criteria"] if row["required"] and row["verdict"] not in ("pass", "fail")]
