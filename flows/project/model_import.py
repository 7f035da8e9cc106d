"""An original that was trained elsewhere: checked on some images first, then tracked by DVC and named in params.yaml."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aru.core.config import load_config
from aru.core.errors import InputError
from aru.core.files import file_md5
from aru.core.progress import Progress, silent
from flows.project import versioning
from flows.project.digests import Digests
from flows.project.folder import lock_folder, project_lock
from flows.project.params import PARAMS_FILE, Change, propose
from flows.project.stage_code import CODE_STAGE, StageCode

MODELS = "models"


@dataclass(frozen=True)
class ImportedModel:
    """An original that was brought in: its file, the .dvc file that tracks it, what was found and what was set."""

    file: str
    tracked_by: str
    notes: list[str]
    changes: list[Change]


def import_model(
    root: Path,
    weights: Path,
    arch: str,
    benchmark: str,
    *,
    settings: Sequence[tuple[str, Any]] = (),
    anyway: bool = False,
    progress: Progress = silent,
) -> ImportedModel:
    """Make weights the original of a benchmark: the stage `train` puts them in place and trains nothing.

    `settings` are parameters that are set with it, model.mean and model.std among them; evaluate.retrained is set to false
    unless they say otherwise. Nothing is written before the network has been through all stages with made-up images and has
    answered real ones; answers to retain no better than chance are an InputError unless `anyway`.
    """
    from aru.compute.device import make_compute
    from aru.data.classes import read_classes
    from aru.data.images import load_sets
    from aru.metrics.first_look import first_look
    from aru.nets.configured import build_configured
    from aru.nets.models import save_model
    from aru.nets.own_code import is_own, use_project_code
    from aru.nets.weights_file import fill, read_weights
    from aru.stages.dry_pass import check_network

    data = [name for name, _ in settings if name.partition(".")[0] == "data"]
    if data:  # the photos that the network answers are prepared by params.yaml as it is
        raise InputError(f"--set {data[0]} changes the photos: set it in params.yaml before the import")
    with project_lock(root):
        use_project_code(root)
        tensors, notes = read_weights(weights)
        given = [("evaluate.retrained", False), *settings]
        if load_config(root / PARAMS_FILE, benchmark).model.name != arch or is_own(arch):  # own code may have changed since
            given.append(("model.name", arch))
        config = propose(root / PARAMS_FILE, benchmark, given).config
        _prepare(root, benchmark, progress)
        prepared, compute = root / "work" / benchmark / "prepared", make_compute(config.runtime)
        sets = load_sets(prepared, config.data.task)
        side, outputs = config.data.resolution, sets.retain.outputs
        model = build_configured(config.model, outputs, resolution=side)
        notes += fill(getattr(model, "network", model), tensors, where=str(weights))
        check_network(config, compute, read_classes(prepared))
        seen = first_look(model, {"retain": sets.retain, "test": sets.test}, compute=compute)
        notes += [look.text for look in seen]
        notes.append(
            "the figures take it that test and unseen were not trained on: the table's splits must be those of its training"
        )
        if not anyway and seen[0].chance:  # on a few test images chance can seldom be excluded
            raise InputError(
                "\n".join(
                    [*notes, "nothing was imported: check the order of the classes, and --mean and --std; --yes imports it"]
                )
            )
        file = f"{MODELS}/{benchmark}.safetensors"
        staged = lock_folder(root) / f"{benchmark}.safetensors"
        try:
            save_model(staged, model, name=arch, outputs=outputs, resolution=side)
            edit = propose(
                root / PARAMS_FILE,
                benchmark,
                [*given, ("model.original", file), ("model.original_md5", file_md5(staged))],
            )
            (root / MODELS).mkdir(exist_ok=True)
            os.replace(staged, root / file)
        finally:
            staged.unlink(missing_ok=True)
        tracked_by = versioning.track(root, file)
        edit.write()
    return ImportedModel(file, tracked_by, notes, edit.changes)


def remove_model(root: Path, benchmark: str) -> list[Change]:
    """Go back to an original, and a retrained reference, that are trained here; the imported file stays where it is."""
    with project_lock(root):
        if load_config(root / PARAMS_FILE, benchmark).model.original is None:
            raise InputError(f"the original of {benchmark} was not imported: there is nothing to undo")
        edit = propose(
            root / PARAMS_FILE,
            benchmark,
            [("model.original", None), ("model.original_md5", None), ("evaluate.retrained", True)],
        )
        edit.write()
    return edit.changes


def _prepare(root: Path, benchmark: str, progress: Progress) -> None:
    """Run the stage `prepare` where its files are not those of dvc.lock and the present inputs, and record it."""
    from aru.stages.runner import run
    from flows.project.plan import check_sources, differences, plan

    stage = next(stage for stage in plan(root, benchmark) if stage.name == "prepare")
    check_sources(root, [stage])
    locked, digests = versioning.locked(root), Digests(root)
    code, entry = StageCode(root, locked, digests), locked.get(stage.address)
    code.refresh()
    if entry and not differences(stage, digests.of_all(stage.deps), entry) and digests.of_all(stage.outs) == entry.outs:
        return
    run("prepare", benchmark, root=root, progress=progress)
    versioning.commit(root, [CODE_STAGE, stage.address])
