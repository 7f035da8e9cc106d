"""The figures of one model, under keys that are the same for every model."""

from collections.abc import Mapping
from typing import Any

from aru.reporting.run.results import seconds

HEADLINE = ("nomus", "mia/forgetting_score", "test/accuracy", "test/balanced_accuracy")
TRAINED_ON = {"original": "forget and retain", "unlearned": "forget and retain, then retain", "retrained": "retain"}


def model_figures(metrics: Mapping[str, Any], costs: Mapping[str, Mapping[str, Any]], model: str) -> dict[str, float]:
    """All figures of a model, those of the results table first; the retrained model's gaps to itself are 0.

    Costs are left out where a stage has not left any, figures where the sets are too small for them.
    """
    figures = {key: value for key, value in metrics["models"][model].items() if value is not None}
    gaps = metrics["gaps"].get(model) or {f"gap/{key}": 0.0 for key in figures}
    gaps = {key: value for key, value in gaps.items() if value is not None}
    spent, reference = seconds(model, costs), seconds("retrained", costs)
    cost = {} if spent is None or not reference else {"cost/seconds": spent, "cost/share_of_retraining": spent / reference}
    return {key: figures[key] for key in HEADLINE if key in figures} | cost | figures | gaps
