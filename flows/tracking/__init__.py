"""All of MLflow: the store, runs, registry, lineage and descriptions; `flows.tracking.log_unlearned` for a notebook."""

from typing import Any


def __getattr__(name: str) -> Any:
    """`log_unlearned`, imported when it is used first: it needs PyTorch, which the command line does not always."""
    if name == "log_unlearned":
        from flows.tracking.notebook_runs import log_unlearned

        return log_unlearned
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
