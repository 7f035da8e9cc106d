"""The report of a run: one self-contained page, the results as Markdown and the figures, from files alone."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aru.core.cost_record import StageSeconds
from aru.core.files import atomic_path, file_md5, read_json
from aru.core.names import MODELS
from aru.metrics.metrics_file import Metrics
from aru.metrics.predictions import read_predictions
from aru.reporting.markdown import escape_markdown
from aru.reporting.run.figures import write_figures
from aru.reporting.run.findings import findings
from aru.reporting.run.page import Run, report_page
from aru.reporting.run.results import COST_FOLDERS, markdown_table, read_costs, results_table
from aru.train.history import ImportedModel

INPUTS = (
    "evaluation/metrics.json",
    "evaluation/predictions.safetensors",
    "prepared/audit.json",
    *(f"{model}/history.json" for model in MODELS),
    *(f"{folder}/cost.json" for folder in COST_FOLDERS),
)
"""All that the report reads, relative to work/BENCHMARK/."""


def write_report(work: Path, out: Path, *, settings: Mapping[str, Any] | None = None) -> None:
    """Write report.html, results.md and figures/ into `out`, from the files of work/BENCHMARK/ named in `INPUTS`.

    `settings`, the parameters by section, are shown where they are given. Nothing is fetched when the page is
    opened, and no image of a person is in it. Raises InputError where an input is missing or unreadable.
    """
    work, out = Path(work), Path(out)
    predictions = read_predictions(work / "evaluation" / "predictions.safetensors")
    run = read_run(work)
    with atomic_path(out / "figures") as folder:
        folder.mkdir()
        histories = {model: history for model, history in run.histories.items() if model in run.metrics["models"]}
        named = None if run.audit.get("people_are_classes") else run.audit.get("classes")  # no person's name in a picture
        write_figures(folder, predictions, run.metrics, histories, named)
    with atomic_path(out / "results.md") as path:
        path.write_text(results_markdown(run.metrics, run.costs, run.imported), encoding="utf-8")
    with atomic_path(out / "report.html") as path:
        path.write_text(report_page(run, out / "figures", settings), encoding="utf-8")


def read_run(work: Path) -> Run:
    """Read every JSON file that the report is made of."""
    for folder in COST_FOLDERS:  # one that is missing is named
        read_json(work / folder / "cost.json")
    return Run(
        read_json(work / "evaluation" / "metrics.json"),
        read_costs(work),
        {model: read_json(work / model / "history.json") for model in MODELS},
        read_json(work / "prepared" / "audit.json"),
        {name: file_md5(work / name) for name in INPUTS if not name.endswith("cost.json")},
    )


def results_markdown(metrics: Metrics, costs: Mapping[str, StageSeconds], imported: ImportedModel | None = None) -> str:
    """The results table and the findings as Markdown."""
    lines = [f"- **{finding.mark}.** {finding.text}" for finding in findings(metrics, costs, imported)]
    title = f"benchmark {metrics['benchmark']}, protocol {metrics['protocol']}, task {metrics['task']}, seed {metrics['seed']}"
    return f"{escape_markdown(title)}\n\n{markdown_table(results_table(metrics, costs))}\n" + "\n".join(lines) + "\n"
