"""A process that ends at one step, in the tests' own process: what comes after the step, cleaning up too, never happens."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest


class Killed(BaseException):
    """The process ends here."""


@contextmanager
def killed_at(owner: Any, name: str, *, after: bool = False) -> Iterator[None]:
    """The block has to end as a kill ends it, where `name` of `owner` is called: before it does anything, or after."""
    step = getattr(owner, name)

    def deadly(*arguments: object, **options: object) -> None:
        if after:
            step(*arguments, **options)
        raise Killed

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(owner, name, deadly)
        yield
