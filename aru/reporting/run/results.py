"""The results table, shared by the report, the command line and the flow's artifact."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypedDict

from aru.core.cost_record import Cost, StageSeconds
from aru.core.files import read_json
from aru.core.folders import ARU_STAGES, PEER_STAGES
from aru.core.names import MODELS, ORIGINAL, RETRAINED
from aru.reporting.markdown import format_table

COST_FOLDERS = ("original", "unlearned", "retrained", "evaluation")
"""The folders of work/BENCHMARK/ whose cost.json count. That of the unlearned model holds those of all stages that made it:
what lies in the folders of another method is of no account."""
_STAGE_OF_MODEL: Mapping[str, str] = {ORIGINAL: "train", RETRAINED: "retrain"}
HEADINGS = {
    "model": "Model",
    "test_accuracy": "Test accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "forgetting_score": "Forgetting score",
    "nomus": "NoMUS",
    "seconds": "Seconds",
}
Column = Literal["test_accuracy", "balanced_accuracy", "forgetting_score", "nomus"]
METRICS: Mapping[Column, str] = {
    "test_accuracy": "test/accuracy",
    "balanced_accuracy": "test/balanced_accuracy",
    "forgetting_score": "mia/forgetting_score",
    "nomus": "nomus",
}
"""Column of the table -> key in metrics.json."""


class ResultRow(TypedDict):
    """A row of the results table; None for what is not known or not measured."""

    model: str
    test_accuracy: float | None
    balanced_accuracy: float | None
    forgetting_score: float | None
    nomus: float | None
    seconds: float | None


def results_table(metrics: Mapping[str, Any], costs: Mapping[str, StageSeconds]) -> list[ResultRow]:
    """One row a model, in the order original, unlearned, retrained, with the keys of `HEADINGS`.

    `metrics` is the content of metrics.json, `costs` maps a stage's name to the content of its cost.json.
    Seconds are None where a stage has left no cost, figures where the sets are too small for them.
    """
    models = metrics["models"]
    return [
        {
            "model": model,
            "test_accuracy": models[model][METRICS["test_accuracy"]],
            "balanced_accuracy": models[model][METRICS["balanced_accuracy"]],
            "forgetting_score": models[model][METRICS["forgetting_score"]],
            "nomus": models[model][METRICS["nomus"]],
            "seconds": seconds(model, costs),
        }
        for model in MODELS
        if model in models
    ]


def seconds(model: str, costs: Mapping[str, StageSeconds]) -> float | None:
    """Seconds that a model's own stages took; None where one of them is not known, or the model was not trained here."""
    stages = stages_of_model(model, costs)
    if not all(stage in costs and "not_trained" not in costs[stage] for stage in stages):
        return None
    return round(sum(costs[stage]["seconds"] for stage in stages), 3)


def stages_of_model(model: str, costs: Mapping[str, StageSeconds]) -> tuple[str, ...]:
    """The stages whose seconds a model costs; unlearning starts from an original that is there already."""
    if model in _STAGE_OF_MODEL:
        return (_STAGE_OF_MODEL[model],)
    return PEER_STAGES if set(PEER_STAGES) & set(costs) else ARU_STAGES


def read_costs(work: Path) -> dict[str, Cost]:
    """The content of every cost.json of `COST_FOLDERS` that is there, by stage in the order of the work."""
    paths = (Path(work) / folder / "cost.json" for folder in COST_FOLDERS)
    found: list[Cost] = [read_json(path) for path in paths if path.is_file()]
    return {cost["stage"]: cost for last in found for cost in (*last.get("before", ()), last)}


def format_row(row: ResultRow) -> list[str]:
    """The cells of one row as text: four decimals, one for seconds, a dash for what is not known."""
    cells = [str(row["model"]), *("–" if row[column] is None else f"{row[column]:.4f}" for column in METRICS)]
    return [*cells, "–" if row["seconds"] is None else f"{row['seconds']:.1f}"]


def markdown_table(rows: list[ResultRow]) -> str:
    """The table as Markdown, figures flush right."""
    return format_table(list(HEADINGS.values()), [format_row(row) for row in rows])
