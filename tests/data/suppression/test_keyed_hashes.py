"""Keyed hashes: the same for the same input and key alone, a key file of mode 600, and a rotation without the input."""

import hashlib
import hmac
import stat

import numpy as np
import pytest
from PIL import Image

from aru.core.errors import InputError
from aru.data.suppression.keyed_hashes import KEY_FILE, KEY_VARIABLE, Keys, key_path, new_keys, read_keys, write_keys

ONE = Keys((bytes(range(32)),))
MD5 = "0123456789abcdef" * 2


def test_a_keyed_hash_is_hmac_sha256_of_the_kind_and_the_value():
    wanted = hmac.new(bytes(range(32)), b"aru digest\0" + bytes.fromhex(MD5), hashlib.sha256).hexdigest()
    assert ONE.digest(MD5) == wanted
    assert new_keys().digest(MD5) != wanted


def test_a_rotated_hash_is_the_hash_of_the_one_before_and_needs_no_input():
    two = ONE.rotated()
    wanted = hmac.new(two.keys[1], b"aru again\0" + bytes.fromhex(ONE.digest(MD5)), hashlib.sha256).hexdigest()
    assert two.digest(MD5) == two.wrapped(ONE.digest(MD5)) == wanted
    bands = np.arange(6, dtype=np.uint16).reshape(2, 3)
    three = two.rotated()
    np.testing.assert_array_equal(three.bands(bands), three.wrapped_bands(two.wrapped_bands(ONE.bands(bands))))


def test_kinds_scopes_and_places_of_bands_do_not_mix():
    photo = Image.new("RGB", (2, 3), "red")
    assert ONE.pixels(photo) == ONE.pixels(photo.convert("RGBA")) != ONE.pixels(photo.resize((3, 2)))
    assert len({ONE.subject("7"), ONE.subject("7", "faces"), ONE.subject("7", "mufac"), ONE.digest(MD5)}) == 4
    assert ONE.subject(" F1 / D ") == ONE.subject("F1/D")
    row = ONE.bands(np.full((1, 64), 5, np.uint16))
    assert len(set(row[0].tolist())) == 64, "the same band at another place has another hash"


def test_the_id_tells_keys_apart_and_their_text_does_not_show_them():
    assert ONE.id == Keys((bytes(range(32)),)).id != ONE.rotated().id
    assert bytes(range(32)).hex() not in repr(ONE) and ONE.id in repr(ONE)


def test_the_key_file_is_for_its_owner_alone_and_read_as_it_was_written(tmp_path):
    path = key_path(tmp_path, {})
    assert path == tmp_path / KEY_FILE and key_path(tmp_path, {KEY_VARIABLE: "/elsewhere/k"}).as_posix() == "/elsewhere/k"
    keys = ONE.rotated()
    write_keys(path, keys)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and read_keys(path) == keys
    assert [other.name for other in path.parent.iterdir()] == [path.name]
    path.chmod(0o640)
    with pytest.raises(InputError, match=r"can be read by others \(mode 640\): chmod 600"):
        read_keys(path)


@pytest.mark.parametrize("content", ["", "ab", "zz" * 32, f"{'ab' * 32}\n{'cd' * 31}"])
def test_a_damaged_key_file_is_refused(tmp_path, content):
    path = tmp_path / "k"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(InputError, match="does not hold one key of 64 hex digits a line"):
        read_keys(path)
    with pytest.raises(InputError, match="cannot be read without its key"):
        read_keys(tmp_path / "none")
