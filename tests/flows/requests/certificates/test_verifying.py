"""Certificates: whole ones verify by public keys alone, and any change of a field, their order or a file is found."""

import base64
import copy
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from aru.core.errors import InputError
from flows.requests.certificates.contents import EXTENSION, Certificate, certificate_of, encoded, statement_of
from flows.requests.certificates.envelope import (
    PAYLOAD_TYPE,
    new_key,
    pre_authentication,
    read_private_key,
    read_public_keys,
    sign,
    signer,
)
from flows.requests.certificates.issuing import issue, statement_digest
from flows.requests.certificates.verifying import Verification, verify_certificate, verify_folder
from tests.helpers.certificates import WEIGHTS, make_certificate, project_with_weights

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key()
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for _ in range(3):
        issue(tmp_path / "certificates", make_certificate, KEY)
    return tmp_path / "certificates"


def failed(done: Verification) -> list[str]:
    return [check.name for check in done.checks if check.holds is False]


def first(folder: Path) -> Path:
    return min(folder.glob("*.json"))


def rewrite(path: Path, statement: dict[str, Any], key: Ed25519PrivateKey) -> None:
    path.write_text(json.dumps(sign(encoded(statement), key)))


def leaves(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """The paths of all values that are neither a list nor a mapping with something in it."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in items:
        yield from leaves(part, (*path, name))
    if not items:
        yield path


def changed(statement: dict[str, Any], path: tuple) -> dict[str, Any]:
    """The statement with another value of the same kind at a path."""
    other = copy.deepcopy(statement)
    *way, last = path
    place: Any = other
    for name in way:
        place = place[name]
    value = place[last]
    if isinstance(value, bool):
        place[last] = not value
    elif isinstance(value, str) and value:
        place[last] = ("1" if value[0] == "0" else "0") + value[1:]
    elif isinstance(value, str):
        place[last] = "x"
    else:
        place[last] = 7 if value is None else value + 1
    return other


def test_a_chain_verifies_by_the_public_key_alone(folder, tmp_path):
    project_with_weights(tmp_path)
    done = verify_folder(folder, [PUBLIC], root=tmp_path)
    assert len(done) == 3 and all(one.holds for one in done), [failed(one) for one in done]
    assert [[check.name for check in one.checks] for one in done] == [
        ["signature", "content", "limits", "absence", "chain", WEIGHTS]
    ] * 3
    assert done[0].certificate == make_certificate()
    assert read_public_keys(folder / "keys")[0].public_bytes_raw() == PUBLIC.public_bytes_raw()


def test_any_changed_field_is_found_and_so_is_another_signer(folder):
    path = first(folder)
    whole = json.loads(path.read_text())
    statement = json.loads(base64.b64decode(whole["payload"]))
    paths = list(leaves(statement))
    assert len(paths) > 100
    for place in paths:
        forged = changed(statement, place)
        assert forged != statement
        path.write_text(json.dumps(whole | {"payload": base64.b64encode(encoded(forged)).decode()}))
        assert failed(verify_certificate(path, [PUBLIC])) == ["signature"], place
    rewrite(path, statement, OTHER)
    assert failed(verify_certificate(path, [PUBLIC])) == ["signature"]
    assert verify_certificate(path, [PUBLIC, OTHER.public_key()]).holds, "any of the trusted keys may sign"


def test_any_changed_field_of_the_envelope_is_found(folder):
    path = first(folder)
    whole = json.loads(path.read_text())
    for place in leaves(whole):
        path.write_text(json.dumps(changed(whole, place)))
        assert not verify_certificate(path, [PUBLIC]).holds, place
    for broken in (
        {},
        [],
        "x",
        None,
        whole | {"more": 1},
        whole | {"signatures": []},
        whole | {"signatures": whole["signatures"] * 2},
    ):
        path.write_text(json.dumps(broken))
        assert failed(verify_certificate(path, [PUBLIC])) == ["signature"], broken
    path.write_text("{")
    assert failed(verify_certificate(path, [PUBLIC])) == ["signature"]


def test_a_statement_that_contradicts_itself_does_not_verify_although_it_is_signed(folder):
    """The test result and the certificate have to say the same, and the verdict has to use the limits that were fixed."""
    path = first(folder)
    statement = statement_of(make_certificate())
    for place in leaves({name: part for name, part in statement["predicate"].items() if name != EXTENSION}):
        rewrite(path, changed(statement, ("predicate", *place)), KEY)
        assert failed(verify_certificate(path, [PUBLIC])) == ["content"], place
    rewrite(path, statement | {"_type": "https://in-toto.io/Statement/v0.1"}, KEY)
    assert failed(verify_certificate(path, [PUBLIC])) == ["content"]
    for place, name in (
        (("audit", "thresholds_scheduled"), "limits"),
        (("data", "photo_root"), "absence"),
        (("matched", 0, "keyed_hash"), "absence"),
    ):
        rewrite(path, changed(statement, ("predicate", EXTENSION, *place)), KEY)
        assert failed(verify_certificate(path, [PUBLIC])) == [name]
    without = copy.deepcopy(statement)
    del without["predicate"][EXTENSION]["cost"]
    rewrite(path, without, KEY)
    [check] = [check for check in verify_certificate(path, [PUBLIC]).checks if check.holds is False]
    assert check.text == "this is no statement of an erasure: cost: Field required"


def test_order_gaps_and_doubles_in_the_chain_are_found(folder):
    one, two, three = sorted(folder.glob("*.json"))
    kept = {path: path.read_bytes() for path in (one, two, three)}
    one.write_bytes(kept[two])
    two.write_bytes(kept[one])
    assert [failed(done) for done in verify_folder(folder, [PUBLIC])] == [["chain"], ["chain"], ["chain"]]
    one.write_bytes(kept[one])
    rewrite(two, statement_of(make_certificate(2, "0" * 64)), KEY)
    assert [failed(done) for done in verify_folder(folder, [PUBLIC])] == [[], ["chain"], ["chain"]]
    two.unlink()
    assert [failed(done) for done in verify_folder(folder, [PUBLIC])] == [[], ["chain"]], "missing in between"
    alone = verify_certificate(three, [PUBLIC])
    assert alone.holds and [check.holds for check in alone.checks if check.name == "chain"] == [None]
    one.unlink()
    two.write_bytes(kept[two])
    assert [failed(done) for done in verify_folder(folder, [PUBLIC])] == [["chain"], []], "the first is missing"
    shutil.copy(three, folder / "000003-R-000009.json")
    with pytest.raises(InputError, match="have one number"):
        verify_folder(folder, [PUBLIC])


def test_certificate_under_the_name_of_another_request_is_found(folder):
    """By its name alone a certificate is found as the one that stands in the place of another."""
    first(folder).rename(folder / "000001-R-999999.json")
    assert [failed(done) for done in verify_folder(folder, [PUBLIC])] == [["chain"], [], []]


def test_changed_files_are_found_and_absent_ones_are_told(folder, tmp_path):
    path = first(folder)
    [check] = [check for check in verify_certificate(path, [PUBLIC], root=tmp_path).checks if check.name == WEIGHTS]
    assert check.holds is None and check.text == "is not here any more"
    project_with_weights(tmp_path)
    (tmp_path / WEIGHTS).write_text("weights.")
    assert failed(verify_certificate(path, [PUBLIC], root=tmp_path)) == [WEIGHTS]
    statement = statement_of(make_certificate())
    statement["subject"][0]["name"] = "../elsewhere"
    rewrite(path, statement, KEY)
    assert failed(verify_certificate(path, [PUBLIC], root=tmp_path)) == ["../elsewhere"]


def test_the_library_of_the_format_reads_the_statement():
    from google.protobuf import json_format
    from in_toto_attestation.predicates.test_result.v0 import test_result_pb2
    from in_toto_attestation.v1 import statement_pb2
    from in_toto_attestation.v1.statement import Statement

    statement = statement_of(make_certificate())
    parsed = json_format.ParseDict({name: part for name, part in statement.items()}, statement_pb2.Statement())
    Statement.copy_from_pb(parsed).validate()
    result = json_format.ParseDict(statement["predicate"], test_result_pb2.TestResult(), ignore_unknown_fields=True)
    assert result.result == "WARNED" and list(result.passed_tests) == ["membership"]
    assert list(result.warned_tests) == ["relearning"] and not result.failed_tests
    assert result.configuration[0].digest["sha256"] == make_certificate().audit.thresholds
    assert certificate_of(json.loads(encoded(statement))) == make_certificate()


def test_the_signed_bytes_are_those_of_the_specification():
    assert pre_authentication("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    payload, _ = signer(sign(b"{}", KEY), [PUBLIC])
    signature = base64.b64decode(sign(payload, KEY)["signatures"][0]["sig"])
    PUBLIC.verify(signature, b"DSSEv1 28 " + PAYLOAD_TYPE.encode() + b" 2 {}")


def test_a_request_gets_one_certificate_and_a_foreign_chain_is_not_continued(folder):
    with pytest.raises(InputError, match="has a certificate already, 000001-R-000001.json"):
        issue(folder, lambda number, previous: make_certificate(number, previous, request="R-000001"), KEY)
    with pytest.raises(InputError, match="the next one of .* has 4"):
        issue(folder, lambda number, previous: make_certificate(number + 1, previous), KEY)
    path = issue(folder, make_certificate, OTHER)
    assert verify_certificate(path, [PUBLIC, OTHER.public_key()]).holds, "a key may be replaced by another"
    payload, _ = signer(json.loads(path.read_text()), [OTHER.public_key()])
    rewrite(path, json.loads(payload), Ed25519PrivateKey.generate())
    with pytest.raises(InputError, match="is not among those that are trusted"):
        issue(folder, make_certificate, KEY)


def test_a_certificate_in_the_place_of_another_names_it(folder):
    path, name = first(folder), "R-000001"
    payload, _ = signer(json.loads(path.read_text()), [PUBLIC])

    def later(number: int, previous: str | None) -> Certificate:
        return make_certificate(number, previous, request=name, supersedes=statement_digest(payload))

    path = issue(folder, later, KEY)
    done = verify_folder(folder, [PUBLIC])
    assert all(one.holds for one in done)
    assert [check.text for check in done[0].checks if check.name == "superseded"] == [f"{path.name} stands in its place"]
    assert [check.text for check in done[3].checks if check.name == "supersedes"] == [
        "stands in the place of 000001-R-000001.json"
    ]
    with pytest.raises(InputError, match="has a certificate already, 000004-R-000001.json"):
        issue(folder, later, KEY)
    for digest in (None, "0" * 64):
        rewrite(path, statement_of(make_certificate(4, done[3].certificate.previous, request=name, supersedes=digest)), KEY)
        assert failed(verify_certificate(path, [PUBLIC])) == ["supersedes"]


def test_keys_are_made_once_and_kept_from_others(tmp_path):
    path = tmp_path / ".aru" / "certificates.key"
    made = new_key(path)
    assert read_private_key(path).private_bytes_raw() == made.private_bytes_raw()
    assert path.stat().st_mode & 0o777 == 0o600 and [one.name for one in path.parent.iterdir()] == [path.name]
    with pytest.raises(InputError, match="is there already"):
        new_key(path)
    path.chmod(0o644)
    with pytest.raises(InputError, match="can be read by others"):
        read_private_key(path)
    path.write_text("-----BEGIN PRIVATE KEY-----\n")
    path.chmod(0o600)
    with pytest.raises(InputError, match="holds no Ed25519 private key"):
        read_private_key(path)
    (tmp_path / "x.pem").write_text("x")
    with pytest.raises(InputError, match="holds no Ed25519 public key"):
        read_public_keys(tmp_path)
    assert statement_digest(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
