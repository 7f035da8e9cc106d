"""Templates: everything is escaped, nothing is missing silently, and no page runs a script of another."""

from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from jinja2 import UndefinedError

from aru.reporting.rendering import POLICY, render
from aru.reporting.view import Cell
from tests.helpers.pages import HOSTILE, Reader


@dataclass(frozen=True)
class Untitled:
    """A view without all that the page of a comparison shows."""

    title: str = HOSTILE


def comparison(title: str) -> SimpleNamespace:
    """The view of a results page without a table."""
    return SimpleNamespace(title=title, reading=title, sections=())


def test_what_a_view_does_not_have_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="reading"):
        render("comparison/page.html.j2", Untitled())


def test_text_is_escaped_and_the_policy_is_closed() -> None:
    page = render("comparison/page.html.j2", comparison(HOSTILE))
    reader = Reader(page)
    assert page.startswith("<!doctype html>\n") and not reader.open
    assert reader.text.count(HOSTILE) == 3  # title, heading and lead
    assert not {"script", "img"} & {name for name, _ in reader.elements}
    assert [one["content"] for name, one in reader.elements if name == "meta" and "http-equiv" in one] == [POLICY]


def test_cells_sort_by_finite_numbers_alone() -> None:
    assert [Cell("x", value=value).sort_value for value in (None, float("nan"), 0.5)] == [None, None, "0.5"]
