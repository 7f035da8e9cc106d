"""Jobs computed on machines that share no folder with the project: what they need and make travels through a store.

The project's side sends the job's files, once by content (`RemoteJobs.send`); the worker computes the job in a folder of its
own and stores what it made (`compute`); the project's side takes that into its own folders (`RemoteJobs.fetch`). A result that
is in the store already, from a run that was cut off or a worker that died afterwards, is taken as it is.
"""

import os
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

import torch

from aru.compute.device import make_compute
from aru.compute.jobs import Job, JobFiles
from aru.compute.keys import arithmetic, digest
from aru.compute.object_store import ObjectStore, check_files
from aru.core.errors import InputError
from aru.core.files import atomic_path
from aru.core.progress import Progress, silent
from aru.core.reimport import forget_modules
from aru.core.source_code import code_digest

Files = Mapping[str, str]
"""Paths relative to a project's folder, and the SHA-256 of the files there."""


@dataclass(frozen=True)
class Parcel:
    """What a worker is told beside the job: the store, the files in it, the name of the result, and what has to be alike.

    alike: of the sender, in words that an error can name: the digest of the code, PyTorch's version, the kind of arithmetic.
    """

    url: str
    benchmark: str
    inputs: Files
    own_code: Files
    result: str
    alike: Mapping[str, str]


class RemoteJobs:
    """The project's side: `root` is its folder, `store` where its files travel through."""

    def __init__(self, root: Path, store: ObjectStore) -> None:
        self.root, self.store = Path(root), store
        self._sent: dict[tuple[str, int, int], str] = {}
        self._lock = Lock()

    def send(self, job: Job) -> Parcel:
        """Store what the job needs and is not there, and say where it is. What it has made before belongs to that."""
        files = _files_of(job)
        with self._lock:  # the images once, not once a thread
            inputs = self._stored([*files.inputs, *files.outputs])
            own_code = self._stored(files.own_code)
        alike = _alike(job)
        name = digest(["remote job", job.function, files.outputs, files.variant, inputs, own_code, alike])
        return Parcel(self.store.url, self.store.benchmark, inputs, own_code, name, alike)

    def found(self, parcel: Parcel) -> Files | None:
        """What the store has as the result of this very job; None where it has nothing."""
        return self.store.result(parcel.result)

    def fetch(self, job: Job, made: Files) -> None:
        """Take the files that a worker made into the project, each folder whole or not at all.

        Raises InputError for a file that is not of the job, is missing in the store, or is damaged.
        """
        by_folder: dict[str, dict[str, str]] = {}
        for path, digest_ in _checked(job, made).items():
            folder = next(name for name in _files_of(job).outputs if path.startswith(f"{name}/"))
            by_folder.setdefault(folder, {})[path.removeprefix(f"{folder}/")] = digest_
        for folder, files in by_folder.items():
            with atomic_path(self.root / folder) as temporary:
                for path, digest_ in files.items():
                    self.store.get(digest_, temporary / path)

    def _stored(self, names: Iterable[str]) -> dict[str, str]:
        paths = (path for name in names for path in _below(self.root / name))
        return {path.relative_to(self.root).as_posix(): self._put(path) for path in sorted(paths)}

    def _put(self, path: Path) -> str:
        state = path.stat()
        key = str(path), state.st_mtime_ns, state.st_size
        if key not in self._sent:
            self._sent[key] = self.store.put(path)
        return self._sent[key]


def compute(job: Job, parcel: Parcel, cache: Path, *, progress: Progress = silent) -> Files:
    """The worker's side: compute a job in a folder below `cache` and store what it makes; returns what that is.

    What was fetched stays in `cache`, by its digest, for the next job. Raises InputError where this machine would not compute
    what the sender expects, or the store lacks something.
    """
    for name, here in _alike(job).items():
        if here != parcel.alike[name]:
            raise InputError(
                f"{job.label}: the worker {os.uname().nodename} has {name} {here}, the flow that sent this has "
                f"{parcel.alike[name]}: install the same version of aru and PyTorch on both, and set runtime.device and "
                "runtime.precision to what both have"
            )
    store = ObjectStore(parcel.url, parcel.benchmark)
    made = store.result(parcel.result)
    if made is not None:
        return _checked(job, made)
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="job-", dir=cache) as folder:
        root = Path(folder)
        _place(parcel.inputs, root, store, cache)
        _use_own_code(parcel.own_code, store, cache)
        replace(job, work=root / "work" / parcel.benchmark).do(progress)
        paths = [path for name in _files_of(job).outputs for path in _below(root / name)]
        made = {path.relative_to(root).as_posix(): store.put(path) for path in paths}
    if not made:
        raise InputError(f"{job.label}: the worker left nothing in {', '.join(_files_of(job).outputs)}: its code is another")
    store.write_result(parcel.result, made)
    return made


def _place(files: Files, root: Path, store: ObjectStore, cache: Path) -> None:
    """Put files of the store into a folder, as links to what the cache has or gets."""
    for path, digest_ in check_files(dict(files), "what a job needs").items():
        kept, target = cache / "objects" / digest_, root / path
        if not kept.is_file():
            store.get(digest_, kept)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(kept, target)


def _use_own_code(files: Files, store: ObjectStore, cache: Path) -> None:
    """Let the modules of own code be imported, and those of earlier jobs no longer: a worker outlives many flows."""
    codes = cache / "code"
    current = codes / digest(dict(files))
    if files and not current.is_dir():
        with atomic_path(current) as temporary:
            _place(files, temporary, store, cache)
    earlier, now = f"{codes}{os.sep}", f"{current}{os.sep}"
    forget_modules(lambda name, place: place.startswith(earlier) and not place.startswith(now))
    sys.path[:] = [path for path in sys.path if not path.startswith(earlier)] + ([str(current)] if files else [])


def _alike(job: Job) -> dict[str, str]:
    """What has to be the same on both sides for the same bytes to come out."""
    files = _files_of(job)
    code = digest([code_digest(module) for module in (job.module, *files.code)])
    kind, precision, threads, kernels, *more = arithmetic(files.runtime, make_compute(files.runtime))
    return {
        "code": code,
        "PyTorch": torch.__version__,
        "arithmetic": ", ".join([f"{kind} in {precision}", f"{threads} threads", f"{kernels} kernels", *more]),
    }


def _checked(job: Job, made: Files) -> dict[str, str]:
    """What a worker says it made, where each of it is a file in a folder of the job."""
    checked = check_files(dict(made), f"what came back of {job.label}")
    for path in checked:
        if not any(path.startswith(f"{name}/") for name in _files_of(job).outputs):
            raise InputError(f"{job.label}: {path!r} came back, which is no file of this job: nothing was taken")
    return checked


def _files_of(job: Job) -> JobFiles:
    if job.files is None:
        raise InputError(f"{job.label}: it does not say which files it needs, so that only a shared disk will do")
    return job.files


def _below(path: Path) -> list[Path]:
    """A file itself, or all files of a folder, what was left half written apart."""
    if path.is_file():
        return [path]
    return [file for file in path.rglob("*") if file.is_file() and not file.name.startswith(".")]
