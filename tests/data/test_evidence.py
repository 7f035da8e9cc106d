"""The lists of merged people and suspects."""

from aru.data.census import census, format_census
from aru.data.evidence import format_evidence, merge_evidence
from tests.helpers.filings import table


def test_the_lists_name_filings_with_their_evidence():
    folders = {"F1/A": "abcd", "F2/B": "abcx", "F3/C": "klmn", "F4/D": "kpqrs", "F5/E": "12", "F5/e": "34"}
    shown = merge_evidence(table(folders))
    assert shown["merges"] == [
        {
            "subject": "S00000",
            "photos": 5,
            "filings": {"F1/A": 4, "F2/B": 4},
            "evidence": [{"filings": ["F1/A", "F2/B"], "shared_photos": 3, "of": 4}],
        }
    ]
    text = format_evidence(shown)
    assert "| S00000 | 5 | F1/A (4), F2/B (4) | F1/A and F2/B: 3 of 4 |" in text
    assert "| S00001: F3/C (4) | S00002: F4/D (5) | 1 of 4 photos are shared |" in text
    assert "| S00003: F5/E (2) | S00004: F5/e (2) | their ids are nearly the same |" in text
    assert "2 pairs of people may be one" in text and "0 people" in format_evidence(merge_evidence(table({"F1/A": "ab"})))


def test_a_table_of_ten_thousand_classes_shows_the_largest():
    manifest = table({f"F{person}/A": "".join(chr(0x4E00 + 3 * person + photo) for photo in range(3)) for person in range(40)})
    manifest = manifest.assign(role=["forget", "retain", "test", "unseen"] * 30, digest=manifest["photo"])
    manifest["age"] = [0, 7, 9_999] * 20 + list(range(100, 160))
    text = format_census(census(manifest, classes={"age": tuple(f"name {number}" for number in range(10_000))}))
    line = next(line for line in text.splitlines() if line.startswith("| age"))
    assert line.startswith("| age | name 0 | name 7 | name 100 |") and line.endswith("| name 9999 | 43 other classes |")
    counts = [line.split(" | ") for line in text[text.index(line) :].splitlines()[2:6]]
    assert sum(int(cell.strip(" |")) for row in counts for cell in row[1:]) == 120, "nothing is lost"
