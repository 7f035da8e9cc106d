"""The stages: each a function from files to files, the same for Prefect, DVC and a person at a prompt.

Each stage is a module of its own with one public function of its name, and depends in dvc.yaml on a record of just the files
that it imports (`aru.stages.code_record`): a change of the report's code does not train a model again.
"""

import importlib
from pathlib import Path

from aru.compute.device import make_compute
from aru.core.config import Config, load_archive, load_config
from aru.core.cost_record import Cost
from aru.core.errors import InputError
from aru.core.files import read_json, write_json
from aru.core.folders import FOLDERS, STAGES, stages_of
from aru.core.leftovers import locked_folder, remove_leftovers, remove_path
from aru.core.progress import Progress, silent
from aru.core.stopwatch import Stopwatch
from aru.data.classes import Classes, outputs_of, read_classes
from aru.data.sources.canonical import archive_classes
from aru.methods.catalogue import check_runnable
from aru.nets.own_code import check_own_code, use_project_code
from aru.stages.cost import clear_peak_memory, cost
from aru.stages.job import Job
from aru.stages.not_trained import NotTrained
from aru.stages.unchanged import Inputs

__all__ = ["FOLDERS", "STAGES", "run"]

_BEFORE_WORK = ("prepare", "train", "retrain")  # the first stage of all, and the first ones to run with another network
_WITHOUT_COST = ("prepare", "report")  # what unlearning costs does not begin before, or end after, the models
_SAME_WORK = {"finetune": ("attack", "mask")}  # whose costs the last of them writes with its own
_NOT_REPORTED = ("audit", "report")  # the audit may still be at work when the report is written


def run(stage: str, benchmark: str, *, root: Path = Path("."), progress: Progress = silent) -> None:
    """Run one stage of one benchmark in the project folder `root`.

    Every output is written beside its place and moved in, so a stage that is interrupted leaves nothing half
    written. Raises InputError for anything that the user can mend, and where code, parameters or data of the stage were
    changed while it ran, or another process is at the same stage.
    """
    if stage not in FOLDERS:
        raise InputError(f"unknown stage {stage!r}: the stages are {', '.join(STAGES)}")
    root = Path(root)
    inputs = Inputs(stage, benchmark, root)
    config = load_config(root / "params.yaml", benchmark)
    _check_method(stage, benchmark, config)
    archive = root / load_archive(root / "params.yaml", benchmark)
    use_project_code(root)
    check_own_code(config.model.name, config.model.code, root)
    compute, clock = make_compute(config.runtime), Stopwatch()
    job = Job(benchmark, root / "work" / benchmark, archive, config, compute, progress, clock)
    if stage in _BEFORE_WORK:
        from aru.stages.dry_pass import check_network  # here: that a network passes is no input of a stage's result
        from aru.train.pretrained import read_init

        classes = _classes(stage, config, archive, job.work)
        check_network(config, compute, classes)
        read_init(config, root, outputs_of(classes, config.data.task))
    function = getattr(importlib.import_module(f"aru.stages.{stage}"), stage)
    clear_peak_memory()
    folder = job.work / FOLDERS[stage]
    with locked_folder(folder):
        remove_leftovers(folder)
        done = function(job)
        images = 0 if isinstance(done, NotTrained) else done
        if stage not in _WITHOUT_COST:
            before = _costs_before(stage, job.work)
            spent = cost(stage, clock.seconds, images, compute=compute, before=before)
            if isinstance(done, NotTrained):
                spent["not_trained"] = done.why
            write_json(folder / "cost.json", spent)
        check_own_code(config.model.name, config.model.code, root)
        inputs.check()
    if stage not in _NOT_REPORTED:
        remove_path(job.work / FOLDERS["report"])  # it is of what lay here before; where that is the same, a cache has it


def _check_method(stage: str, benchmark: str, config: Config) -> None:
    """A stage of another method than the benchmark's would write a model that nobody asks for."""
    mine = stages_of(check_runnable(config.method))
    if stage not in mine:
        raise InputError(
            f"stage {stage!r} does not belong to method {config.method!r} of {benchmark}: its stages are {', '.join(mine)}; "
            f"`aru run --benchmark {benchmark} --method NAME` sets another method"
        )


def _costs_before(stage: str, work: Path) -> list[Cost]:
    """The costs of the stages whose work this one ends; those that are there."""
    paths = [work / FOLDERS[other] / "cost.json" for other in _SAME_WORK.get(stage, ())]
    return [read_json(path) for path in paths if path.is_file()]


def _classes(stage: str, config: Config, archive: Path, work: Path) -> Classes:
    """The classes that the stage will find: in the archive before it is prepared, in prepared/ from then on."""
    if stage == "prepare":
        return archive_classes(config.data.layout, archive)
    return read_classes(work / "prepared")
