"""What counts as the code of a module: what it imports, and the templates beside it."""

from pathlib import Path

import pytest

import aru.core.source_code
from aru.core.source_code import ROOT, closure, code_digest, edited, read_sources

PAGE = "aru.reporting.run.page"
TEMPLATES = {
    "aru/reporting/run/page.html.j2",
    "aru/reporting/static/page.css",
    "aru/reporting/templates/base.html.j2",
    "aru/reporting/templates/macros.html.j2",
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A package `aru` of one page with a template, a style sheet and a module that needs neither."""
    for name, text in (("a/page.py", "X = 1"), ("a/page.html.j2", "<p>"), ("a/static/page.css", "p {}"), ("b/plain.py", "")):
        (tmp_path / "aru" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "aru" / name).write_text(text)
    for package in ("a", "b"):
        (tmp_path / "aru" / package / "__init__.py").touch()
    return tmp_path


def test_a_module_needs_the_templates_beside_it_and_no_others() -> None:
    found = closure(PAGE)
    assert {name for name in found if not name.endswith(".py")} == TEMPLATES
    assert closure(PAGE, read_sources(ROOT)) == found, "read from the files, it is the same"


@pytest.mark.parametrize("name", ["a/page.html.j2", "a/static/page.css"])
def test_an_edited_template_is_other_code(checkout: Path, name: str) -> None:
    before, plain = code_digest("aru.a.page", checkout), code_digest("aru.b.plain", checkout)
    code_digest.cache_clear()
    (checkout / "aru" / name).write_text("other")
    assert code_digest("aru.a.page", checkout) != before
    assert code_digest("aru.b.plain", checkout) == plain


def test_a_template_that_no_longer_is_as_it_was_imported_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "aru/reporting/run/page.html.j2"
    assert edited(PAGE) == []
    imported = aru.core.source_code.IMPORTED
    monkeypatch.setitem(imported, name, imported[name] + b" ")
    assert edited(PAGE) == [name]


def test_code_counts_but_comments_docstrings_and_layout_do_not(tmp_path):
    def digest(name: str, source: str) -> str:
        root = tmp_path / name
        (root / "aru").mkdir(parents=True)
        (root / "aru" / "thing.py").write_text(source)
        return code_digest("aru.thing", root)

    plain = digest("plain", "def f(x):\n    return x + 1\n")
    said = '"""A module."""\n\n\ndef f(x):  # adds\n    """Add one."""\n    return (x +\n            1)\n'
    assert plain == digest("commented", said)
    assert plain != digest("changed", "def f(x):\n    return x + 2\n")
