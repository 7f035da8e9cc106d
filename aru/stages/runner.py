"""The stages: each a function from files to files, the same for Prefect, DVC and a person at a prompt.

Each stage is a module of its own with one public function of its name, and depends in dvc.yaml on a record of just the files
that it imports (`aru.stages.code_record`): a change of the report's code does not train a model again.
"""

import importlib
from contextlib import nullcontext
from pathlib import Path

from aru.compute.device import device_of, make_compute
from aru.compute.distributed import ALONE, joined
from aru.compute.place import Place, own_place
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
    written. A stage that trains starts `runtime.processes` processes, or is one that `torchrun` started, where these are
    several; the first alone writes. Raises InputError for anything that the user can mend, and where code, parameters or data
    of the stage were changed while it ran, or another process is at the same stage.
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
    place = own_place()
    _check_processes(stage, config, place)
    if place is None and config.runtime.processes > 1 and _trains(stage, config):
        _run_in_processes(stage, benchmark, root, config, progress)
        return
    compute = make_compute(config.runtime, local_rank=place.local_rank if place else None)
    with joined(place, compute.device) if place else nullcontext(ALONE) as group:
        job = Job(benchmark, root / "work" / benchmark, archive, config, compute, progress, Stopwatch(), group)
        _run_here(stage, job, root, inputs)


def run_in_group(stage: str, benchmark: str, root: Path, *, progress: Progress = silent) -> None:
    """`run` as one of the processes that it starts."""
    run(stage, benchmark, root=root, progress=progress)


def _run_here(stage: str, job: Job, root: Path, inputs: Inputs) -> None:
    """Run the stage in this process, alone or as one of the job's group."""
    config, compute, clock, group = job.config, job.compute, job.clock, job.group
    function = getattr(importlib.import_module(f"aru.stages.{stage}"), stage)
    if group.rank > 0:
        function(job)
        group.count_cpu(clock)
        return
    if stage in _BEFORE_WORK:
        from aru.stages.dry_pass import check_network  # here: that a network passes is no input of a stage's result
        from aru.train.pretrained import read_init

        classes = _classes(stage, config, job.archive, job.work)
        check_network(config, compute, classes)
        read_init(config, root, outputs_of(classes, config.data.task))
    clear_peak_memory()
    folder = job.work / FOLDERS[stage]
    with locked_folder(folder):
        remove_leftovers(folder)
        done = function(job)
        images = 0 if isinstance(done, NotTrained) else done
        group.count_cpu(clock)
        if stage not in _WITHOUT_COST:
            before = _costs_before(stage, job.work)
            spent = cost(stage, clock, images, compute=compute, processes=group.size, before=before)
            if isinstance(done, NotTrained):
                spent["not_trained"] = done.why
            write_json(folder / "cost.json", spent)
        check_own_code(config.model.name, config.model.code, root)
        inputs.check()
    if stage not in _NOT_REPORTED:
        remove_path(job.work / FOLDERS["report"])  # it is of what lay here before; where that is the same, a cache has it


def _run_in_processes(stage: str, benchmark: str, root: Path, config: Config, progress: Progress) -> None:
    """Run the stage in `runtime.processes` processes of this machine."""
    from aru.compute.jobs import Job as Call  # here, as most stages start no process
    from aru.compute.ranks import run_ranks

    count = config.runtime.processes
    device_of(config.runtime, local_rank=count - 1)
    call = Call(stage, f"stage {stage}", "aru.stages.runner:run_in_group", (stage, benchmark, root.resolve()))
    run_ranks(call, count, progress)


def _trains(stage: str, config: Config) -> bool:
    """Whether the stage trains a model in a way that processes can share."""
    if stage == "train":
        return config.model.original is None
    return stage == "finetune" or (stage == "retrain" and config.evaluate.retrained)


def _check_processes(stage: str, config: Config, place: Place | None) -> None:
    """What torchrun has started must be what params.yaml says, as that is what DVC and MLflow record."""
    if place is None:
        return
    if not _trains(stage, config):
        raise InputError(f"torchrun started {place.size} processes, and the stage {stage!r} trains nothing: run it without")
    if place.size != config.runtime.processes:
        raise InputError(
            f"torchrun started {place.size} processes, runtime.processes is {config.runtime.processes}: make them the same "
            f"(`aru run --set runtime.processes={place.size}` writes the parameter)"
        )


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
