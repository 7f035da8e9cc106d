"""What `aru request` prints: requests, histories and findings, as text or as JSON."""

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from flows.requests.ledger.queries import Counts
from flows.requests.ledger.records import EventRecord, RequestRecord
from flows.requests.ledger.states import OPEN
from flows.requests.resolving.people import Found

if TYPE_CHECKING:
    from flows.requests.resolving.lookalikes import Lookalikes

_SHOWN = 20  # files of a finding


def print_json(content: Any) -> None:
    """Records, or any JSON content, on standard output; times in UTC."""
    print(json.dumps(content, default=_plain, indent=2, ensure_ascii=False))


def printable(text: object) -> str:
    """A name as it may go to a terminal: signs that would steer it are written as escapes."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in str(text))


def show_request(request: RequestRecord, now: datetime) -> None:
    """One line: id, state, time limit, what it is about."""
    notes = [
        f"identity checked by {request.verified_by}" if request.verified_by else "",
        f"extended: {request.extended_because}" if request.extended_because else "",
        f"duplicate of {request.duplicate_of}" if request.duplicate_of else "",
        f"batch {request.batch}" if request.batch else "",
    ]
    about = f"{request.benchmark}, {request.kind}, received {request.received:%Y-%m-%d}"
    print(printable("; ".join([f"{request.id}  {request.state}  {due_text(request, now)}  {about}", *filter(None, notes)])))


def due_text(request: RequestRecord, now: datetime) -> str:
    """When it is due, and in how many days or since when."""
    if request.state not in OPEN:
        return f"closed {request.changed:%Y-%m-%d}"
    days = math.ceil((request.due - now) / timedelta(days=1))
    return f"due {request.due:%Y-%m-%d} " + (f"(in {days} days)" if request.due >= now else f"(OVERDUE by {1 - days} days)")


def show_requests(requests: Sequence[RequestRecord], following: str | None, counts: Counts, now: datetime) -> None:
    """A page of the list with the figures of the whole ledger."""
    table = Table("Request", "State", "Time limit", "Benchmark", "Kind", "Batch")
    for request in requests:
        late = "bold red" if request.overdue(now) else ""
        cells = (request.id, request.state, due_text(request, now), request.benchmark, request.kind, request.batch or "")
        table.add_row(*(Text(printable(cell), style=late) for cell in cells))
    Console().print(table)
    print(", ".join(f"{state} {count}" for state, count in counts.states.items()) or "no requests", end="")
    print(f"; overdue {counts.overdue}")
    if following:
        print(f"more follow: --after {following}")


def show_history(events: Sequence[EventRecord]) -> None:
    """A line for each thing that was done."""
    for event in events:
        step = f"{event.source or 'new'} -> {event.target}" if event.source != event.target else f"{event.target}"
        why = f" because of {event.why}" if event.why else ""
        print(printable(f"{event.at:%Y-%m-%d %H:%M:%S}Z  {event.action}: {step}{why}, by {event.who} ({event.role})"))


def show_found(found: Found, same_people: Sequence[str]) -> None:
    """What a search has found, by name: for the console of the machine that has the data."""
    for person in found.people:
        print(printable(f"person: {', '.join(person.names)}"))
        if person.suspected:
            print(printable(f"  may be the same person, which somebody has to decide: {', '.join(person.suspected)}"))
    for name, meant in found.unknown.items():
        print(printable(f"nobody is called {name!r}" + (f"; is it {' or '.join(map(repr, meant))}?" if meant else "")))
    for match in found.matches[:_SHOWN]:
        shared = ", filed under somebody else, too" if match.shared else ""
        print(printable(f"  {match.path}  {match.how}, filed under {match.filed}, {match.split}{shared}"))
    if len(found.matches) > _SHOWN:
        print(f"  and {len(found.matches) - _SHOWN} more files")
    photos = len({match.photo for match in found.matches})
    print(
        f"{photos} photos in {len(found.matches)} files; "
        f"searched: {found.searched_files} files of {found.searched_people} people"
    )
    if same_people:
        print(f"other requests about the same: {', '.join(same_people)}")


def show_lookalikes(found: "Lookalikes", first: int) -> None:
    """The people most like a photo, a line each, by name: for the console of the machine that has the data."""
    for one in found.people[:first]:
        print(printable(f"{one.rank:4}  {one.similarity:+.3f}  {', '.join(one.names)}  {one.paths[0]}"))
    print(
        f"{len(found.people)} people were compared; none of this is a finding. Say who it is with "
        "`aru request confirm REQUEST NAME`, or --nobody"
    )


def warn(text: str) -> None:
    """A line on standard error."""
    print(text, file=sys.stderr)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    raise TypeError(f"{type(value).__name__} is no JSON content")
