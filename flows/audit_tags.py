"""What MLflow keeps of an audit beside its files: figures as metrics, verdict, level and what failed as tags."""

from collections.abc import Mapping
from typing import Any

FAILED = "fail"


def audit_metrics(record: Mapping[str, Any]) -> dict[str, float]:
    """{"audit/NAME": figure} of the criteria that were tested."""
    return {f"audit/{row['name']}": row["figure"] for row in record["criteria"] if row["verdict"]}


def audit_tags(record: Mapping[str, Any]) -> dict[str, str]:
    """Verdict and level, and the required criteria that failed, where any did."""
    failed = failed_criteria(record)
    tags = {"audit.verdict": record["verdict"], "audit.level": record["level"]}
    return tags | ({"audit.failed": ", ".join(failed)} if failed else {})


def failed_criteria(record: Mapping[str, Any]) -> list[str]:
    """The required criteria that failed."""
    return [row["name"] for row in record["criteria"] if row["required"] and row["verdict"] == FAILED]
