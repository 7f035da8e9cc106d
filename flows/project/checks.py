"""What can be wrong with changed parameters is found here, before params.yaml is touched or work starts."""

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from aru.core.config import SETTINGS, Config, load_archive
from aru.core.errors import InputError
from aru.core.names import ARU
from aru.core.progress import Progress, silent
from flows.project import versioning
from flows.project.digests import Digests
from flows.project.params import PARAMS_FILE, Edit
from flows.project.plan import differences
from flows.project.stage_code import StageCode
from flows.project.versioning import Stage

if TYPE_CHECKING:
    import pandas as pd

    from aru.data.selection import Selection
    from aru.data.suppression.screening import Screen

Announce = Callable[[Sequence[str]], None]
Confirm = Callable[["Selection"], None]
ShowProgress = Callable[[str], AbstractContextManager[Progress]]


def check_edit(
    root: Path, benchmark: str, stages: list[Stage], edit: Edit, *, confirm: Confirm, progress: ShowProgress
) -> None:
    """Hold an edit to the machine, the network and the data; a new choice of people is shown to `confirm` first.

    Raises InputError. The archive is looked through again only where what `prepare` found in it is not at hand.
    """
    changed = {change.name for change in edit.changes}
    own = edit.config.data.layout == "table"  # the labels of the other layouts are known without their archives
    check_machine(edit.config, changed, root / load_archive(root / PARAMS_FILE, benchmark) if own else None)
    forget, anew = edit.config.data.forget, any(name.startswith("data.") for name in changed)
    if not (anew or forget.subjects or forget.files or forget.draw):
        return
    found, settled = prepared_rows(root, benchmark, stages)
    if anew or not settled:
        from aru.data.prepare import read_rows

        archive = root / load_archive(root / PARAMS_FILE, benchmark)
        if found is None:
            with progress("check") as shown:
                screen = screen_of(root, benchmark, edit.config)
                found = read_rows(edit.config.data.layout, archive, screen=screen, progress=shown)
        confirm(select(edit.config, with_roles(edit.config, found)))


def check_machine(config: Config, changed: set[str], archive: Path | None = None) -> None:
    """The device is here, the network can be built for these images, and another method than ARU can unlearn it.

    Whatever no setting touched is left alone.
    """
    runtime = config.runtime
    if changed & {"runtime.device", "runtime.processes"} and (runtime.processes > 1 or runtime.device.startswith("cuda")):
        from aru.compute.device import device_of

        device_of(runtime, local_rank=runtime.processes - 1 if runtime.processes > 1 else None)
    peer = config.method != ARU and any(name == "method" or name.startswith(SETTINGS) for name in changed)
    if peer or changed & {"model.name", "data.resolution", "data.task"}:
        from aru.data.classes import FIXED, outputs_of
        from aru.data.sources.canonical import archive_classes
        from aru.methods.chosen import check_fits
        from aru.nets.models import build

        classes = FIXED if archive is None else archive_classes(config.data.layout, archive)
        model = build(config.model.name, outputs_of(classes, config.data.task), resolution=config.data.resolution)
        if config.method != ARU:
            check_fits(config, model)


def screen_of(root: Path, benchmark: str, config: Config) -> "Screen | None":
    """What the project's suppression list keeps out of a benchmark's archive; None where the list is empty."""
    from aru.data.suppression.screening import open_screen

    return open_screen(root, scope=benchmark, action=config.data.suppression, forgetting=config.data.forget.files or ())


def with_roles(config: Config, rows: "pd.DataFrame", progress: Progress = silent) -> "pd.DataFrame":
    """The rows of an archive with their people and roles by these parameters."""
    from aru.data.prepare import assign_people_and_roles

    data = config.data
    return assign_people_and_roles(
        rows,
        layout=data.layout,
        protocol=data.protocol,
        seed=data.seed,
        merge=data.merge,
        forget=data.forget.model_dump(exclude_none=True),
        progress=progress,
    )


def select(config: Config, manifest: "pd.DataFrame") -> "Selection":
    """Whom these parameters forget in a manifest that has its roles by them."""
    from aru.data.selection import describe_selection

    return describe_selection(manifest, config.data.forget.model_dump(exclude_none=True), config.data.merge)


def prepared_rows(root: Path, benchmark: str, stages: list[Stage]) -> "tuple[pd.DataFrame | None, bool]":
    """The rows that `prepare` found in this archive by this code, if any; and whether by these parameters, too."""
    from aru.data.manifest import read_manifest

    stage = next(stage for stage in stages if stage.name == "prepare")
    locked, digests = versioning.locked(root), Digests(root)
    entry = locked.get(stage.address)
    path = f"work/{benchmark}/prepared/manifest.csv"
    if entry is None or entry.outs.get(path) is None or digests.of(path) != entry.outs[path]:
        return None, False
    changed = differences(stage, digests.of_all(stage.deps) | StageCode(root, locked, digests).digests, entry)
    if {*changed} & {"cmd", "outs", *stage.deps, *entry.deps}:
        return None, False
    return read_manifest(root / path), not changed


def confirm_on_terminal(*, yes: bool) -> Confirm:
    """Print whom a choice resolved to, and ask where it has people whom nobody named, unless `yes` was given."""

    def confirm(chosen: "Selection") -> None:
        for line in chosen.lines:
            print(line, file=sys.stderr)
        if not chosen.added or yes:
            return
        added = ", ".join(f"{key} ({count})" for key, count in chosen.added.items())
        if not sys.stdin.isatty():
            raise InputError(
                f"people come along whom data.forget does not name (photos): {added}. Say --yes, name "
                "them, or list them as different people in data.merge.different"
            )
        if not _agreed(f"These come along though they are not named (photos): {added}. Forget them, too? [y/N] "):
            raise InputError("nothing was changed: name whom to forget, or list different people in data.merge.different")

    return confirm


def agree_on_terminal(*, yes: bool) -> Announce:
    """Print how photos were found, and ask on a terminal whether that is right, unless `yes` was given."""

    def announce(notes: Sequence[str]) -> None:
        for note in notes:
            print(note, file=sys.stderr)
        if notes and not yes and sys.stdin.isatty() and not _agreed("Read the photos in this way? [y/N] "):
            raise InputError("nothing was changed: name columns or give another --pattern (docs/data.md)")

    return announce


def _agreed(question: str) -> bool:
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:
        return False
