"""The figures of one model, under keys that are the same for every model."""

from collections.abc import Mapping
from typing import Any

from aru.core.cost_record import StageSeconds
from aru.core.names import RETRAINED
from aru.reporting.run.results import seconds

HEADLINE = ("nomus", "mia/forgetting_score", "test/accuracy", "test/balanced_accuracy")
TRAINED_ON = {"original": "forget and retain", "unlearned": "forget and retain, then retain", "retrained": "retain"}


def model_figures(metrics: Mapping[str, Any], costs: Mapping[str, StageSeconds], model: str) -> dict[str, float]:
    """All figures of a model, those of the results table first; the retrained model's gaps to itself are 0.

    Costs are left out where a stage has not left any, figures where the sets are too small for them.
    """
    figures = {key: value for key, value in metrics["models"][model].items() if value is not None}
    gaps = metrics["gaps"].get(model) or ({f"gap/{key}": 0.0 for key in figures} if model == RETRAINED else {})
    gaps = {key: value for key, value in gaps.items() if value is not None}
    spent, reference = seconds(model, costs), seconds(RETRAINED, costs)
    cost = {} if spent is None else {"cost/seconds": spent}
    if spent is not None and reference:
        cost["cost/share_of_retraining"] = spent / reference
    return {key: figures[key] for key in HEADLINE if key in figures} | cost | figures | gaps


def imported_tags(imported: Mapping[str, str]) -> dict[str, str]:
    """The tags of runs and versions whose original was imported; `imported` has its file and MD5."""
    return {"original": "imported", "original_file": imported["file"], "original_file_md5": imported["md5"]}
