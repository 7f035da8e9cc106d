"""What is to be done for a benchmark: the stages in order, each with a key made of all that it depends on."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from aru.core.config import load_archives
from aru.core.errors import InputError
from aru.core.names import SUPPRESSION_FILE
from flows.project import versioning
from flows.project.params import PARAMS_FILE
from flows.project.stage_code import is_code_record
from flows.project.versioning import Locked, Stage

ALL = "all"
Source = Literal["computed", "prefect", "dvc.lock", "restored"]


@dataclass(frozen=True)
class StageResult:
    """How a stage's outputs came to be, and their digests; `seconds` is the time this flow spent on it."""

    stage: Stage
    key: str
    cached: bool
    source: Source
    outs: dict[str, str]
    seconds: float


def plan(root: Path, benchmark: str) -> list[Stage]:
    """The stages of one benchmark in the order of dvc.yaml, apart from those that have to wait for a later one."""
    load_archives(Path(root) / PARAMS_FILE)  # their names become paths: refused before DVC makes them so
    stages = versioning.declared(root)
    own = {stage.address: stage for stage in stages if stage.address == f"{stage.name}@{benchmark}"}
    if not own:
        known = sorted({stage.address.partition("@")[2] for stage in stages} - {""})
        raise InputError(f"no stages for benchmark {benchmark!r}; params.yaml lists: {', '.join(known) or 'none'}")
    ordered: dict[str, Stage] = {}
    while waiting := [stage for stage in own.values() if stage.address not in ordered]:  # DVC has refused any cycle
        stage = next(stage for stage in waiting if all(before in ordered for before in upstream(stage, own)))
        ordered[stage.address] = stage
    return list(ordered.values())


def upstream(stage: Stage, stages: Mapping[str, Stage]) -> list[str]:
    """The addresses of the stages whose outputs this one reads, itself excluded."""
    return sorted(
        other.address
        for other in stages.values()
        if other is not stage and any(_overlap(dep, out) for dep in stage.deps for out in other.outs)
    )


def sources(stages: Iterable[Stage]) -> list[str]:
    """The paths that the stages read and none of them writes: code and data."""
    stages = list(stages)
    outs = {out for stage in stages for out in stage.outs}
    return sorted({dep for stage in stages for dep in stage.deps} - outs)


def check_sources(root: Path, stages: Iterable[Stage]) -> None:
    """Raise InputError where data is missing, before anything is started; records of code are written when needed."""
    for path in sources(stages):
        if not is_code_record(path) and not (Path(root) / path).exists():
            raise InputError(f"{path} does not exist: {_remedy(root, path)}")


def absent_data(root: Path) -> dict[str, str]:
    """The active benchmarks whose archives are not here, each with what can be done about it."""
    archives = load_archives(Path(root) / PARAMS_FILE)
    return {
        benchmark: f"{archive} does not exist: {_remedy(root, archive)}"
        for benchmark, archive in archives.items()
        if not (Path(root) / archive).exists()
    }


def key(stage: Stage, digests: Mapping[str, str | None]) -> str:
    """64 hex digits that change when the command, an input's bytes, a parameter or the list of outputs changes.

    The code is among the inputs, as a record of it (`flows.project.stage_code`). Raises InputError for a missing input.
    """
    if missing := [dep for dep in stage.deps if digests.get(dep) is None]:
        raise InputError(f"stage {stage.address} reads {missing[0]}, which does not exist")
    content = {"cmd": stage.cmd, "deps": {dep: digests[dep] for dep in stage.deps}, "params": stage.params, "outs": stage.outs}
    return hashlib.sha256(json.dumps(content, sort_keys=True, allow_nan=False).encode()).hexdigest()


def differences(stage: Stage, digests: Mapping[str, str | None], entry: Locked) -> list[str]:
    """What of a stage's inputs is not as dvc.lock remembers it: paths, dotted parameter names, "cmd", "outs"."""
    found = ["cmd"] if stage.cmd != entry.cmd else []
    found += [dep for dep in sorted({*stage.deps, *entry.deps}) if digests.get(dep) != entry.deps.get(dep)]
    for file in sorted({*stage.params, *entry.params}):
        found += _changed(stage.params.get(file, {}), entry.params.get(file, {}))
    return found + (["outs"] if set(stage.outs) != set(entry.outs) else [])


def refreshed(known: Sequence[str], names: tuple[str, ...]) -> frozenset[str]:
    """The stages that are computed whatever is cached; `all` stands for every one of the `known`."""
    if unknown := sorted(set(names) - {*known, ALL}):
        raise InputError(f"unknown stage {unknown[0]!r} to refresh; the stages are {', '.join(known)}, or {ALL!r}")
    return frozenset(known if ALL in names else names)


def _remedy(root: Path, path: str) -> str:
    if path == SUPPRESSION_FILE:
        return "bring it back from version control; `aru init` makes an empty one, which keeps nobody out"
    file = versioning.tracked_by(root, path)
    if file is None:
        return "no .dvc file tracks it; `aru data import` brings in data of your own"
    if file == versioning.EMBEDDED_FILE:
        return f"`dvc pull {file}` fetches it"
    return (
        f"`dvc pull {file}` fetches it where the remote {versioning.STORE!r} has a place that holds it, `aru data import` "
        "brings it in (docs/operation.md)"
    )


def _changed(now: object, then: object, name: str = "") -> list[str]:
    if isinstance(now, dict) and isinstance(then, dict):
        return [
            item
            for part in sorted({*now, *then}, key=str)
            for item in _changed(now.get(part), then.get(part), f"{name}.{part}" if name else str(part))
        ]
    return [] if now == then else [name]


def _overlap(dep: str, out: str) -> bool:
    return dep == out or dep.startswith(f"{out}/") or out.startswith(f"{dep}/")
