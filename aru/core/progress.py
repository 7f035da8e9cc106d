"""How a long computation reports its progress, without knowing who receives it."""

from collections.abc import Callable

Progress = Callable[[int, int, str], None]
"""Called as ``progress(done, total, text)``; it may raise to cancel the work between two batches."""


def silent(done: int, total: int, text: str) -> None:
    """Ignore it."""
