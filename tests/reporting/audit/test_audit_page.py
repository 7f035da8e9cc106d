"""The page of an audit: complete, without a request to any server, escaped, and the same bytes for the same record."""

import json
import re
from pathlib import Path

import pytest

from aru.reporting.audit.page import audit_page, criterion_cells, write_audit
from tests.audit.test_audit import record_of
from tests.helpers.audited import original, retrained
from tests.helpers.pages import Reader


def test_the_record_and_the_page_are_the_same_for_the_same_model_and_tell_no_time(tmp_path: Path) -> None:
    for name in ("first", "second"):
        write_audit(tmp_path / name, record_of("quick", original(), tmp_path))
    for name in ("audit.json", "audit.html"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
    assert "seconds" not in (tmp_path / "first" / "audit.json").read_text()


def test_the_page_fetches_nothing_and_says_verdict_figures_and_what_was_not_tested(tmp_path: Path) -> None:
    record = record_of("quick", original(), tmp_path)
    text = audit_page(record)
    reader = Reader(text)
    assert not reader.open and not {"script", "link", "img", "iframe"} & {name for name, _ in reader.elements}
    assert not re.search(r"https?://|url\(|@import", text) and "FAIL" in reader.text
    for row in record["criteria"]:
        for cell in criterion_cells(row):
            assert cell in reader.text, row["name"]
    assert record["details"]["people"]["most_exposed"][0]["id"] in reader.text
    for phrase in ("measured at the level full, which needs a pool of shadow models", "no proof of erasure", "Not tested"):
        assert phrase in reader.text


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("images_without_person", 7, "Weaker than an audit of people. 7 of {count} forget and unseen images have no person."),
        ("people_are_classes", True, "Not of people who were never known. People are the classes"),
    ],
)
def test_what_weakens_an_audit_is_said_first(tmp_path: Path, key: str, value: object, said: str) -> None:
    record = record_of("quick", retrained(0), tmp_path)
    count = record["images"]["forget"] + record["images"]["unseen"]
    plain, noted = (" ".join(Reader(audit_page(given)).text.split()) for given in (record, record | {key: value}))
    assert said.format(count=count) in noted and "Weaker than" not in plain and "Not of people" not in plain
    assert noted.index(said.format(count=count)) < noted.index("Criterion")


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    record = json.loads(json.dumps(record_of("quick", retrained(0), tmp_path)))
    record["model"] = '<script>alert("x")</script>'
    record["details"]["people"]["most_exposed"][0]["id"] = "<img src=x onerror=y>"
    reader = Reader(audit_page(record))
    assert not {"script", "img"} & {name for name, _ in reader.elements}
