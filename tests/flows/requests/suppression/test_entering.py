"""People on the project's list: by a request, once, and still there after a rotation that was killed anywhere."""

import os
from functools import partial
from pathlib import Path

import pytest

from aru.core.errors import InputError
from aru.data.prepare import read_archive
from aru.data.suppression.keyed_hashes import KEY_FILE, read_keys
from aru.data.suppression.screening import open_screen
from aru.data.suppression.suppression_list import read_list
from flows.requests.ledger.queries import find_request
from flows.requests.ledger.reasons import Reason
from flows.requests.ledger.service import cancel, deny
from flows.requests.ledger.states import State
from flows.requests.suppression import entering
from flows.requests.suppression.entering import lift, rotate, suppress, taken_off
from tests.helpers.archives import mufac_archive, mufac_members
from tests.helpers.killing import killed_at
from tests.helpers.ledgers import CLERK, approved

SIZE = {"families": 5, "photos": 2}
GONE = next(name for name in mufac_members(**SIZE) if "F0002_AGE_M" in name)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    mufac_archive(tmp_path / "data" / "small.zip", **SIZE)
    return tmp_path


def put(root: Path, request: str = "R-1"):
    return suppress(root, request, archive=root / "data" / "small.zip", paths=[GONE], people=["F0003/D"], benchmark="small")


def left(root: Path) -> int:
    screen = open_screen(root, scope="small", action="drop")
    return len(read_archive("mufac", root / "data" / "small.zip", screen=screen).rows)


def test_a_request_is_entered_once_and_lifted_whole(root):
    first = put(root)
    assert {entry.kind for entry in first.entries} == {"subject", "digest", "pixels", "perceptual"} and left(root) == 17
    assert (root / KEY_FILE).stat().st_mode & 0o777 == 0o600 and read_keys(root / KEY_FILE).id == first.keys
    content = (root / "suppression.jsonl").read_bytes()
    assert put(root) == first and (root / "suppression.jsonl").read_bytes() == content
    put(root, "R-2")
    assert lift(root, "R-1") == 4 and left(root) == 17, "the other request keeps them out"
    assert lift(root, "R-2") == 4 and left(root) == 20
    with pytest.raises(InputError, match="is of the request 'R-1'"):
        lift(root, "R-1")


def listed(root: Path) -> set[str]:
    return {entry.request for entry in read_list(root / "suppression.jsonl").entries}


def test_what_a_refused_request_put_on_the_list_goes_with_it_and_not_where_the_refusal_fails(root, ledger):
    put(root)
    put(root, "R-2")
    with pytest.raises(InputError, match="not allowed"), taken_off(root, ledger, "R-1"):
        raise InputError("not allowed")
    assert len(read_list(root / "suppression.jsonl").entries) == 8
    for _ in range(2):  # again: nothing of it is there
        with taken_off(root, ledger, "R-1"):
            pass
        assert listed(root) == {"R-2"}


@pytest.mark.parametrize("refuse", [partial(deny, reason=Reason.LEGAL_CLAIMS), cancel], ids=["deny", "cancel"])
def test_a_refusal_that_was_killed_before_the_list_was_written_is_ended_by_the_next_command(root, ledger, refuse):
    refused, other = approved(ledger, "F0003/D"), approved(ledger, "F0004/D")
    for request in (refused, other, "R-9"):  # the last one is of a ledger that is elsewhere
        put(root, request)
    with killed_at(entering, "write_list"), taken_off(root, ledger, refused):
        refuse(ledger, refused, actor=CLERK)
    assert find_request(ledger, refused).state in (State.DENIED, State.CANCELED) and refused in listed(root)
    with pytest.raises(InputError, match="is not allowed in the state"), taken_off(root, ledger, refused):
        refuse(ledger, refused, actor=CLERK)
    assert listed(root) == {other, "R-9"}


def test_a_list_of_nobody_has_nothing_to_rotate(root):
    with pytest.raises(InputError, match="there is nothing to rotate"):
        rotate(root)
    assert not (root / KEY_FILE).exists()


def test_a_lost_key_is_never_replaced_by_a_new_one(root):
    put(root)
    (root / KEY_FILE).unlink()
    for change in (put, rotate):
        with pytest.raises(InputError, match="cannot be read without its key"):
            change(root)
    assert not (root / KEY_FILE).exists()


@pytest.mark.parametrize("step", ["write_keys", "write_list", "os.replace"])
@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
def test_a_rotation_that_was_killed_is_ended_by_the_next(root, monkeypatch, step, done):
    put(root)
    before = read_list(root / "suppression.jsonl")
    owner, name = (os, "replace") if step == "os.replace" else (entering, step)
    plain = getattr(owner, name)

    class Killed(BaseException):
        """As a kill ends a process."""

    def killed(*given, **more):
        if step == "os.replace" and not str(given[0]).endswith(".next"):
            return plain(*given, **more)
        if done:
            plain(*given, **more)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, killed)
        with pytest.raises(Killed):
            rotate(root)
    rotated, keys = rotate(root)
    assert rotated == read_list(root / "suppression.jsonl") and keys == read_keys(root / KEY_FILE)
    assert len(rotated.entries) == len(before.entries) and not set(rotated.entries) & set(before.entries)
    assert left(root) == 17 and [path.name for path in (root / ".aru").glob("suppression*")] == ["suppression.key"]
