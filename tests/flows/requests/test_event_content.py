"""What the history may hold: all that the program writes, and a name or a path in no place of it."""

import ast
import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.requests.ledger import service
from flows.requests.ledger.event_content import COUNTS, EventContent, check_content, fault_kind, named_in, without_names
from flows.requests.ledger.ledger import Ledger
from flows.requests.ledger.queries import request_history
from flows.requests.ledger.submission import Submission, submit
from flows.requests.resolving import people
from tests.helpers.ledgers import CLERK, SHA

TIME = "2026-01-31T09:00:00.000000Z"
WRITTEN: list[dict[str, Any]] = [
    {"set": {"key": SHA, "content": SHA, "kind": "subject", "received": TIME, "first_due": TIME, "due": TIME}},
    {"set": {"due": TIME, "extended_because": "complexity"}, "particulars": {"remark": SHA}},
    {"set": {"duplicate_of": "R-000001", "batch": "B-000001"}},
    {"set": {"thresholds": SHA, "parameters": SHA, "created": TIME}, "requests": ["R-000001", "R-000002"]},
    {"set": {"model_before": "none", "model_after": "12"}},
    {"subjects": [SHA], "files": [SHA], "counts": {"files": 3, "by person": 3}, "searched": SHA},
    {"subjects": [SHA], "ranks": [2], "shown": 10, "model": "a" * 32, "searched": SHA},
    {"step": 1, "version": "4", "verdict": "fail", "level": "full", "thresholds": SHA},
    {
        "method": "retrain",
        "figures": {
            "accuracy": {"retain": 0.9, "test": 0.5},
            "retained_auc": None,
            "earlier": {
                **{
                    "people": 1,
                    "photos": 2,
                    "erased": 0,
                    "auc": 0.5,
                    "low": 0.4,
                    "high": 0.6,
                    "limit": None,
                    "reversed": False,
                },
                "batches": {"B-000001": 0.5},
            },
        },
    },
    {"weights_md5": "a" * 32, "since": "2026-01-31T09:00:00+00:00", "release": 2},
    {"limits": ["of_class"], "kind": "OSError", "decision": "carry out", "erased": 3, "trained": 0, "resolution": 4},
    {"record": {"certificate": "000001-R-000001.json", "sha256": SHA}},
]
NAMES = st.one_of(
    st.sampled_from(["Anna Schmidt", "anna", "F0001/D", "train_images/F0001_AGE_D_17_a1.jpg", "李", "D", "a.b@example.org"]),
    st.text(min_size=1, max_size=30).filter(lambda text: not text.isascii() or not text.isalnum()),
)


