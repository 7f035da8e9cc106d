"""What an erasure is about: the photos, names and models of one request, and what is remembered of them while it works."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from mmap import mmap
from pathlib import Path
from typing import Any, TypedDict

from aru.core.config import load_archive
from aru.core.files import bytes_md5
from aru.data.archive import open_archive
from flows.project.git_history import commits_with, paths_of_objects, stored_objects
from flows.project.params import PARAMS_FILE, configured
from flows.project.private import private_folder, write_private
from flows.project.stored_objects import Reference, Store, references, workspace_references
from flows.project.versioning import LOCK_FILE, cache_folders, remotes
from flows.requests.ledger.ledger import Ledger
from flows.requests.ledger.queries import batch_history, find_request, request_particulars
from flows.requests.ledger.service import EVIDENCE
from flows.requests.ledger.states import Action
from flows.requests.processing.batch_parameters import batch_originals
from flows.tracking.production import in_production
from flows.tracking.registry import model_name

_SHORTEST_NAME, _SHORTEST_FILE = 4, 10
"""Characters of a person's name, and of a photo's without its folder, below which other texts would have them by chance."""
_TEXTS = (LOCK_FILE, ".dvc")
_LONGEST_SIGN = 4  # bytes of UTF-8


class Journal(TypedDict):
    """What an erasure at work remembers: counts of places when it began, digests that were the benchmark's, its originals."""

    found: dict[str, int | None]
    known: list[str]
    originals: list[str]


@dataclass(frozen=True)
class Target:
    """The request and what is to go with it.

    archive: the path of the benchmark's archive in the project. paths, digests: of the photos on record. people: their names.
    trained: whether a model had to be unlearned. release: the number of the batch that was released without them; versions
    that have not forgotten it saw them. originals: weights files that were the original of the benchmark. known: digests that
    the benchmark's photos, or what was made of them, had in the working tree or in any commit. others: digests that something
    else refers to. naming: objects of git in which a name stands, with their paths; commits: those that brought them.
    """

    root: Path
    request: str
    benchmark: str
    archive: str
    paths: tuple[str, ...]
    digests: frozenset[str]
    people: tuple[str, ...]
    trained: bool
    release: int | None
    originals: tuple[str, ...] = ()
    known: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()
    naming: tuple[tuple[str, str], ...] = ()
    commits: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """The names by which a text that speaks of them is known."""
        files = [path.rpartition("/")[2] for path in self.paths]
        people = [name for name in self.people if len(name) >= _SHORTEST_NAME]
        return tuple(dict.fromkeys([*people, *self.paths, *(name for name in files if len(name) >= _SHORTEST_FILE)]))

    @property
    def work(self) -> Path:
        """The folder of all that the stages made for the benchmark."""
        return self.root / "work" / self.benchmark

    @property
    def model(self) -> str:
        """The registered model of the benchmark."""
        return model_name(self.benchmark)

    def owns(self, path: str) -> bool:
        """Whether what lies at a path of the project is the benchmark's archive, made from it, or one of its originals."""
        return path in (self.archive, *self.originals) or path.startswith(f"work/{self.benchmark}/")

    def photos(self, archive: str = "") -> list[str]:
        """The files of an archive, the benchmark's own by default, that are among the photos, whatever their names are now."""
        path = self.root / (archive or self.archive)
        if not path.is_file():
            return []
        state = path.stat()
        return [
            name for name, digest in _files(path, (state.st_ino, state.st_mtime_ns, state.st_size)) if digest in self.digests
        ]


@lru_cache(maxsize=8)
def _files(path: Path, _: tuple[int, int, int]) -> list[tuple[str, str]]:
    """(name, MD5) of the files in an archive while it is the same: several places ask for them."""
    with open_archive(path) as archive:
        return [(name, bytes_md5(archive.read(name))) for name in archive.names()]


