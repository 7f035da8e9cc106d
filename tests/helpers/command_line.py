"""The command `aru`, called in this process."""

from collections.abc import Callable

import pytest

from flows.cli import app

Call = Callable[..., tuple[int, str, str]]


def caller(capfd: pytest.CaptureFixture, *before: str) -> Call:
    """A function that calls `aru BEFORE ARGUMENTS`; it returns exit code, stdout and stderr."""

    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            app.main([*before, *arguments])
        captured = capfd.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return call
