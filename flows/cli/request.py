"""`aru request`: deletion requests, from their receipt to their answer, in the project's ledger."""

import csv
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aru.core.errors import InputError
from flows.cli.context import enter_project, progress_shown
from flows.cli.options import Benchmark

if TYPE_CHECKING:
    from flows.requests.ledger.ledger import Ledger
    from flows.requests.ledger.reasons import Reason
    from flows.requests.ledger.records import RequestRecord
    from flows.requests.resolving.resolution import Resolution

commands = typer.Typer(name="request", help="Keep the ledger of deletion requests (docs/erasure.md).", no_args_is_help=True)

_FAULTY = 1
Request = Annotated[str, typer.Argument(metavar="REQUEST", help="Its id, as in R-000001.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Remark = Annotated[str, typer.Option(help="Words for the record; they are erased with the names.")]
Why = Annotated[str, typer.Option("--because", metavar="REASON", help="A reason of docs/erasure.md.")]


@commands.command()
def submit(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="People: FAMILY/PERSON or person.")] = None,
    photos: Annotated[
        list[str] | None, typer.Option("--photo", metavar="PATH", help="A photo of the data; repeatable.")
    ] = None,
    upload: Annotated[Path | None, typer.Option(metavar="FILE", help="A photo that was sent.")] = None,
    benchmark: Benchmark = "",
    key: Annotated[str | None, typer.Option(help="Idempotency key: sent again with it, the request is entered once.")] = None,
    received: Annotated[datetime | None, typer.Option(help="When it came in, in local time; now if left out.")] = None,
    days: Annotated[int, typer.Option(help="Its time limit.")] = 30,
    remark: Remark = "",
    as_json: Json = False,
) -> None:
    """Enter a request for people, photos, or a photo that was sent."""
    from aru.core.config import load_archive
    from flows.project.params import PARAMS_FILE
    from flows.requests.ledger.records import operator
    from flows.requests.ledger.submission import Submission
    from flows.requests.ledger.submission import submit as enter

    wanted = Submission(benchmark, tuple(names or ()), tuple(photos or ()), _read(upload) if upload else None, remark)
    when = received.astimezone() if received is not None else None
    with _ledger() as (root, ledger):
        load_archive(root / PARAMS_FILE, benchmark)  # an unknown benchmark is named now, not when photos are looked for
        done = enter(ledger, wanted, actor=operator(), key=key, received=when, days=days)
    _print(done.request, as_json)
    if not done.created and not as_json:
        print("it was entered before, with this key")


@commands.command()
def identify(
    request: Request,
    by: Annotated[str | None, typer.Option(help="Who checked the identity; you, if left out.")] = None,
    ask: Annotated[bool, typer.Option("--ask", help="Note that proof was asked for, because of reasonable doubt.")] = False,
    remark: Remark = "",
    as_json: Json = False,
) -> None:
    """Sign that the identity of who asks was checked."""
    from flows.requests.ledger import service
    from flows.requests.ledger.records import operator

    with _ledger() as (_, ledger):
        if ask:
            done = service.ask_identity(ledger, request, actor=operator(), remark=remark)
        else:
            done = service.identify(ledger, request, by=by, actor=operator(), remark=remark)
    _print(done, as_json)


@commands.command()
def resolve(
    request: Request,
    not_found: Annotated[
        bool, typer.Option("--not-found", help="Close it where nothing is found, similar names or look-alikes or not.")
    ] = False,
    lookalikes: Annotated[
        bool, typer.Option("--lookalikes", help="Only list who looks like the photo that was sent; nothing goes on record.")
    ] = False,
    first: Annotated[int, typer.Option(min=1, help="How many look-alikes.")] = 10,
    as_json: Json = False,
) -> None:
    """Find every photo that a request means, and put the finding on record; nothing found closes a checked request."""
    if lookalikes:
        _show_lookalikes(request, first, as_json)
        return
    from flows.requests.ledger.records import operator
    from flows.requests.resolving.recording import resolve_on_record

    with _ledger() as (root, ledger), progress_shown("resolve", quiet=as_json) as progress:
        found, done = resolve_on_record(root, ledger, request, actor=operator(), close_anyway=not_found, progress=progress)
        _warn_of_stranded(ledger, request)
    if as_json:
        from flows.cli.request_console import print_json

        print_json({"request": done, "found": found.found, "counts": found.evidence.counts, "same_people": found.same_people})
        return
    _show_found(found)
    _print(done, False)


