"""Every place of a project that can hold a person's data or what was made from it, as a certificate lists them.

`places_of(root, ledger, request)` only looks: it can be called when a request is fulfilled, for the certificate of that
moment, and at any time until its particulars are erased. Each place says how many files or rows were found and that they are
there until `aru erase REQUEST`, or why they stay; of an erasure the ledger has the same list with what was done
(`flows.requests.erasing.erasure.erased_places`).
"""

from pathlib import Path

from flows.requests.certificates.contents import Place
from flows.requests.erasing import data_areas, record_areas
from flows.requests.erasing.area import Area
from flows.requests.erasing.store_areas import stores
from flows.requests.erasing.target import Target, target_of
from flows.requests.ledger.ledger import Ledger


def places_of(root: Path, ledger: Ledger, request: str) -> list[Place]:
    """What a request's photos and names are in now, by the particulars on record; nothing is changed.

    Raises InputError where the ledger has no such request, or a file of the project cannot be read.
    """
    return [pending(area, area.look(), request) for area in areas_of(target_of(root, ledger, request), ledger)]


def areas_of(target: Target, ledger: Ledger) -> list[Area]:
    """The places in the order in which they are cleared: what others are found by goes after them."""
    return [
        data_areas.parameters(target),
        data_areas.originals(target),
        data_areas.archive(target),
        data_areas.labels(target),
        data_areas.memory(target),
        data_areas.made(target),
        data_areas.leftovers(target),
        *stores(target),
        record_areas.tracking(target),
        record_areas.scheduler(target),
        record_areas.particulars(target, ledger),
        data_areas.released(target),
        data_areas.suppression(target),
        record_areas.own_files(target),
        record_areas.history(target),
        *record_areas.other_benchmarks(target),
    ]


def pending(area: Area, found: int | None, request: str) -> Place:
    """A place before the erasure."""
    text = area.done
    if found and (area.clear is not None or area.name == record_areas.LEDGER):
        text = f"there until `aru erase {request}`"
    elif area.clear is not None:
        text = "looked through: nothing there"
    return Place(name=area.name, kind=area.kind, found=found, done=text, stated_by="program")
