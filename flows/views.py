"""Saved views of the MLflow runs table: without one it shows no figure at all.

The format is that of MLflow 3.17's own *Views* menu, kept in the experiment's tags; a release that changes it shows its
plain table instead.
"""

import json

OVERVIEW = "overview"
_TAG = "mlflow.sharedViewState."
_COLUMNS = ("metrics.`nomus`", "metrics.`mia/forgetting_score`", "metrics.`test/accuracy`",
            "metrics.`test/balanced_accuracy`", "metrics.`cost/seconds`", "tags.`protocol`", "tags.`seed`",
            "attributes.`Models`", "attributes.`Version`")
_MADE = 1_760_000_000_000  # any fixed time: the tag is the same in every experiment


def view_tags() -> dict[str, str]:
    """The experiment's tags that hold its saved views."""
    return {f"{_TAG}{OVERVIEW}": _view("Flows and models with their figures")}


def _view(name: str) -> str:
    state = {"searchFilter": "tags.kind != 'stage'", "selectedColumns": list(_COLUMNS)}
    return json.dumps({"name": name, "createdAt": _MADE, "updatedAt": _MADE, "state": json.dumps(state)})
