"""The loop that all work goes through: order, limits, failures, interrupts."""

from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event

import pytest

from aru.compute.work_queue import run_queue


def taking(items: list) -> "callable":
    """Gives the items in turn."""
    return lambda: items.pop(0) if items else None


def test_items_run_side_by_side_up_to_the_limit_and_are_settled_as_they_end():
    started: list[str] = []
    settled: list[str] = []
    futures: dict[str, Future] = {}

    def start(item: str) -> Future:
        started.append(item)
        futures[item] = Future()
        if len(started) == 2:
            futures["b"].set_result(None)  # the second ends first
        if item == "c":
            futures["a"].set_result(None)
            futures["c"].set_result(None)
        return futures[item]

    run_queue(taking(["a", "b", "c"]), start, lambda item, _: settled.append(item), at_once=2)
    assert started == ["a", "b", "c"] and settled[0] == "b" and sorted(settled) == ["a", "b", "c"]


def test_what_waits_for_another_begins_when_that_has_ended_and_may_come_again():
    attempts: list[str] = []
    waiting, done = ["second", "first"], set()

    def ready() -> str | None:
        for item in waiting:
            if item == "first" or "first" in done:
                waiting.remove(item)
                return item
        return None

    def settle(item: str, future: Future) -> None:
        attempts.append(item)
        if attempts.count(item) < 2:
            waiting.append(item)
        else:
            done.add(item)

    with ThreadPoolExecutor(2) as pool:
        run_queue(ready, lambda item: pool.submit(str, item), settle)
    assert attempts == ["first", "first", "second", "second"]


def test_after_a_failure_nothing_is_started_and_what_runs_is_settled():
    items, settled, go_on = ["bad", "slow", "never"], [], Event()

    def work(item: str) -> None:
        if item == "bad":
            raise ZeroDivisionError("bad")
        go_on.wait(20)

    def settle(item: str, future: Future) -> None:
        go_on.set()
        future.result()
        settled.append(item)

    with ThreadPoolExecutor(2) as pool, pytest.raises(ZeroDivisionError):
        run_queue(taking(items), lambda item: pool.submit(work, item), settle, at_once=2)
    assert settled == ["slow"] and items == ["never"]


def test_when_the_time_is_over_nothing_is_started():
    items = ["a", "b"]
    with ThreadPoolExecutor(1) as pool:
        run_queue(taking(items), lambda item: pool.submit(str, item), lambda *_: None, over=lambda: len(items) < 2)
    assert items == ["b"]


def test_an_interrupt_stops_waits_and_cuts_off_what_does_not_end():
    happened: list[str] = []
    endless: Future = Future()

    def settle(item: str, future: Future) -> None:
        if item == "interrupted":
            raise KeyboardInterrupt
        happened.append(f"settled {item}")

    def start(item: str) -> Future:
        if item == "endless":
            return endless
        future: Future = Future()
        future.set_result(None)
        return future

    def cut_off() -> None:
        happened.append("cut off")
        endless.set_result(None)

    with pytest.raises(KeyboardInterrupt):
        run_queue(
            taking(["endless", "interrupted"]),
            start,
            settle,
            stop=lambda: happened.append("stopped"),
            cut_off=cut_off,
            grace_seconds=0.05,
        )
    assert happened == ["stopped", "cut off", "settled endless"]