@commands.command()
def confirm(
    request: Request,
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="FAMILY/PERSON of the list.")] = None,
    nobody: Annotated[bool, typer.Option("--nobody", help="It is nobody of those who were looked at.")] = False,
    shown: Annotated[int, typer.Option("--first", min=1, help="How many look-alikes were looked at.")] = 10,
    remark: Remark = "",
    as_json: Json = False,
) -> None:
    """Say who of the look-alikes is in the photo that was sent, which is on record under your name; or that nobody is."""
    from flows.requests.ledger.records import operator
    from flows.requests.resolving import confirming
    from flows.requests.resolving.lookalikes import LookalikeSearch

    if bool(names) == nobody:
        raise InputError("say who it is, as `aru request resolve REQUEST --lookalikes` lists them, or --nobody")
    with _ledger() as (root, ledger), progress_shown("look", quiet=as_json) as progress:
        seen = confirming.look_alikes(LookalikeSearch(root), ledger, request, progress=progress)
        found, done = confirming.confirm(
            root, ledger, request, seen, names or (), shown=shown, actor=operator(), remark=remark, progress=progress
        )
    if not as_json:
        _show_found(found)
    _print(done, as_json)


@commands.command()
def approve(request: Request, remark: Remark = "", as_json: Json = False) -> None:
    """Decide that a request is carried out, on what a search finds now."""
    from flows.requests.ledger.records import operator
    from flows.requests.resolving.recording import approve_on_record

    with _ledger() as (root, ledger), progress_shown("resolve", quiet=as_json) as progress:
        found, done = approve_on_record(root, ledger, request, actor=operator(), remark=remark, progress=progress)
        _warn_of_stranded(ledger, request)
    if not as_json:
        _show_found(found)
    _print(done, as_json)


@commands.command()
def deny(request: Request, because: Why, remark: Remark = "", as_json: Json = False) -> None:
    """Refuse a request, for a reason of the law; what a batch put on the suppression list for it goes."""
    from flows.requests.ledger import service
    from flows.requests.ledger.records import operator
    from flows.requests.suppression.entering import taken_off

    with _ledger() as (root, ledger), taken_off(root, ledger, request):
        done = service.deny(ledger, request, _reason(because), actor=operator(), remark=remark)
        _warn_of_stranded(ledger, request)
    _print(done, as_json)


@commands.command()
def reopen(request: Request, because: Why, remark: Remark = "", as_json: Json = False) -> None:
    """Decide anew on a request that was denied, not found, or a duplicate."""
    from flows.requests.ledger import service
    from flows.requests.ledger.records import operator

    with _ledger() as (_, ledger):
        done = service.reopen(ledger, request, _reason(because), actor=operator(), remark=remark)
    _print(done, as_json)


@commands.command()
def duplicate(
    request: Request,
    of: Annotated[str, typer.Option("--of", metavar="REQUEST", help="The one that is carried out.")],
    remark: Remark = "",
    as_json: Json = False,
) -> None:
    """Join a request to another one that asks for the same."""
    from flows.requests.ledger import service
    from flows.requests.ledger.records import operator

    with _ledger() as (_, ledger):
        done = service.mark_duplicate(ledger, request, of, actor=operator(), remark=remark)
    _print(done, as_json)


@commands.command()
def cancel(request: Request, remark: Remark = "", as_json: Json = False) -> None:
    """Note that who sent a request has taken it back; what a batch put on the suppression list for it goes."""
    from flows.requests.ledger import service
    from flows.requests.ledger.records import operator
    from flows.requests.suppression.entering import taken_off

    with _ledger() as (root, ledger), taken_off(root, ledger, request):
        done = service.cancel(ledger, request, actor=operator(), remark=remark)
        _warn_of_stranded(ledger, request)
    _print(done, as_json)


@commands.command()
def extend(
    request: Request,
    because: Why,
    days: Annotated[int, typer.Option(help="How many days more.")] = 60,
    remark: Remark = "",
    as_json: Json = False,
) -> None:
    """Extend the time limit, which who asked must be told within the first one."""
    from flows.requests.ledger import service
    from flows.requests.ledger.records import operator

    with _ledger() as (_, ledger):
        done = service.extend(ledger, request, _reason(because), days=days, actor=operator(), remark=remark)
    _print(done, as_json)