def target_of(root: Path, ledger: Ledger, request: str) -> Target:
    """What a request's particulars say now, and what an erasure that was begun remembers of before. Nothing is changed.

    Raises InputError where its benchmark is not active.
    """
    root, found = Path(root).resolve(), find_request(ledger, request)
    evidence = request_particulars(ledger, request).get(EVIDENCE) or {"people": [], "matches": []}
    matches: list[dict[str, Any]] = evidence.get("matches", [])
    released = [event for event in _batch(ledger, found.batch) if event.action == Action.FULFILL]
    data = released[-1].data if released else {}
    production = in_production(root, model_name(found.benchmark))
    trained = data.get("trained") != 0 and any(match["split"] == "train" for match in matches)
    target = Target(
        root,
        request,
        found.benchmark,
        Path(load_archive(root / PARAMS_FILE, found.benchmark)).as_posix(),
        tuple(sorted({match["path"] for match in matches})),
        frozenset(match["digest"] for match in matches),
        tuple(sorted({name for person in evidence.get("people", []) for name in person["names"]})),
        trained,
        (data.get("release") or (production.batch if production else None)) if trained else None,
    )
    before = read_journal(root, request)
    originals = {
        f"models/{found.benchmark}.safetensors",
        *batch_originals(found.benchmark),
        *(before["originals"] if before else []),
        *filter(None, [configured(root / PARAMS_FILE, found.benchmark).model.original]),
    }
    target = replace(target, originals=tuple(sorted(originals)))
    return _with_history(target, before["known"] if before else [])


def stores_of(root: Path) -> tuple[Store, dict[str, Store], dict[str, str]]:
    """DVC's cache, the remotes that are folders of this machine, and the addresses of the others by name."""
    objects, runs = cache_folders(root)
    cache = Store(objects, runs, own=objects.resolve().is_relative_to(Path(root).resolve()))
    folders, elsewhere = {}, {}
    for name, place in remotes(root).items():
        if not name or place.startswith("/dev/null/"):
            continue
        if "://" in place:
            elsewhere[name] = place
        else:
            folders[name] = Store(Path(place) / "files" / "md5", Path(place) / "runs", own=False)
    return cache, folders, elsewhere


def _with_history(target: Target, known: Iterable[str]) -> Target:
    """The target with what the working tree and git's objects have of it."""
    paths, words = paths_of_objects(target.root), [word.encode() for word in target.words]
    found: list[Reference] = workspace_references(target.root)
    naming = []
    for stored in stored_objects(target.root):
        path = paths.get(stored.id, "")
        if any(stands_in(word, stored.content) for word in words):
            naming.append((stored.id, path or stored.kind))
        if stored.kind == "blob" and path.endswith(_TEXTS):
            found += references(stored.content.decode("utf-8", errors="replace"), path)
    cache, folders, _ = stores_of(target.root)
    stores = (cache, *folders.values())
    own = {reference.digest for reference in found if target.owns(reference.path)}
    others = {reference.digest for reference in found if reference.output and not target.owns(reference.path)}
    others |= {member for digest in others for store in stores for member in store.members(digest)}
    own |= {member for digest in own for store in stores for member in store.members(digest)}
    return replace(
        target,
        known=frozenset({*own, *known} - others),
        others=frozenset(others),
        naming=tuple(sorted(naming)),
        commits=tuple(commits_with(target.root, {name for name, _ in naming})) if naming else (),
    )


def stands_in(word: bytes, content: bytes | mmap) -> bool:
    """Whether a name in UTF-8 stands in a text by itself and not within a longer word; YAML may break it at its blanks."""
    first, *others = word.split()
    whole = re.compile(rb"\s+".join(map(re.escape, (first, *others))))
    place = content.find(first)
    while place >= 0:
        found = whole.match(content, place)
        if found and not _is_within_a_word(content, found.start(), found.end()):
            return True
        place = content.find(first, place + 1)
    return False


def _is_within_a_word(content: bytes | mmap, start: int, end: int) -> bool:
    """Whether a letter or digit of UTF-8, in which a quotation mark has the bytes of Latin letters, touches these bytes."""
    before, after = (
        content[begin:stop].decode("utf-8", errors="replace")
        for begin, stop in ((max(start - _LONGEST_SIGN, 0), start), (end, end + _LONGEST_SIGN))
    )
    return before[-1:].isalnum() or after[:1].isalnum()


def _batch(ledger: Ledger, batch: str | None) -> list[Any]:
    return batch_history(ledger, batch) if batch is not None else []


def journal_path(root: Path, request: str) -> Path:
    """What an erasure at work remembers: a file for the owner alone, without names, that goes at its end."""
    return private_folder(root) / f"erasing-{request}.json"


def read_journal(root: Path, request: str) -> Journal | None:
    """What was remembered; None where no erasure of the request is at work."""
    path = Path(root) / ".aru" / f"erasing-{request}.json"
    return json.loads(path.read_bytes()) if path.is_file() else None


def write_journal(root: Path, request: str, found: dict[str, int | None], target: Target | None) -> None:
    """Remember what is about to go, before anything does; of a request that was not carried out the counts alone."""
    known, originals = (sorted(target.known), list(target.originals)) if target else ([], [])
    content = Journal(found=found, known=known, originals=originals)
    write_private(journal_path(root, request), json.dumps(content).encode())
