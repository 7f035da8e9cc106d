"""DVC's cache, its memory of stages, its remotes, and stores for clusters: what lies there of the benchmark's photos."""

from functools import partial
from pathlib import Path
from typing import Literal

from aru.compute.object_store import ObjectStore
from flows.project.stored_objects import Store, workspace_references
from flows.project.used_stores import used_stores
from flows.requests.erasing.area import Area
from flows.requests.erasing.target import Target, stores_of
from flows.tracking.production import in_production


def stores(target: Target) -> list[Area]:
    """The cache first, then the remotes that are folders; of the others what their owner has to do."""
    cache, folders, elsewhere = stores_of(target.root)
    areas = [_store(target, cache, "DVC cache", "cache")]
    areas += [_store(target, store, f"DVC remote {name}", "remote") for name, store in sorted(folders.items())]
    return areas + [
        Area(
            f"DVC remote {name}",
            "remote",
            lambda: None,
            None,
            "not reached from here: where no other project uses it, "
            f"`dvc gc --workspace --cloud --remote {name}` leaves what this project names now; then `dvc push`",
        )
        for name in sorted(elsewhere)
    ]


def job_stores(target: Target) -> list[Area]:
    """Stores through which photos and models went to the workers of a cluster: folders are cleared, others named."""
    areas = []
    for url in [url for url, benchmarks in used_stores(target.root).items() if target.benchmark in benchmarks]:
        store = ObjectStore(url, target.benchmark) if Path(url).is_dir() else None
        areas.append(
            Area(
                f"store {url}",
                "remote",
                partial(_count, store),
                store.clear if store else None,
                "photos, models and results of the benchmark removed"
                if store
                else f"not reached from here: `aru store clean {url} --benchmark {target.benchmark}`, and the means of the "
                "bucket where it keeps versions of objects",
            )
        )
    return areas


def _count(store: ObjectStore | None) -> int | None:
    return store.size()[0] if store else None


def _store(target: Target, store: Store, name: str, kind: Literal["cache", "remote"]) -> Area:
    return Area(
        name,
        kind,
        lambda: len(_objects(target, store)) + len(_runs(target, store)),
        lambda: _clear(target, store),
        "objects of earlier data and models, and remembered runs, removed; what other benchmarks name stays",
    )


def _objects(target: Target, store: Store) -> set[str]:
    """The digests that go.

    In a cache of this project alone whatever nothing names any more goes, too, because it may be an earlier state of the same
    photos that was never committed; of a shared one, and of a remote, only what is known to be the benchmark's.
    """
    there = store.digests()
    keep = target.others | _present(target)
    keep |= {member for digest in keep for member in store.members(digest)}
    return (there if store.own else there & target.known) - keep


def _present(target: Target) -> set[str]:
    """The digests that the benchmark itself needs afterwards: the archive without the person, the released model."""
    production, keep = in_production(target.root, target.model), set()
    named = {reference.path: reference.digest for reference in workspace_references(target.root) if reference.output}
    if target.archive in named and not target.photos():
        keep.add(named[target.archive])
    if production is not None:
        keep.add(production.weights_md5)
    if target.release is None:
        keep |= {named[path] for path in target.originals if path in named}
    return keep


def _runs(target: Target, store: Store) -> list[Path]:
    return store.runs_with([f"path: work/{target.benchmark}/", f"path: {target.archive}", *target.words])


def _clear(target: Target, store: Store) -> None:
    store.remove(_objects(target, store))
    for path in _runs(target, store):
        path.unlink(missing_ok=True)
