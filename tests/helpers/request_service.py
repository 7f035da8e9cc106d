"""The ledger's service in tests: what calls send, what searches find, and the word that a page's forms bring."""

import re
from typing import Any

from flows.requests.ledger.service import Evidence

LOCAL = "http://127.0.0.1:5003"
FOUND = Evidence(("F0001/D",), ("a" * 32,), {"files": 1}, "0" * 64, {"matches": []})


def wanted(**changes: Any) -> dict[str, Any]:
    """A request of the API for one person."""
    return {"benchmark": "faces", "subjects": ["F0001/D"]} | changes


def word(page: str) -> str:
    """The word that a form of the page brings."""
    return re.search(r'name="form_word" value="([^"]+)"', page).group(1)
