"""Records: MLflow's store, Prefect's database, the ledger, git's history, files that name the person, other benchmarks."""

import mmap
import os
from collections.abc import Collection, Iterator
from pathlib import Path

from sqlalchemy import func, select

from aru.core.config import load_archives
from aru.data.manifest import read_manifest
from flows.project import versioning
from flows.project.params import PARAMS_FILE
from flows.requests.erasing.area import Area
from flows.requests.erasing.data_areas import parameters_afterwards
from flows.requests.erasing.target import Target, stands_in, stores_of
from flows.requests.ledger.ledger import Ledger
from flows.requests.ledger.queries import each_request, particular_parts, searches_that_found
from flows.requests.ledger.states import State
from flows.requests.ledger.tables import Particular
from flows.requests.resolving.same_person import requests_about
from flows.servers.local_servers import users_own
from flows.tracking import store
from flows.tracking.purge import purge_prefect, purge_unforgetful, unforgetful

LEDGER = "ledger of requests"
"""The place whose rows the erasure works by, and removes at its very end."""
_MOST_COMMITS = 20
_SKIPPED = frozenset({".git", ".venv", ".dvc", ".prefect", ".aru", "work", "node_modules", "__pycache__"})


def tracking(target: Target) -> Area:
    """Versions that saw the person, their files and runs, and what MLflow had only marked as deleted."""
    name = f"MLflow: {target.model}"
    if not store.is_local(target.root):
        address = "the server that MLFLOW_TRACKING_URI names"
        return Area(name, "tracking", lambda: None, None, f"not reached from here: {address} has its own means")
    release = target.release
    if release is None:
        return Area(name, "tracking", lambda: 0, None, "nothing was trained on the person: figures and pseudonyms stay")
    return Area(
        name,
        "tracking",
        lambda: unforgetful(target.root, target.model, release),
        lambda: purge_unforgetful(target.root, target.model, release),
        "versions that saw the person, runs, artifacts and rows marked as deleted removed; database written anew (VACUUM)",
    )


def scheduler(target: Target) -> Area:
    """Prefect's own records: flow runs with their parameters, states, logs and results."""
    home = target.root / ".prefect"
    if users_own() or Path(os.environ.get("PREFECT_HOME", home)).resolve() != home.resolve():
        return Area(
            "Prefect",
            "scheduler",
            lambda: None,
            None,
            "not reached from here: delete its flow runs on that server, or its home",
        )
    return Area(
        "Prefect",
        "scheduler",
        lambda: sum(path.is_file() for path in home.rglob("*")),
        lambda: purge_prefect(target.root),
        "database, results and logs removed",
    )


def particulars(request: str, ledger: Ledger) -> Area:
    """What names the person in the ledger. The erasure removes it at its very end, because it is what it works by."""

    def rows() -> int:
        with ledger.reading() as session:
            chosen = select(func.count()).select_from(Particular).where(Particular.request == request)
            return session.scalar(chosen) or 0

    return Area(LEDGER, "derived", rows, None, "particulars, findings and uploads removed; keyed digests stay")


def requests_about_target(target: Target, ledger: Ledger, states: Collection[State] = ()) -> set[str]:
    """Other requests whose particulars name the same people or photos; states: only those in these."""
    return requests_about(
        ledger, target.request, people=target.people, paths=target.paths, digests=target.digests, states=states
    )


def other_requests(target: Target, ledger: Ledger) -> Area:
    """Requests for the same people whose particulars name them, too: duplicates, and those that were denied or withdrawn."""
    same = requests_about_target(target, ledger) | searches_that_found(ledger, target.benchmark, target.people)
    same |= {one.id for one in each_request(ledger, states=[State.DUPLICATE]) if one.duplicate_of == target.request}
    named = sorted(one for one in same - {target.request} if particular_parts(ledger, one))
    done = f"not removed: `aru erase` for each of {', '.join(named)}" if named else "looked through: nothing there"
    return Area("other requests of the person", "derived", lambda: len(named), None, done)


def history(target: Target) -> Area:
    """Commits in which a name stands, which no tool takes out of copies that others have."""
    commits = target.commits
    shown = ", ".join(commits[:_MOST_COMMITS])
    more = f" and {len(commits) - _MOST_COMMITS} more" if len(commits) > _MOST_COMMITS else ""
    done = "no name found"
    if commits:
        done = f"not removed: no tool rewrites all copies of a history; the name stands in what came with {shown}{more}"
    elif target.naming:
        done = "not removed, in no commit: `git reflog expire --expire=now --all && git gc --prune=now`"
    return Area(
        "git", "git", lambda: len(target.naming), None, done, lambda: [f"{name[:10]} {path}" for name, path in target.naming]
    )


def own_files(target: Target) -> Area:
    """Files of the user's in the folder, and of certificates and logs, in which a name stands: they are not ours to remove.

    Of params.yaml and dvc.lock what the erasure leaves in them counts.
    """
    found = _naming_files(target)
    done = "not removed: look through the files that `aru erase` names" if found else "looked through: nothing there"
    return Area("other files of the folder", "derived", lambda: len(found), None, done, lambda: found)


def other_benchmarks(target: Target) -> list[Area]:
    """Benchmarks whose archive has one of the photos, too: they need requests of their own."""
    areas = []
    for benchmark, archive in sorted(load_archives(target.root / PARAMS_FILE).items()):
        if benchmark == target.benchmark:
            continue
        count = max(_in_manifest(target, benchmark), len(target.photos(archive)) if archive != target.archive else 0)
        if count:
            text = f"not removed: submit and carry out a request for the benchmark {benchmark}"
            areas.append(Area(f"benchmark {benchmark}", "archive", lambda count=count: count, None, text))  # type: ignore[misc]
    return areas


def _in_manifest(target: Target, benchmark: str) -> int:
    """How many rows a benchmark's manifest has of the photos; it lacks those that the suppression list keeps out."""
    manifest = target.root / "work" / benchmark / "prepared" / "manifest.csv"
    return int(read_manifest(manifest)["digest"].isin(target.digests).sum()) if manifest.is_file() else 0


def _naming_files(target: Target) -> list[str]:
    words = [word.encode() for word in target.words]
    rewritten = {
        PARAMS_FILE: parameters_afterwards(target),
        versioning.LOCK_FILE: versioning.lock_without(target.root, target.benchmark)[0],
    }
    passed = {target.root / name for name in (*rewritten, target.archive, "mlruns/server.log")}
    passed |= {store.database(target.root)}
    elsewhere = [place.objects.resolve() for place in stores_of(target.root)[1].values()]
    elsewhere.append(target.root / "mlruns" / "artifacts" / target.benchmark)
    left = [name for name, text in rewritten.items() if any(stands_in(word, text.encode()) for word in words)]
    return left + [
        path.relative_to(target.root).as_posix()
        for path in _files(target.root)
        if path not in passed
        and not any(path.is_relative_to(folder) for folder in elsewhere)
        and (any(stands_in(word, os.fsencode(path.name)) for word in words) or _names(path, words))
    ]


def _names(path: Path, words: list[bytes]) -> bool:
    if not path.stat().st_size:
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return any(stands_in(word, content) for word in words)


def _files(root: Path) -> Iterator[Path]:
    for folder, names, files in os.walk(root):
        names[:] = sorted(name for name in names if name not in _SKIPPED)
        yield from (Path(folder, name) for name in sorted(files) if Path(folder, name).is_file())
