"""The state of a pool: which models are trained, which have to be, and the estimated time."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from aru.comparison.draws import Draw, load_draw
from aru.comparison.estimate import measured_pace
from aru.comparison.store import Store
from aru.compute.device import Compute
from aru.core.config import Config
from aru.shadows.pool import Shadow, ShadowRecord

State = Literal["present", "weights dropped", "stale", "missing"]


class Entry(NamedTuple):
    """A shadow's state; `because`: the parts of a stale one's key that have changed."""

    shadow: Shadow
    state: State
    because: tuple[str, ...] = ()
    seconds: float | None = None


def status(shadows: Iterable[Shadow], store: Store[ShadowRecord], scored: str) -> list[Entry]:
    """The state of each shadow. `scored`: which files logits are wanted of (`Population.scored`).

    Stale is a shadow whose number was trained under another key: other photos (data), recipe, arithmetic (device,
    precision, threads), or code; or whose logits are about other files, or other pixels of them (photos).
    """
    known = _known(store)
    return [_entry(shadow, store, known.get((shadow.protocol, shadow.number), []), scored) for shadow in shadows]


def to_build(entries: Iterable[Entry], *, restore: bool = False) -> list[Shadow]:
    """The shadows to be trained or scored; with `restore` those too whose weights were dropped."""
    return [
        entry.shadow
        for entry in entries
        if entry.state in ("stale", "missing") or (restore and entry.state == "weights dropped")
    ]


def estimate_seconds(
    shadows: Sequence[Shadow], config: Config, work: Path, store: Store[ShadowRecord], compute: Compute
) -> float:
    """The estimated time of training them with one worker: from records of others, or from this machine's pace."""
    images = sum(len(shadow.positions) for shadow in shadows) * config.train.epochs
    if not images:
        return 0.0
    alike = [
        record
        for records in _known(store).values()
        for record in records
        if not record.get("resumed")
        and record["parts"]["recipe"] == shadows[0].parts["recipe"]
        and record["parts"]["arithmetic"] == shadows[0].parts["arithmetic"]
    ]
    if alike:
        pace = sum(record["seconds"] for record in alike) / sum(record["photos"] * record["epochs"] for record in alike)
    else:
        sets, _, _ = load_draw(Path(work) / "prepared", Draw(shadows[0].protocol), config)
        pace = measured_pace(sets, config, compute)
    return images * pace


def _entry(shadow: Shadow, store: Store[ShadowRecord], others: list[ShadowRecord], scored: str) -> Entry:
    if store.has(shadow.key):
        record = store.record(shadow.key)
        if record.get("scored") != scored:
            return Entry(shadow, "stale", ("photos",), record["seconds"])
        return Entry(shadow, "present" if store.has(shadow.key, model=True) else "weights dropped", (), record["seconds"])
    if not others:
        return Entry(shadow, "missing")
    changes = [tuple(name for name, value in shadow.parts.items() if record["parts"].get(name) != value) for record in others]
    return Entry(shadow, "stale", min(changes, key=len))


def models_there(store: Store[ShadowRecord], protocol: str) -> int:
    """How many shadows a pool has had, stale ones too, as an even number."""
    numbers = [number for known, number in _known(store) if known == protocol]
    return 2 * (max(numbers, default=-1) // 2 + 1)


def _known(store: Store[ShadowRecord]) -> dict[tuple[str, int], list[ShadowRecord]]:
    """The records by protocol and number."""
    found: dict[tuple[str, int], list[ShadowRecord]] = {}
    for record in map(store.record, store.keys()):
        found.setdefault((record["protocol"], record["number"]), []).append(record)
    return found