def places(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The ways to all mappings, lists and values in content."""
    yield path
    for key, one in content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ():
        yield from places(one, (*path, key))


def planted(content: dict[str, Any], path: tuple[Any, ...], name: str, as_key: bool) -> dict[str, Any]:
    """The content with a name at one place: as a key of a mapping, added to a list, or instead of a value."""
    changed = copy.deepcopy(content)
    there: Any = changed
    for key in path[:-1]:
        there = there[key]
    at = there[path[-1]] if path else changed
    if isinstance(at, dict) and as_key:
        at[name] = 1
    elif isinstance(at, list) and as_key:
        at.append(name)
    elif path:
        there[path[-1]] = name
    else:
        changed[name] = name
    return changed


@pytest.mark.parametrize("content", WRITTEN)
def test_what_the_program_writes_is_taken(content: dict[str, Any]) -> None:
    check_content(content)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.data(), NAMES, st.booleans())
def test_name_in_any_place_is_refused_and_not_repeated(data: st.DataObject, name: str, as_key: bool) -> None:
    content = data.draw(st.sampled_from(WRITTEN))
    path = data.draw(st.sampled_from(list(places(content))))
    with pytest.raises(ValueError, match="the history takes no such content") as refused:
        check_content(planted(content, path, name, as_key))
    assert name not in str(refused.value) or name in "the history takes no such content (field: an unknown one)" + "".join(
        EventContent.model_fields
    )


def test_all_ways_in_which_files_are_found_are_counted() -> None:
    texts = {node.value for node in ast.walk(ast.parse(Path(people.__file__).read_text())) if isinstance(node, ast.Constant)}
    ways = {text for text in texts if isinstance(text, str) and text.startswith(("copy: ", "person: "))} | {"named", "person"}
    assert {f"by {way}" for way in ways} == {name for name in COUNTS if name.startswith("by ")}


def test_free_texts_of_a_record_have_no_names_of_the_request(ledger: Ledger) -> None:
    request = submit(ledger, Submission("faces", ("F0001/D",), ("photos/Anna_1.jpg",)), actor=CLERK).request.id
    place = {"name": "work/faces", "kind": "derived", "found": 3, "stated_by": "program"}
    for words in ("removed: F0001/D", "PHOTOS/ANNA_1.JPG was removed", "store s3://jobs/F0001/D"):
        for field in ("name", "done"):
            with pytest.raises(ValueError, match="no names of people or photos"):
                service.record(ledger, request, {"erasure": [place | {"done": "removed"} | {field: words}]}, actor=CLERK)
    assert len(request_history(ledger, request)) == 1
    for words in ("Mark Lee's rows removed", "Mark: removed", "file 0001 removed"):
        with pytest.raises(ValueError, match="no names of people or photos"):
            check_content({"record": {"erasure": [place | {"done": words}]}}, ["Mark", "0001"])
    service.record(ledger, request, {"erasure": [place | {"done": "removed"}]}, actor=CLERK)
    assert request_history(ledger, request)[-1].data["record"]["erasure"][0]["done"] == "removed"


def test_pseudonyms_take_the_place_of_names_in_a_free_text() -> None:
    names = ["F0001/D", "photos/F0001/D_1.jpg", "D_1.jpg", "Anna", "anna", "D"]
    text = "s3://x/F0001/D, s3://x/PHOTOS/F0001/D_1.JPG, Anna and anna; Annas, F0001/Dan and aD_1.jpg"
    without = without_names(text, names, {name: f"<{number}>" for number, name in enumerate(names)}.__getitem__)
    assert without == "s3://x/<0>, s3://x/<1>, <3> and anna; Annas, F0001/Dan and aD_1.jpg"
    check_content(
        {"record": {"erasure": [{"name": without, "kind": "remote", "found": 1, "stated_by": "program", "done": without}]}},
        names,
    )


def test_people_called_as_a_part_of_the_programs_own_texts_are_recorded(ledger: Ledger) -> None:
    names = ("Mark", "Earl", "Page", "0001", "model", "team")
    request = submit(ledger, Submission("team", names), actor=CLERK).request.id
    done = "models and rows marked as deleted removed; earlier pages written anew"
    place = {"name": "MLflow: aru-team", "kind": "tracking", "found": 3, "done": done, "stated_by": "program"}
    service.record(ledger, request, {"erasure": [place]}, actor=CLERK)
    service.record(ledger, request, {"certificate": "000001-R-000001.json", "sha256": "ab" * 32}, actor=CLERK)
    assert len(request_history(ledger, request)) == 3


def test_names_are_found_in_all_particulars() -> None:
    evidence = {"people": [{"names": ["F1/D", "F2/D"]}], "matches": [{"path": "train/a.jpg"}], "unknown": {}}
    assert named_in(evidence) == {"F1/D", "F2/D", "train/a.jpg", "a.jpg"}
    assert named_in({"subjects": ["x"], "photos": ["y"], "remark": "z"}) == {"x", "y"} and named_in(["F3/M"]) == {"F3/M"}


def test_fault_goes_by_the_name_of_its_class_or_by_none() -> None:
    assert fault_kind(OSError("F0001")) == "OSError"
    assert fault_kind(type("Anna", (Exception,), {})()) == "Exception"
