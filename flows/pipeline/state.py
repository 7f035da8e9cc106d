"""What each stage would do if the flow ran now, found from digests alone: nothing is run, started or restored."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from aru.core.errors import InputError
from aru.stages.code_record import record_path
from flows.project import versioning
from flows.project.digests import Digests
from flows.project.plan import Stage, differences, key, plan, upstream
from flows.project.stage_code import StageCode
from flows.project.versioning import Locked

State = Literal["cached", "stale", "never run", "damaged", "waits"]


@dataclass(frozen=True)
class StageState:
    """One line of `aru status`; `because` names what changed, is missing or comes first."""

    name: str
    key: str | None
    state: State
    because: tuple[str, ...]
    outs: dict[str, str | None]


def states(root: Path, benchmark: str) -> list[StageState]:
    """The state of every stage of a benchmark, in order."""
    stages = {stage.address: stage for stage in plan(root, benchmark)}
    entries, digests = versioning.locked(root), Digests(root)
    code = StageCode(root, entries, digests)
    found: dict[str, StageState] = {}
    for address, stage in stages.items():
        before = [found[other] for other in upstream(stage, stages)]
        found[address] = _state(stage, entries.get(address), digests, code, before)
    return list(found.values())


def _state(stage: Stage, entry: Locked | None, digests: Digests, code: StageCode, before: list[StageState]) -> StageState:
    inputs, outs = digests.of_all(stage.deps) | code.digests, digests.of_all(stage.outs)
    state, because = _judge(stage, entry, inputs, outs, [other.name for other in before if other.state != "cached"])
    if entry and (record := record_path(stage.name)) in because:
        because = [name for name in because if name != record] + code.changed_files(stage.name, entry.deps.get(record))
    return StageState(stage.name, _key(stage, inputs), state, tuple(because), outs)


def _judge(
    stage: Stage, entry: Locked | None, inputs: dict[str, str | None], outs: dict[str, str | None], unfinished: list[str]
) -> tuple[State, list[str]]:
    if entry is None:
        return "never run", []
    benchmark = stage.address.partition("@")[2]
    if changed := differences(stage, inputs, entry):
        return "stale", [name.removeprefix(f"{benchmark}.").removeprefix(f"work/{benchmark}/") for name in changed]
    if wrong := [path for path, digest in entry.outs.items() if outs.get(path) != digest]:
        return "damaged", [
            path.removeprefix(f"work/{benchmark}/") + (" is missing" if outs.get(path) is None else "") for path in wrong
        ]
    return ("waits", [f"for {', '.join(unfinished)}"]) if unfinished else ("cached", [])


def _key(stage: Stage, inputs: dict[str, str | None]) -> str | None:
    try:
        return key(stage, inputs)
    except InputError:  # an input is not there yet: the stage has no key before its upstream ran
        return None
