"""The page of copies under other names: names stay text, nothing is fetched, and what is counted as one person is said."""

from typing import Any

from aru.data.copy_pairs import CopyOf, CopyPair, CopyPairs
from aru.reporting.copies.page import copies_page
from tests.helpers.archives import jpeg


def copy(path: str, filing: str, subject: str) -> CopyOf:
    return {"path": path, "filing": filing, "subject": subject, "role": ""}


def pair(kind: str, similarity: float | None, *sides: CopyOf) -> CopyPair:
    return {"photo": "P000001", "one": sides[0], "other": sides[1], "kind": kind, "similarity": similarity}


HOSTILE = "<img src=x onerror=alert(1)>.jpg"
PAIRS: CopyPairs = {
    "pairs": [
        pair("edit", 0.98765, copy("a.jpg", "Ann", "S1"), copy(HOSTILE, "Zo\u00eb", "S1")),
        pair("chain", None, copy("a.jpg", "Ann", "S1"), copy("b.jpg", "Bo", "S2")),
    ],
    "in_all": 1200,
}


def page() -> str:
    pictures: dict[str, Any] = {"a.jpg": jpeg(0), "b.jpg": jpeg(1), HOSTILE: jpeg(2)}
    return copies_page("own", PAIRS, pictures)


def test_each_pair_is_side_by_side_with_its_evidence() -> None:
    text = page()
    assert text.count('src="data:image/jpeg;base64,') == 4 and "1,200 pairs, of which the first 2 are shown" in text
    assert "similarity 0.9877" in text and "similarity \u2013" in text and "Zo\u00eb" in text
    assert text.count("counted as one person") == text.count("counted as two") == 1
    assert "These are people." in text and text == page()


def test_names_stay_text_and_nothing_is_fetched() -> None:
    text = page()
    assert "<img src=x" not in text and "&lt;img src=x onerror=alert(1)&gt;.jpg" in text
    assert "img-src data:" in text and "http" not in text.replace("http-equiv", "")
