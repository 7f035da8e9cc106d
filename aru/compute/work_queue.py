"""One loop over work that runs side by side: comparisons, searches, shadow models and stages all go through it."""

from collections.abc import Callable
from functools import partial
from queue import Empty, Queue
from typing import Any, Protocol, TypeVar

Item = TypeVar("Item")


class Pending(Protocol):
    """A future, of Prefect or of `concurrent.futures`."""

    def add_done_callback(self, fn: Callable[[Any], Any], /) -> Any:
        """Call `fn` once it has ended, from whatever thread."""


def never() -> bool:
    """No time is over."""
    return False


def run_queue(
    ready: Callable[[], Item | None],
    start: Callable[[Item], Pending],
    settle: Callable[[Item, Any], None],
    *,
    at_once: int | None = None,
    over: Callable[[], bool] = never,
    stop: Callable[[], None] = lambda: None,
    cut_off: Callable[[], None] | None = None,
    grace_seconds: float = 5.0,
) -> None:
    """Start what `ready` gives, at most `at_once` at a time, and `settle` each as it ends; all in the caller's thread.

    ready: the next item that may begin now, None where there is none; called again after each that has ended. over: whether
    nothing more is to be started. settle: gets the item and its ended future; what it raises is a failure.
    After a failure nothing is started any more: what runs is waited for and settled, so that its work is kept, and then the
    first failure is raised. An interrupt calls `stop`; where `cut_off` is given, what runs is then waited for and settled, and
    cut off where nothing ends within `grace_seconds`.
    """
    running: dict[int, tuple[Item, Pending]] = {}
    ended: Queue[int] = Queue()
    failures: list[Exception] = []
    started = 0

    def report_end(number: int, _: object) -> None:
        ended.put(number)

    def collect(timeout: float | None = None) -> None:
        item, future = running.pop(ended.get(timeout=timeout))
        try:
            settle(item, future)
        except Exception as error:
            failures.append(error)

    try:
        while True:
            while not failures and not over() and (at_once is None or len(running) < at_once):
                try:
                    item = ready()
                    if item is None:
                        break
                    future = start(item)
                except Exception as error:
                    failures.append(error)
                    break
                running[started] = item, future
                future.add_done_callback(partial(report_end, started))
                started += 1
            if not running:
                break
            collect()
    except BaseException:
        stop()
        while running and cut_off is not None:
            try:
                collect(grace_seconds)
            except Empty:
                cut_off()
        raise
    if failures:
        raise failures[0]
