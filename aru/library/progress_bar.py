"""Progress of a call of the library: a bar in a notebook or where it is wanted, and the caller's own functions."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from aru.core.progress import Progress


@contextmanager
def reporting(progress: bool | None, callbacks: Sequence[Progress]) -> Iterator[Progress]:
    """A function ``(done, total, text)`` that moves the bar and calls every callback; None shows a bar in a notebook only."""
    if not (in_notebook() if progress is None else progress):
        yield lambda done, total, text: _call(callbacks, done, total, text)
        return
    with Bar(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()) as bar:
        tasks = {}

        def report(done: int, total: int, text: str) -> None:
            if text not in tasks:
                tasks[text] = bar.add_task(text, total=total)
            bar.update(tasks[text], completed=done, total=total)
            _call(callbacks, done, total, text)

        yield report


def in_notebook() -> bool:
    """Whether this is the kernel of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(shell).__name__ == "ZMQInteractiveShell"


def _call(callbacks: Sequence[Progress], done: int, total: int, text: str) -> None:
    for callback in callbacks:
        callback(done, total, text)
