"""How a long computation tells how far it is, without knowing who listens."""

from collections.abc import Callable

Progress = Callable[[int, int, str], None]
"""Called as ``progress(done, total, text)``; it may raise to cancel the work between two batches."""


def silent(done: int, total: int, text: str) -> None:
    """Listen to nothing."""
