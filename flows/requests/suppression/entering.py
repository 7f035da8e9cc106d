"""Forgotten people and photos put on the project's suppression list, and its keys replaced."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from aru.core.errors import InputError
from aru.core.files import bytes_md5
from aru.core.names import SUPPRESSION_FILE
from aru.data.archive import open_archive
from aru.data.decoding import decode_photo
from aru.data.sources.canonical import ignores_exif
from aru.data.suppression.keyed_hashes import Keys, key_path, new_keys, read_keys, write_keys
from aru.data.suppression.suppression_list import (
    Entry,
    SuppressionList,
    photo_entries,
    read_list,
    subject_entry,
    write_list,
)
from flows.project.folder import project_lock
from flows.requests.ledger.ledger import Ledger
from flows.requests.ledger.queries import each_request
from flows.requests.ledger.states import State

_NEXT = ".next"
"""The ending of the key file that a rotation begins with."""


@dataclass(frozen=True)
class Suppression:
    """What a request put on the list: its entries, old ones too, and the id of the keys."""

    entries: tuple[Entry, ...]
    keys: str


def suppress(
    root: Path, request: str, *, archive: Path | None, paths: Iterable[str], people: Iterable[str], benchmark: str
) -> Suppression:
    """Put photos of an archive and people of a benchmark on the project's list, for a request; again changes nothing.

    The first entry of a project makes its key file. The photos have to be in the archive still: what is erased cannot be
    hashed any more. Raises InputError where the list and its keys do not belong together.
    """
    with project_lock(root):
        path, suppressed = root / SUPPRESSION_FILE, read_list(root / SUPPRESSION_FILE)
        keys = _keys(root, suppressed)
        entries = [subject_entry(name, keys, request, scope=benchmark) for name in dict.fromkeys(people)]
        if archive is not None:
            with open_archive(archive) as opened:
                ignore_exif = ignores_exif(opened)
                for name in dict.fromkeys(paths):
                    content = opened.read(name)
                    photo = decode_photo(content, ignore_exif=ignore_exif)
                    entries += photo_entries(bytes_md5(content), photo, keys, request)
        write_list(path, suppressed.with_entries(entries, keys))
        return Suppression(tuple(dict.fromkeys(entries)), keys.id)


def rotate(root: Path) -> tuple[SuppressionList, Keys]:
    """Replace the keys of the project's list, every entry under a further key; interrupted anywhere, run again, same result.

    The new keys are written beside the old ones, then the list, then the new keys take the old ones' place.
    """
    with project_lock(root):
        path, place = root / SUPPRESSION_FILE, key_path(root)
        beside = place.with_name(place.name + _NEXT)
        suppressed = read_list(path)
        if not suppressed.entries and not place.exists():
            raise InputError("nobody is on the suppression list, and it has no key yet: there is nothing to rotate")
        before = read_keys(place)
        if beside.exists():
            after = read_keys(beside)
            if suppressed.keys == after.id:  # the last step is missing
                os.replace(beside, place)
                return suppressed, after
        after = before.rotated()
        rotated = suppressed.rotated(before, after)
        write_keys(beside, after)
        write_list(path, rotated)
        os.replace(beside, place)
        return rotated, after


def lift(root: Path, request: str) -> int:
    """Take a request's entries off the list, as when the person consents anew; returns how many they were."""
    with project_lock(root):
        path = root / SUPPRESSION_FILE
        suppressed = read_list(path)
        left = suppressed.without_request(request)
        if left == suppressed:
            raise InputError(f"no entry of {SUPPRESSION_FILE} is of the request {request!r}")
        write_list(path, left)
        return len(suppressed.entries) - len(left.entries)


@contextmanager
def taken_off(root: Path, ledger: Ledger, request: str) -> Iterator[None]:
    """Take a request's entries off the list once what is done inside has been done: it is refused, or taken back.

    Its photos may have been put there by a batch that did not end. Where that is so, nothing is done beside a command at work.
    Whoever was refused before, and is on the list still because a kill came in between, leaves it first.
    """
    take_off_refused(root, ledger)
    path = root / SUPPRESSION_FILE
    if all(entry.request != request for entry in read_list(path).entries):
        yield
        return
    with project_lock(root):
        yield
        write_list(path, read_list(path).without_request(request))


def take_off_refused(root: Path, ledger: Ledger) -> None:
    """Take the entries of all denied and canceled requests off the list: the ledger is what says that they are."""
    path = root / SUPPRESSION_FILE
    listed = {entry.request for entry in read_list(path).entries}
    refused = listed & {one.id for one in each_request(ledger, states=[State.DENIED, State.CANCELED])} if listed else set()
    if not refused:
        return
    with project_lock(root):
        left = read_list(path)
        for request in refused:
            left = left.without_request(request)
        write_list(path, left)


def _keys(root: Path, suppressed: SuppressionList) -> Keys:
    place = key_path(root)
    if not suppressed.entries and not place.exists():
        if place.is_relative_to(root):
            from flows.project.private import private_folder

            private_folder(root)
        write_keys(place, new_keys())
    keys = read_keys(place)
    suppressed.check(keys)
    return keys
