"""Every place of a project that can hold a person's data or what was made from it, as a certificate lists them.

`places_of(root, ledger, request)` only looks: it can be called when a request is fulfilled, for the certificate of that
moment, and at any time. Each place says how many files or rows were found and that they are there until `aru erase REQUEST`,
or why they stay. After the erasure (`flows.requests.erasing.erasure`) it is what was found and done, from the ledger.
"""

from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

from flows.project.pseudonyms import Pseudonyms
from flows.requests.certificates.contents import Place
from flows.requests.erasing import data_areas, record_areas
from flows.requests.erasing.area import Area
from flows.requests.erasing.store_areas import job_stores, stores
from flows.requests.erasing.target import Target, target_of
from flows.requests.ledger.event_content import without_names
from flows.requests.ledger.ledger import Ledger
from flows.requests.ledger.queries import names_on_record, request_history, request_particulars
from flows.requests.ledger.states import Action

ERASURE = "erasure"
"""What the ledger's record of an erasure has the places under."""


def places_of(root: Path, ledger: Ledger, request: str) -> list[Place]:
    """What a request's photos and names are in now, by the particulars on record; nothing is changed.

    Of an erased request: what was found and done. Raises InputError where the ledger has no such request, its benchmark is not
    active any more, or a file of the project cannot be read.
    """
    if not request_particulars(ledger, request):
        return erased_places(ledger, request)
    return [pending(area, area.look(), request) for area in areas_of(target_of(root, ledger, request), ledger)]


def erased_places(ledger: Ledger, request: str) -> list[Place]:
    """What the record of a request's erasure says was found and done; empty where it has none."""
    done = [event.data["record"] for event in request_history(ledger, request) if event.action == Action.RECORD]
    newest = [data[ERASURE] for data in done if ERASURE in data][-1:]
    return [Place.model_validate(place) for places in newest for place in places]


def areas_of(target: Target, ledger: Ledger) -> list[Area]:
    """The places in the order in which they are cleared: what others are found by goes after them.

    They are signed, and stay in the history: where a store's address has a name of the request, a pseudonym takes its place.
    """
    names = names_on_record(ledger, target.request)
    areas = [
        data_areas.parameters(target),
        data_areas.originals(target),
        data_areas.archive(target),
        data_areas.labels(target),
        data_areas.memory(target),
        data_areas.made(target),
        data_areas.leftovers(target),
        *stores(target),
        *job_stores(target),
        record_areas.tracking(target),
        record_areas.scheduler(target),
        record_areas.particulars(target.request, ledger),
        record_areas.other_requests(target, ledger),
        data_areas.released(target),
        data_areas.suppression(target),
        record_areas.own_files(target),
        record_areas.history(target),
        *record_areas.other_benchmarks(target),
    ]
    return [_without_names(area, names, Pseudonyms(ledger.key, ()).of) for area in areas]


def _without_names(area: Area, names: Collection[str], pseudonym: Callable[[str], str]) -> Area:
    """The terminal alone is shown the name and the sentence as they were."""
    name, done = (without_names(text, names, pseudonym) for text in (area.name, area.done))
    if (name, done) == (area.name, area.done):
        return area
    return replace(area, name=name, done=done, names=lambda: [f"{area.name}: {area.done}", *area.names()])


def pending(area: Area, found: int | None, request: str) -> Place:
    """A place before the erasure."""
    text = area.done
    if found and (area.clear is not None or area.name == record_areas.LEDGER):
        text = f"there until `aru erase {request}`"
    elif area.clear is not None:
        text = "looked through: nothing there"
    return Place(name=area.name, kind=area.kind, found=found, done=text, stated_by="program")
