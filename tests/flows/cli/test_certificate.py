"""`aru certificate` and `aru suppression`, as typed: keys, whole and forged certificates, absence, a rotation."""

import json
from pathlib import Path

import pytest

from aru.data.suppression.keyed_hashes import KEY_FILE, read_keys
from aru.data.suppression.suppression_list import SuppressionList, write_list
from flows.requests.certificates.envelope import PRIVATE_KEY, read_private_key
from flows.requests.certificates.issuing import issue
from flows.requests.certificates.merkle import Tree
from flows.requests.certificates.photo_hashes import PhotoHashes, hash_photos, read_photo_hashes, write_photo_hashes
from flows.requests.suppression.entering import suppress
from tests.helpers.archives import mufac_archive, mufac_members
from tests.helpers.certificates import make_certificate, project_with_weights, sha256
from tests.helpers.command_line import Call, caller

SIZE = {"families": 5, "photos": 1}


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture) -> Call:
    """Call `aru` in a folder that counts as a project; returns exit code, stdout and stderr."""
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    write_list(tmp_path / "suppression.jsonl", SuppressionList())
    monkeypatch.chdir(tmp_path)
    return caller(capfd)


def test_certificates_are_signed_verified_shown_and_caught_where_forged(call, tmp_path):
    code, first, _ = call("certificate", "keys", "--export", "signer.pem")
    assert code == 0 and call("certificate", "keys")[1] == first, "the keys that are there are kept"
    key = read_private_key(tmp_path / PRIVATE_KEY)
    path = issue(project_with_weights(tmp_path) / "certificates", make_certificate, key)
    for command in (["certificate", "verify"], ["certificate", "verify", str(path), "--key", "signer.pem", "--files", "."]):
        code, shown, _ = call(*command)
        assert code == 0 and "000001-R-000001.json: verified" in shown and "ok  signature: Ed25519, key " in shown
    assert "ok  work/faces/unlearned/model.safetensors: has the digest" in shown
    assert call("request", "verify", str(path))[0] == 0
    code, shown, _ = call("certificate", "show", str(path), "--to", "page.html")
    assert code == 0 and "Certificate 1 of an erasure" in (tmp_path / "page.html").read_text()
    whole = json.loads(path.read_text())
    path.write_text(json.dumps(whole | {"payload": whole["payload"][:-4] + "e30="}))
    code, shown, _ = call("request", "verify", str(path), "--key", "signer.pem")
    assert code == 1 and "NOT VERIFIED" in shown and "the content was changed after it was signed" in shown
    assert call("certificate", "show", str(path), "--to", "forged.html")[0] == 1 and not (tmp_path / "forged.html").exists()
    (tmp_path / "empty").mkdir()
    code, _, error = call("certificate", "verify", "empty")
    assert code == 2 and "name the signer's by --key FILE" in error
    code, _, error = call("certificate", "verify", "empty", "--key", "signer.pem")
    assert code == 2 and "empty holds no certificates" in error


@pytest.mark.parametrize("missing", [0, 1])
def test_certificate_that_was_taken_out_of_the_folder_is_told(call, tmp_path, missing):
    call("certificate", "keys")
    paths = [issue(tmp_path / "certificates", make_certificate, read_private_key(tmp_path / PRIVATE_KEY)) for _ in range(3)]
    assert call("request", "verify", "certificates")[0] == 0
    paths[missing].unlink()
    code, shown, _ = call("request", "verify", "certificates")
    assert code == 1 and f"certificate {missing + 1} is not here" in shown
    assert call("request", "verify", str(paths[missing + 1]))[0] == 0, "of one file alone nothing is wrong"


def test_a_requests_hashes_are_looked_up_in_a_released_data_version(call, tmp_path):
    call("certificate", "keys")
    path = issue(tmp_path / "certificates", make_certificate, read_private_key(tmp_path / PRIVATE_KEY))
    hashes = [sha256(f"photo {place}") for place in range(3)]

    def listed(hashes: list[str], keys: str = "0123456789abcdef") -> str:
        photos = PhotoHashes(
            benchmark="faces",
            data_version="cd" * 16,
            keys=keys,
            hashes=tuple(sorted(hashes)),
            root=Tree.of(hashes).root,
        )
        write_photo_hashes(tmp_path / "photos.json", photos)
        return "photos.json"

    code, shown, _ = call("certificate", "absence", listed(hashes), str(path))
    assert code == 0 and "2 of 2 photo hashes are not in the list" in shown
    code, shown, _ = call("certificate", "absence", listed([*hashes, sha256("file of the person")]), str(path))
    assert code == 1 and "1 of 2 photo hashes are not in the list" in shown
    code, _, error = call("certificate", "absence", listed(hashes, "other"), str(path))
    assert code == 2 and "hashes under the keys other, the certificate under 0123456789abcdef" in error
    content = json.loads((tmp_path / "photos.json").read_text())
    for changed in ({"hashes": content["hashes"][:-1]}, {"hashes": content["hashes"][::-1]}, {"root": "00" * 32}):
        (tmp_path / "photos.json").write_text(json.dumps(content | changed))
        code, _, error = call("certificate", "absence", "photos.json", str(path))
        assert code == 2 and "this list of photos was changed" in error


def test_the_list_is_shown_rotated_and_lifted(call, tmp_path):
    assert call("suppression", "show")[1] == "nobody is on the list\n"
    archive, members = mufac_archive(tmp_path / "a.zip", **SIZE), mufac_members(**SIZE)
    [gone] = [name for name in members if "F0002_AGE_M" in name]
    done = suppress(tmp_path, "R-1", archive=archive, paths=[gone], people=["F0003/D"], benchmark="small")
    code, shown, _ = call("suppression", "show")
    assert code == 0 and f"4 entries of 1 requests, under the keys {done.keys}" in shown and "perceptual: 1" in shown
    photos = hash_photos(
        "small", archive, [name for name in members if name.endswith((".jpg", ".JPG"))], "cd" * 16, keys_of(tmp_path)
    )
    write_photo_hashes(tmp_path / "photos.json", photos)
    assert {entry.value for entry in done.entries if entry.kind in ("digest", "pixels")} <= set(
        read_photo_hashes(tmp_path / "photos.json").hashes
    ), "the hashes of the list and of a data version are the same"
    code, shown, _ = call("suppression", "rotate")
    assert code == 0 and f"4 entries are under the keys {keys_of(tmp_path).id}" in shown
    assert call("suppression", "lift", "R-1")[1].startswith("4 entries are off the list")
    code, _, error = call("suppression", "lift", "R-1")
    assert code == 2 and "no entry of suppression.jsonl is of the request" in error


def keys_of(root: Path):
    return read_keys(root / KEY_FILE)
