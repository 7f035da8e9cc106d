"""Saved views of MLflow's pages: without one the runs table shows no figure at all, and a comparison a single axis.

The format is that of MLflow 3.17's own *Views* menu, kept in the experiment's tags; a release that changes it shows its
plain table instead.
"""

import json
from typing import Any

OVERVIEW, MODELS = "overview", "models"
_TAG = "mlflow.sharedViewState."
_COLUMNS = (
    "metrics.`mia/forgetting_score`",
    "metrics.`nomus`",
    "metrics.`test/accuracy`",
    "tags.`method`",
    "tags.`alias`",
    "tags.`audit.verdict`",
)
"""So few that NoMUS is seen on a screen of 1600 pixels of which MLflow's assistant takes a quarter; metrics come first and by
their names, whatever the order here."""
_CHARTS = {
    "nomus": "NoMUS (higher is better)",
    "test/accuracy": "Test accuracy",
    "mia/forgetting_score": "Forgetting score (0 is best)",
    "mia_matched/auc": "Class-matched attack, AUC (0.5 is best)",
    "cost/seconds": "Seconds",
    "forget/accuracy": "Accuracy on the forget set",
}
_AXES = ["test/accuracy", "mia/forgetting_score", "mia_matched/auc", "cost/seconds", "nomus"]
_SECTION = "aru-compared"
_MADE = 1_760_000_000_000  # any fixed time: the tag is the same in every experiment


def overview_tag() -> dict[str, str]:
    """The experiment's tag that holds the view of its runs."""
    return {
        f"{_TAG}{OVERVIEW}": _view(
            "Flows and models with their figures", {"searchFilter": "tags.kind != 'stage'", "selectedColumns": list(_COLUMNS)}
        )
    }


def models_tag(query: str) -> dict[str, str]:
    """The experiment's tag that holds the view of one flow's models, which `query` finds, in charts.

    Ordered by a figure, they stand by themselves; by their times they would be folded into their flow's row.
    """
    section = {
        "uuid": _SECTION,
        "name": "Models compared",
        "display": True,
        "isReordered": False,
        "deleted": False,
        "isGenerated": False,
    }
    return {
        f"{_TAG}{MODELS}": _view(
            "Models of the newest flow compared",
            {
                "searchFilter": query,
                "orderByKey": "metrics.`nomus`",
                "orderByAsc": False,
                "selectedColumns": list(_COLUMNS),
                "compareRunCharts": _charts(),
                "compareRunSections": [section],
                "isAccordionReordered": True,
            },
        )
    }


def _charts() -> list[dict[str, Any]]:
    """A chart for each headline figure, and all of them beside each other in parallel coordinates."""
    shared = {"metricSectionId": _SECTION, "deleted": False, "isGenerated": False, "runsCountToCompare": 10}
    bars = [
        shared | {"type": "BAR", "uuid": f"aru-{key}", "metricKey": key, "displayName": title}
        for key, title in _CHARTS.items()
    ]
    return [
        *bars,
        shared
        | {
            "type": "PARALLEL",
            "uuid": "aru-axes",
            "selectedMetrics": _AXES,
            "selectedParams": [],
            "showAllRuns": False,
            "displayName": "All of them",
        },
    ]


def _view(name: str, state: dict[str, Any]) -> str:
    return json.dumps({"name": name, "createdAt": _MADE, "updatedAt": _MADE, "state": json.dumps(state)})