@commands.command("list")
def list_(
    state: Annotated[list[str] | None, typer.Option(help="Only in this state; repeatable.")] = None,
    overdue: Annotated[bool, typer.Option("--overdue", help="Only open ones whose time limit has passed.")] = False,
    benchmark: Annotated[str | None, typer.Option(help="Only of this benchmark.")] = None,
    limit: Annotated[int, typer.Option(help="How many.")] = 50,
    after: Annotated[str | None, typer.Option(metavar="REQUEST", help="Those that follow this one.")] = None,
    as_json: Json = False,
) -> None:
    """The requests, the one due first at the top."""
    from flows.cli.request_console import print_json, show_requests
    from flows.requests.ledger.queries import count_requests, list_requests
    from flows.requests.ledger.states import OPEN, State

    now = datetime.now(UTC)
    unknown = sorted({*(state or ())} - {*State})
    if unknown:
        raise InputError(f"unknown state {unknown[0]!r}: give {', '.join(State)}")
    chosen = {State(name) for name in state or ()}
    if overdue:
        chosen = chosen & OPEN if chosen else set(OPEN)
    with _ledger() as (_, ledger):
        page = list_requests(
            ledger, states=chosen, benchmark=benchmark, due_before=now if overdue else None, limit=limit, after=after
        )
        counts = count_requests(ledger, now)
    if as_json:
        print_json({"requests": page.requests, "next": page.next, "counts": counts})
    else:
        show_requests(page.requests, page.next, counts, now)


@commands.command()
def show(
    request: Request,
    particulars: Annotated[bool, typer.Option("--particulars", help="With the names, photos and remarks, too.")] = False,
    as_json: Json = False,
) -> None:
    """A request with everything that was done."""
    from flows.cli.request_console import print_json, printable, show_history
    from flows.requests.certificates.issuing import CERTIFICATES
    from flows.requests.ledger.queries import certificate_on_record, find_request, request_history, request_particulars

    with _ledger() as (_, ledger):
        found, history = find_request(ledger, request), request_history(ledger, request)
        certificate = certificate_on_record(history)
        parts = request_particulars(ledger, request) if particulars else {}
        _warn_of_stranded(ledger, request)
    if as_json:
        shown = {"request": found, "certificate": certificate, "history": history}
        print_json(shown | ({"particulars": parts} if particulars else {}))
        return
    _print(found, False)
    if certificate is not None:
        print(f"certificate: {CERTIFICATES}/{certificate}")
    show_history(history)
    for part, content in parts.items():
        print(printable(f"{part}: {f'{len(content)} bytes' if isinstance(content, bytes) else content}"))


@commands.command()
def match(
    file: Annotated[Path, typer.Argument(metavar="LIST", help="Digests, one a line, or a CSV with the columns ID and Hash.")],
    function: Annotated[str, typer.Option("--hash", metavar="NAME", help="The hash function of the list, as sha256.")],
    identifier: Annotated[str, typer.Option(help="What was hashed: id, email or phone (docs/erasure.md).")] = "id",
    benchmark: Benchmark = "",
    enter: Annotated[bool, typer.Option("--submit", help="Enter a request for each one who matches.")] = False,
    verified_by: Annotated[str | None, typer.Option(help="Who checked their identities, as the platform did.")] = None,
    days: Annotated[int, typer.Option(help="The time limit of these requests.")] = 30,
    as_json: Json = False,
) -> None:
    """Match a list of hashed identifiers with the people of the data, and answer it as the ledger stands."""
    from flows.cli.request_console import print_json
    from flows.requests.ledger.records import operator
    from flows.requests.resolving.hashed_lists import answer_list, read_hashed_list
    from flows.requests.resolving.resolution import people_of

    items = read_hashed_list(file, function)
    with _ledger() as (root, ledger), progress_shown("match", quiet=as_json) as progress:
        people, _ = people_of(root, benchmark, progress=progress)
        answers = answer_list(
            ledger,
            benchmark,
            people,
            items,
            function,
            identifier,
            submit_as=operator() if enter else None,
            verified_by=verified_by,
            days=days,
        )
    counts = Counter(answer.outcome for answer in answers)
    if as_json:
        print_json({"answers": answers, "counts": counts})
        return
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(["ID", "Status", "Code", "Request"])
    table.writerows([answer.id, answer.outcome, answer.code or "", answer.request or ""] for answer in answers)


