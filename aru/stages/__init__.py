"""The stages: each a function from files to files, the same for Prefect, DVC and a person at a prompt.

Each stage is a module of its own with one public function of its name, and dvc.yaml names as its dependencies just the
files that it imports: a change of the report's code does not train a model again.
"""

import importlib
import time
from pathlib import Path

from aru.compute import choose
from aru.config import load_archive, load_config
from aru.errors import InputError
from aru.files import write_json
from aru.progress import Progress, silent
from aru.stages.cost import clear_peak_memory, cost
from aru.stages.job import Job

FOLDERS = {
    "prepare": "prepared",
    "train": "original",
    "attack": "noise",
    "mask": "mask",
    "finetune": "unlearned",
    "retrain": "retrained",
    "evaluate": "evaluation",
    "audit": "audit",
    "report": "report",
}
"""The folder under work/BENCHMARK/ that each stage writes, in the stages' order."""
STAGES = tuple(FOLDERS)
_WITHOUT_COST = ("prepare", "report")  # what unlearning costs does not begin before, or end after, the models


def run(stage: str, benchmark: str, *, root: Path = Path("."), progress: Progress = silent) -> None:
    """Run one stage of one benchmark in the project folder `root`.

    Every output is written beside its place and moved in, so a stage that is interrupted leaves nothing half
    written. Raises InputError for anything that the user can mend.
    """
    if stage not in FOLDERS:
        raise InputError(f"unknown stage {stage!r}: the stages are {', '.join(STAGES)}")
    root = Path(root)
    config = load_config(root / "params.yaml", benchmark)
    archive = root / load_archive(root / "params.yaml", benchmark)
    job = Job(benchmark, root / "work" / benchmark, archive, config, choose(config.runtime), progress)
    function = getattr(importlib.import_module(f"aru.stages.{stage}"), stage)
    clear_peak_memory()
    start = time.perf_counter()
    images = function(job)
    if stage not in _WITHOUT_COST:
        spent = cost(stage, time.perf_counter() - start, images, compute=job.compute)
        write_json(job.work / FOLDERS[stage] / "cost.json", spent)
