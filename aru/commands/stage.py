"""Run one stage of one benchmark: what dvc.yaml calls.

DVC's commands do not have the benchmark in them, because a shell reads them: DVC gives it in the environment.
"""

import argparse
import logging
import os
import time
from pathlib import Path

from aru.core.errors import InputError
from aru.stages.code_record import check_code_record

SUMMARIES = {
    "prepare": "stage: archive -> manifest, census and decoded images",
    "train": "stage: forget and retain -> the original model",
    "attack": "stage: original model and forget set -> one noise tensor an image",
    "mask": "stage: original model, forget set and noises -> scores and a boolean mask per layer",
    "finetune": "stage: original model and mask -> the unlearned model",
    "unlearn": "stage: original model, forget and retain -> the unlearned model of another method than ARU",
    "retrain": "stage: retain alone -> the retrained model",
    "evaluate": "stage: three models and four sets -> predictions and metrics",
    "audit": "stage: the quick audit of the unlearned model",
    "report": "stage: metrics -> the page, the table and the figures",
}
"""One line a stage."""
_LINE_EVERY_SECONDS = 10.0
log = logging.getLogger("aru")


class LoggedProgress:
    """Progress as plain lines, at most one every ten seconds."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self, done: int, total: int, text: str) -> None:
        if time.monotonic() - self._last >= _LINE_EVERY_SECONDS:
            self._last = time.monotonic()
            log.info("%s: %d of %d (%.0f %%)", text, done, total, 100 * done / max(1, total))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The benchmark; under DVC that of the stage it runs."""
    parser.add_argument("benchmark", nargs="?", help="an active benchmark of params.yaml; under DVC that of its stage")


def run(options: argparse.Namespace) -> int:
    """Run the stage `options.command`."""
    from aru.stages.runner import run as run_stage

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    stage = options.command
    if "DVC_STAGE" in os.environ:
        check_code_record(stage, Path("."))
    run_stage(stage, options.benchmark or _benchmark_of_dvc(stage), root=Path("."), progress=LoggedProgress())
    return 0


def _benchmark_of_dvc(stage: str) -> str:
    """The benchmark of the stage that DVC runs, such as train@faces."""
    _, found, benchmark = os.environ.get("DVC_STAGE", "").partition(f"{stage}@")
    if not found:
        raise InputError(f"name a benchmark: `python -m aru {stage} faces`")
    return benchmark
