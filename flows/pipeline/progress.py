"""How far the stages are: bars on a terminal, plain lines elsewhere, nothing when quiet."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress

from aru.core.progress import Progress, silent

_LINE_EVERY_SECONDS = 10.0
_SOURCE_TEXT = {"computed": "computed", "prefect": "cached", "dvc.lock": "cached", "restored": "restored from the cache"}


class Board:
    """Shows stages that run, from several threads; this one shows nothing, the others build on it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    @contextmanager
    def stage(self, name: str) -> Iterator[Progress]:
        """Show a stage from here to the end of the block; yields what the stage reports its progress to."""
        yield silent

    def done(self, name: str, source: str) -> None:
        """Say how a stage's outputs came to be."""
        self.say(f"{name:<9} {_SOURCE_TEXT[source]}")

    def say(self, text: str) -> None:
        """Say something beside the stages."""
        return None


class Lines(Board):
    """Plain lines on stderr: the start, then about every ten seconds how far the stage is."""

    @contextmanager
    def stage(self, name: str) -> Iterator[Progress]:
        self.say(f"{name:<9} started")
        last = time.monotonic()

        def show(done: int, total: int, text: str) -> None:
            nonlocal last
            if time.monotonic() - last >= _LINE_EVERY_SECONDS:
                last = time.monotonic()
                self.say(f"{name:<9} {100 * done / max(1, total):3.0f} % ({done} of {total}) {text}")

        yield show

    def say(self, text: str) -> None:
        sys.stderr.write(f"{text}\n")  # in one piece, as two stages may speak at once
        sys.stderr.flush()


class Bars(Board):
    """A bar for each stage that runs, a line for each that is done."""

    def __init__(self, console: Console) -> None:
        columns = (
            TextColumn("{task.fields[stage]:<9}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
        )
        self._progress = RichProgress(*columns, console=console, transient=True)
        self._lock = Lock()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    @contextmanager
    def stage(self, name: str) -> Iterator[Progress]:
        with self._lock:
            bar = self._progress.add_task("", stage=name, total=None)
        try:
            yield lambda done, total, text: self._progress.update(bar, completed=done, total=total, description=text)
        finally:
            self._progress.remove_task(bar)

    def say(self, text: str) -> None:
        self._progress.console.print(text, highlight=False, markup=False)


def make_board(*, quiet: bool) -> Board:
    """Bars where stderr is a terminal, lines where it is not, nothing when quiet."""
    if quiet:
        return Board()
    console = Console(stderr=True)
    return Bars(console) if console.is_terminal else Lines()
