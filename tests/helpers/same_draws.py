"""Draws that are one problem, as few people can be drawn alike by two numbers."""

import pytest

from aru.comparison import draws


def make_alike(monkeypatch: pytest.MonkeyPatch, number: int, like: int) -> None:
    """Let the draws of one number be those of another."""
    assign = draws.assign
    numbers = {number: like}
    monkeypatch.setattr(
        draws,
        "assign",
        lambda manifest, draw, config: assign(
            manifest, draws.Draw(draw.protocol, numbers.get(draw.number, draw.number)), config
        ),
    )
