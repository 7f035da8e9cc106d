"""`aru erase`: the places of a closed request listed, then cleared one after the other.

What is about to go is remembered in `.aru/` before anything goes, so an erasure that was killed anywhere is ended by the next
one with the same result; the particulars, by which everything is found, are removed at the very end.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from aru.core.config import load_archives
from aru.core.errors import InputError
from flows.project.folder import project_lock
from flows.project.params import PARAMS_FILE
from flows.project.versioning import cache_folders
from flows.requests.certificates.contents import Place
from flows.requests.erasing.area import Area
from flows.requests.erasing.places import ERASURE, areas_of, erased_places, pending
from flows.requests.erasing.record_areas import LEDGER, particulars, requests_about_target
from flows.requests.erasing.target import Target, journal_path, read_journal, target_of, write_journal
from flows.requests.ledger.event_content import check_content
from flows.requests.ledger.ledger import Ledger
from flows.requests.ledger.queries import each_request, find_request, names_on_record, request_history, request_particulars
from flows.requests.ledger.records import Actor
from flows.requests.ledger.service import erase_particulars, record
from flows.requests.ledger.states import CLOSED, OPEN, Action, State
from flows.requests.processing.certifying import certify_erased, check_certifiable
from flows.servers.local_servers import running_api, users_own
from flows.tracking import store
from flows.tracking.production import in_production
from flows.tracking.purge import check_unused

Agree = Callable[["Plan"], None]
"""Is shown the plan before anything is removed; raises InputError where the answer is no."""


@dataclass(frozen=True)
class Plan:
    """What an erasure would do, or has done: the places with what was in them, and by place the names that only a terminal is
    shown. certificate: the one that says so, once all is done.
    """

    places: list[Place]
    names: dict[str, list[str]]
    certificate: Path | None = None

    @property
    def left(self) -> bool:
        """Whether anything is there that would be removed."""
        return any(place.found and place.done.startswith("there until") for place in self.places)


def planned(root: Path, ledger: Ledger, request: str) -> Plan:
    """What `erase` would do; nothing is changed. Raises InputError where it would refuse."""
    root = Path(root).resolve()
    _check_closed(ledger, request)
    if not request_particulars(ledger, request):
        return Plan(erased_places(ledger, request), {})
    target = _target(root, ledger, request)
    return _plan(request, _areas(request, target, ledger))


def erase(root: Path, ledger: Ledger, request: str, *, actor: Actor, agree: Agree) -> Plan:
    """List the places of a request, and clear them: of a fulfilled one everywhere, of another closed one in the ledger alone.

    A certificate of it then stands in the place of the one of the fulfilment. Interrupted anywhere, again it ends in the same
    state; then there is nothing left. Raises InputError, before anything is
    removed, for a request that is open, where another one that is open is about the same photos, where another benchmark reads
    the same archive and has not forgotten them, and where MLflow's database or a Prefect server of the project is in use.
    """
    root = Path(root).resolve()
    with project_lock(root):
        _check_closed(ledger, request)
        if not request_particulars(ledger, request):
            return _finished(root, ledger, request, actor)
        target = _target(root, ledger, request)
        areas = _areas(request, target, ledger)
        plan = _plan(request, areas)
        _check_recordable(areas, ledger, request)
        agree(plan)
        begun = read_journal(root, request)
        found = {place.name: place.found for place in plan.places}
        for name, count in (begun["found"] if begun else {}).items():
            found[name] = max(count or 0, found.get(name) or 0)
        write_journal(root, request, found, target)
        for area in areas:
            if area.clear is not None:
                area.clear()
        places = [_cleared(area, found.get(area.name)) for area in _areas(request, target, ledger)]
        record(ledger, request, {ERASURE: [place.model_dump() for place in places]}, actor=actor)
        erase_particulars(ledger, request, actor=actor)
        return replace(_finished(root, ledger, request, actor), names=plan.names)


def _finished(root: Path, ledger: Ledger, request: str, actor: Actor) -> Plan:
    """After the particulars are gone: the certificate, where it is still missing."""
    places, journal, certificate = erased_places(ledger, request), journal_path(root, request), None
    if journal.is_file() and find_request(ledger, request).state == State.FULFILLED:
        certificate = certify_erased(root, ledger, request, places, actor=actor)
    ledger.forget_deleted()
    journal.unlink(missing_ok=True)
    return Plan(places, {}, certificate)


def _target(root: Path, ledger: Ledger, request: str) -> Target | None:
    """What a fulfilled request is about, checked; None of another closed one, which was not carried out: the photos stay."""
    if find_request(ledger, request).state != State.FULFILLED:
        return None
    target = target_of(root, ledger, request)
    _check(target, ledger)
    return target


def _areas(request: str, target: Target | None, ledger: Ledger) -> list[Area]:
    return [particulars(request, ledger)] if target is None else areas_of(target, ledger)


def _plan(request: str, areas: list[Area]) -> Plan:
    return Plan([pending(area, area.look(), request) for area in areas], {area.name: area.names() for area in areas})


def _cleared(area: Area, found: int | None) -> Place:
    """What is said of a place afterwards. `found`: before; of what is not removed, as it is now."""
    now = area.look()
    if area.clear is None and area.name != LEDGER:
        return Place(name=area.name, kind=area.kind, found=now, done=area.done, stated_by="program")
    if area.clear is not None and now:
        raise InputError(f"{area.name}: {now} could not be removed, or came meanwhile: run the same command again")
    done = area.done if found else "looked through: nothing there"
    return Place(name=area.name, kind=area.kind, found=found, done=done, stated_by="program")


def _check_recordable(areas: list[Area], ledger: Ledger, request: str) -> None:
    """What will be said of the places has to be what the history takes: after the erasure it would be too late."""
    names = names_on_record(ledger, request)
    for area in areas:
        place = Place(name=area.name, kind=area.kind, found=None, done=area.done, stated_by="program")
        try:
            check_content({"record": {ERASURE: [place.model_dump()]}}, names)
        except ValueError as error:
            raise InputError(f"{area.name}: {area.done}: {error}; nothing was removed. Rename what has the name") from None


def _check_closed(ledger: Ledger, request: str) -> None:
    state = find_request(ledger, request).state
    if state not in CLOSED:
        raise InputError(f"{request} is {state}: only a closed request is erased; carry it out, or deny or cancel it")


def _check(target: Target, ledger: Ledger) -> None:
    if not (target.root / target.archive).is_file():
        raise InputError(f"{target.archive} is not here, and may hold the photos: `dvc pull` brings it, or erase where it is")
    archive = target.root / target.archive
    if archive.is_symlink() and not archive.resolve().is_relative_to(cache_folders(target.root)[0].resolve()):
        raise InputError(f"{target.archive} is a link, and what it leads to would keep the photos: put the file itself there")
    production = in_production(target.root, target.model)
    if target.trained and (production is None or target.release is None or production.batch < target.release):
        raise InputError(f"no version of {target.model} without the person is in production: `aru promote` it first")
    for other in sorted(requests_about_target(target, ledger, states=OPEN)):
        raise InputError(
            f"{other} is open and about the same person or photos: carry it out, or mark it as a duplicate, and erase then"
        )
    for benchmark in _unforgotten(target, ledger):
        raise InputError(
            f"the benchmark {benchmark} reads {target.archive}, too, and work/{benchmark} is made from it: submit the request "
            f"there as well and carry it out, or remove work/{benchmark} and purge its models (docs/operation.md, Purge)"
        )
    check_certifiable(target.root, ledger, target.request)
    if store.is_local(target.root):
        check_unused(target.root)
    if not users_own() and running_api(target.root):
        raise InputError("a Prefect server of the project runs: stop `aru ui`, `aru serve` and `aru run` first")


def _unforgotten(target: Target, ledger: Ledger) -> list[str]:
    """Other benchmarks of the same archive that were computed with, and have no fulfilled request for these photos."""
    found, wanted = [], {ledger.digest("file", digest) for digest in target.digests}
    for benchmark, archive in load_archives(target.root / PARAMS_FILE).items():
        if benchmark == target.benchmark or archive != target.archive or not (target.root / "work" / benchmark).is_dir():
            continue
        done = each_request(ledger, states=[State.FULFILLED], benchmark=benchmark)
        events = [event for request in done for event in request_history(ledger, request.id)]
        covered = {file for event in events if event.action == Action.RESOLVE for file in event.data["files"]}
        if not wanted <= covered:
            found.append(benchmark)
    return found
