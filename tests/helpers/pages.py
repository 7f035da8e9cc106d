"""Reading a page as a browser does, and text that tries to become markup."""

from html.parser import HTMLParser

HOSTILE = '</title><script>alert(1)</script><img src=x onerror="alert(2)">|`*[a](javascript:b)'


class Reader(HTMLParser):
    """Collects the elements, their attributes and the text of a page; checks that elements close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text, self.open = "", []
        self.feed(text)

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((name, dict(attributes)))
        if name not in ("img", "meta"):
            self.open.append(name)

    def handle_endtag(self, name: str) -> None:
        assert self.open.pop() == name

    def handle_data(self, data: str) -> None:
        self.text += data