@commands.command()
def verify(
    certificate: Annotated[
        Path | None, typer.Argument(help="A certificate, or a folder of them, instead of the ledger.")
    ] = None,
    key: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Of a certificate: a trusted public key; repeatable.")
    ] = None,
    heads: Annotated[list[str] | None, typer.Option("--head", metavar="HASH", help="An earlier head; repeatable.")] = None,
    as_json: Json = False,
) -> None:
    """Check that nobody has changed the ledger behind the program's back, or a certificate (as `aru certificate verify`)."""
    from flows.cli.certificate import show_verification
    from flows.cli.request_console import print_json
    from flows.requests.ledger.verification import verify_ledger

    if certificate is not None:
        raise typer.Exit(show_verification(certificate, key or (), None))
    with _ledger() as (_, ledger):
        found = verify_ledger(ledger, heads or ())
    if as_json:
        print_json(found)
    else:
        print("\n".join(found.faults or ["the chain is whole, and the requests are as the history says"]))
        print(f"{found.events} rows of history, head {found.head}")
    if found.faults:
        raise typer.Exit(_FAULTY)


@commands.command()
def export(file: Annotated[Path, typer.Argument(help="The JSON file to write.")]) -> None:
    """Write the ledger without what names people, for an auditor."""
    from flows.requests.ledger.exporting import export_ledger

    with _ledger() as (_, ledger):
        count = export_ledger(ledger, file)
    print(f"{file}: {count} rows of history")


@commands.command("serve")
def serve_command(port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 5003) -> None:
    """Serve the ledger's pages and its API on this machine until Ctrl-C; both want a token."""
    from flows.requests.web.web_app import serve_requests
    from flows.servers.local_servers import check_port

    root = enter_project()
    check_port(port, option="--port")
    serve_requests(root, port=port)


@commands.command()
def token(
    name: Annotated[str, typer.Argument(help="Whose it is: what is done with it is on record under this name.")],
    revoke: Annotated[bool, typer.Option("--revoke", help="Take it back.")] = False,
) -> None:
    """Make a token for the pages and the API, shown once; or take one back."""
    from flows.requests.web.access import create_token, revoke_token

    root = enter_project()
    if revoke:
        revoke_token(root, name)
        print(f"the token of {name} is taken back")
    else:
        print(create_token(root, name))


@contextmanager
def _ledger() -> "Iterator[tuple[Path, Ledger]]":
    """The project's folder and its ledger."""
    from flows.requests.ledger.ledger import project_ledger

    root = enter_project()
    with project_ledger(root) as ledger:
        yield root, ledger


def _show_found(found: "Resolution") -> None:
    from flows.cli.request_console import show_found

    show_found(found.found, found.same_people)
    if found.unseen:
        print(
            "the photo that was sent is no copy of any here: `aru request resolve REQUEST --lookalikes` lists who is like it"
        )


def _show_lookalikes(request: str, first: int, as_json: bool) -> None:
    from flows.cli.request_console import print_json, show_lookalikes
    from flows.requests.resolving.confirming import look_alikes
    from flows.requests.resolving.lookalikes import LookalikeSearch

    with _ledger() as (root, ledger), progress_shown("look", quiet=as_json) as progress:
        found = look_alikes(LookalikeSearch(root), ledger, request, progress=progress)
    if as_json:
        print_json({"people": found.people[:first], "model": found.weights_md5, "searched": found.searched})
    else:
        show_lookalikes(found, first)


def _warn_of_stranded(ledger: "Ledger", request: str) -> None:
    """Name the duplicates of a request that is closed and was not carried out, on standard error."""
    from flows.cli.request_console import warn
    from flows.requests.ledger.queries import stranded_duplicates

    if stranded := stranded_duplicates(ledger, request):
        warn(
            f"duplicates of {request}, which are not carried out, as it is not: {', '.join(stranded)}; `aru request reopen "
            "REQUEST --because new_information` for each that is to be decided by itself"
        )


def _print(request: "RequestRecord", as_json: bool) -> None:
    from flows.cli.request_console import print_json, show_request

    if as_json:
        print_json(asdict(request))
    else:
        show_request(request, datetime.now(UTC))


def _reason(name: str) -> "Reason":
    from flows.requests.ledger.reasons import Reason

    if name not in {*Reason}:
        raise InputError(f"unknown reason {name!r}: give one of {', '.join(Reason)}")
    return Reason(name)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): name a photo") from None
