"""What a ledger of requests costs at 10,000 requests: submitting, listing, showing, verifying; and 100 submitted at once.

    python -m tools.measure_requests sqlite:////tmp/ledger.db OUT.json
    python -m tools.measure_requests postgresql://USER@HOST/EMPTY_DATABASE OUT.json

The ledger is made by the functions that the commands call. Medians are of 200 calls with an open connection. docs/erasure.md
has the figures.
"""

import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aru.core.files import read_json, write_json
from flows.requests.ledger import service
from flows.requests.ledger.ledger import Ledger, open_ledger
from flows.requests.ledger.queries import count_requests, find_request, list_requests, overdue_requests, request_history
from flows.requests.ledger.records import Actor
from flows.requests.ledger.states import OPEN, State
from flows.requests.ledger.submission import Submission, submit
from flows.requests.ledger.verification import verify_ledger

COUNT, CALLS, AT_ONCE, KEYS = 10_000, 200, 100, 40
KEY, CLERK = b"k" * 32, Actor("measure")


def main(url: str, out: Path) -> None:
    """Fill an empty place and measure, or measure the questions again at one that is filled; write the figures."""
    figures: dict[str, float | int | str] = read_json(out) if out.exists() else {}
    figures |= {"database": url.partition(":")[0], "cores": os.cpu_count() or 0}
    with closing(open_ledger(url, KEY)) as ledger:
        if not list_requests(ledger).requests:
            _fill_and_measure(ledger, url, figures, out)
        write_json(out, figures | _ask(ledger))


def _fill_and_measure(ledger: Ledger, url: str, figures: dict[str, float | int | str], out: Path) -> None:
    for name, pool in (("threads", ThreadPoolExecutor(20)), ("processes", _processes())):
        figures |= _at_once(ledger, url, name, pool)
        write_json(out, figures)
    figures |= _fill(ledger)
    write_json(out, figures)


def _processes() -> Executor:
    return ProcessPoolExecutor(4, mp_context=multiprocessing.get_context("spawn"))


def _at_once(ledger: Ledger, url: str, name: str, pool: Executor) -> dict[str, float | int]:
    """100 requests sent at once with 40 different keys: how many there are, and how many faults the ledger has then."""
    before = count_requests(ledger, datetime.now(UTC)).states.get(State.RECEIVED, 0)
    with pool:
        begun = time.perf_counter()
        sent = list(pool.map(_send, [url] * AT_ONCE, [f"{name} {number % KEYS}" for number in range(AT_ONCE)]))
        seconds = time.perf_counter() - begun
    after = count_requests(ledger, datetime.now(UTC)).states.get(State.RECEIVED, 0)
    return {
        f"{name}: sent": AT_ONCE,
        f"{name}: keys": KEYS,
        f"{name}: ids": len(set(sent)),
        f"{name}: requests": after - before,
        f"{name}: seconds": round(seconds, 2),
        f"{name}: faults": len(verify_ledger(ledger).faults),
    }


def _send(url: str, key: str) -> str:
    with closing(open_ledger(url, KEY)) as ledger:
        return submit(ledger, Submission("faces", (key,)), actor=CLERK, key=key).request.id


def _fill(ledger: Ledger) -> dict[str, float]:
    """Submit until there are COUNT; half of them are identified, so that states and due dates differ."""
    known = sum(count_requests(ledger, datetime.now(UTC)).states.values())
    seconds = []
    for number in range(known, COUNT):
        when = datetime.now(UTC) - timedelta(hours=number % 1000)
        begun = time.perf_counter()
        request = submit(
            ledger, Submission("faces", (f"F{number:05d}/D",)), actor=CLERK, key=str(number), received=when
        ).request
        seconds.append(time.perf_counter() - begun)
        if number % 2:
            service.identify(ledger, request.id, actor=CLERK)
    return {"submit: median ms": _milliseconds(seconds), "submit: requests": COUNT}


def _ask(ledger: Ledger) -> dict[str, float | int]:
    """Medians of the questions, and how long the whole ledger takes to verify."""
    ids = [f"R-{number:06d}" for number in range(1, COUNT, COUNT // CALLS)]
    pages = [page.id for page in list_requests(ledger, limit=1000).requests[:: 1000 // CALLS]]
    now = datetime.now(UTC)
    asked: dict[str, Callable[[int], object]] = {
        "list: 50 first": lambda number: list_requests(ledger),
        "list: 50 within": lambda number: list_requests(ledger, after=pages[number % len(pages)]),
        "list: 50 pending": lambda number: list_requests(ledger, states=[State.PENDING]),
        "list: 50 open": lambda number: list_requests(ledger, states=OPEN),
        "list: overdue": lambda number: overdue_requests(ledger, now),
        "counts": lambda number: count_requests(ledger, now),
        "show": lambda number: (find_request(ledger, ids[number]), request_history(ledger, ids[number])),
    }
    figures: dict[str, float | int] = {}
    for name, ask in asked.items():
        seconds = []
        for number in range(CALLS):
            begun = time.perf_counter()
            ask(number)
            seconds.append(time.perf_counter() - begun)
        figures[f"{name}: median ms"] = _milliseconds(seconds)
        figures[f"{name}: 95 % ms"] = round(1000 * sorted(seconds)[int(0.95 * CALLS)], 2)
    begun = time.perf_counter()
    found = verify_ledger(ledger)
    figures |= {"verify: seconds": round(time.perf_counter() - begun, 2), "verify: rows": found.events}
    return figures | {"verify: faults": len(found.faults)}


def _milliseconds(seconds: list[float]) -> float:
    return round(1000 * statistics.median(seconds), 2)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
