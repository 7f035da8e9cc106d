"""The results table, shared by the report, the command line and the flow's artifact."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aru.core.files import read_json
from aru.reporting.markdown import format_table

STAGES_OF_MODEL = {
    "original": ("train",),
    "unlearned": ("attack", "mask", "finetune"),
    "retrained": ("retrain",),
}
"""The stages whose seconds a model costs; unlearning starts from an original that is there already."""
HEADINGS = {
    "model": "Model",
    "test_accuracy": "Test accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "forgetting_score": "Forgetting score",
    "nomus": "NoMUS",
    "seconds": "Seconds",
}
METRICS = {
    "test_accuracy": "test/accuracy",
    "balanced_accuracy": "test/balanced_accuracy",
    "forgetting_score": "mia/forgetting_score",
    "nomus": "nomus",
}
"""Column of the table -> key in metrics.json."""


def results_table(metrics: Mapping[str, Any], costs: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row a model, in the order original, unlearned, retrained, with the keys of `HEADINGS`.

    `metrics` is the content of metrics.json, `costs` maps a stage's name to the content of its cost.json.
    Seconds are None where a stage has left no cost, figures where the sets are too small for them.
    """
    models = metrics["models"]
    return [
        {"model": model} | {column: models[model][key] for column, key in METRICS.items()} | {"seconds": seconds(model, costs)}
        for model in STAGES_OF_MODEL
        if model in models
    ]


def seconds(model: str, costs: Mapping[str, Mapping[str, Any]]) -> float | None:
    """Seconds that a model's own stages took; None where one of them is not known."""
    stages = STAGES_OF_MODEL[model]
    if not all(stage in costs for stage in stages):
        return None
    return round(sum(costs[stage]["seconds"] for stage in stages), 3)


def read_costs(work: Path) -> dict[str, dict[str, Any]]:
    """The content of every cost.json under work/BENCHMARK/, by stage."""
    costs = [read_json(path) for path in sorted(Path(work).glob("*/cost.json"))]
    return {cost["stage"]: cost for cost in costs}


def format_row(row: Mapping[str, Any]) -> list[str]:
    """The cells of one row as text: four decimals, one for seconds, a dash for what is not known."""
    cells = [str(row["model"]), *("–" if row[column] is None else f"{row[column]:.4f}" for column in METRICS)]
    return [*cells, "–" if row["seconds"] is None else f"{row['seconds']:.1f}"]


def markdown_table(rows: list[dict[str, Any]]) -> str:
    """The table as Markdown, figures flush right."""
    return format_table(list(HEADINGS.values()), [format_row(row) for row in rows])
