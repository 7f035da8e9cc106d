"""Metrics files -> the page, the table and the figures."""

from aru.methods.chosen import settings_of
from aru.reporting.run.report import write_report
from aru.stages.job import Job


def report(job: Job) -> int:
    """Write report/report.html, report/results.md and report/figures/; no image is passed over."""
    write_report(job.work, job.work / "report", settings=settings_of(job.config))
    return 0
