"""The measured tables of the documents are those of their records."""

from tools.page_tables import pages


def test_the_pages_show_their_records() -> None:
    for page, text in pages().items():
        assert page.read_text(encoding="utf-8") == text, "run python -m tools.page_tables"
        assert text.count(": begin -->") == text.count(": end -->") >= 1
