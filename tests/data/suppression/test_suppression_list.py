"""The list on disk: whole or refused, the same bytes for the same entries, and rotated entry by entry."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aru.core.errors import InputError
from aru.data.suppression.keyed_hashes import new_keys
from aru.data.suppression.suppression_list import (
    SuppressionList,
    photo_entries,
    read_list,
    subject_entry,
    write_list,
)

ROOT = Path(__file__).resolve().parents[3]
MD5 = "0123456789abcdef" * 2


def a_photo(seed: int = 0) -> Image.Image:
    rough = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    return Image.fromarray(rough).resize((64, 64), Image.Resampling.BICUBIC)


def a_list(keys) -> SuppressionList:
    entries = [*photo_entries(MD5, a_photo(), keys, "R-1"), subject_entry("F1/DAUGHTER", keys, "R-2", scope="faces")]
    return SuppressionList().with_entries(entries, keys)


def test_a_list_is_read_as_it_was_written_and_holds_no_name(tmp_path):
    keys, path = new_keys(), tmp_path / "suppression.jsonl"
    suppressed = a_list(keys)
    write_list(path, suppressed)
    first = path.read_bytes()
    assert read_list(path) == suppressed and [entry.kind for entry in suppressed.entries][-1] == "subject"
    write_list(path, read_list(path).with_entries(suppressed.entries, keys))
    assert path.read_bytes() == first, "entries that are there already are not added again"
    assert b"DAUGHTER" not in first and MD5.encode() not in first and keys.keys[0].hex().encode() not in first


def test_a_list_whose_last_request_went_is_the_projects_own_which_is_empty(tmp_path):
    path = tmp_path / "suppression.jsonl"
    assert read_list(path) == SuppressionList()
    write_list(path, a_list(new_keys()).without_request("R-1").without_request("R-2"))
    assert path.read_bytes() == (ROOT / "suppression.jsonl").read_bytes() and read_list(path) == SuppressionList()


def test_a_rotation_gives_the_entries_that_the_new_keys_give():
    keys = new_keys()
    after = keys.rotated()
    assert a_list(keys).rotated(keys, after) == a_list(after)
    with pytest.raises(InputError, match="do not follow the list's"):
        a_list(keys).rotated(keys, new_keys())
    with pytest.raises(InputError, match=f"made under the keys {keys.id}, the key file holds {after.id}"):
        a_list(keys).with_entries([], after)


def test_a_picture_without_detail_has_no_perceptual_entry():
    assert [entry.kind for entry in photo_entries(MD5, Image.new("RGB", (64, 64), "grey"), new_keys())] == ["digest", "pixels"]


def test_a_damaged_list_is_refused_with_its_line(tmp_path):
    path = tmp_path / "suppression.jsonl"
    write_list(path, a_list(new_keys()))
    lines = path.read_text().splitlines()
    entry = json.loads(lines[1])
    damaged = {
        "line 1: this is no suppression list of the format": ['{"format": "other/1", "keys": "", "entries": 0}'],
        "line 1: this is no JSON object": [],
        "has 3 entries, its first line says 4": lines[:-1],
        "line 2: this is no JSON object": [lines[0], "{", *lines[2:]],
        "line 2: this is no entry .*Field required": [lines[0], '{"kind": "digest"}', *lines[2:]],
        "line 2: this is no entry .*not that of the kind digest": [
            lines[0],
            json.dumps(entry | {"value": entry["value"][:-1]}),
            *lines[2:],
        ],
        "line 2: this is no entry .*request|pattern": [lines[0], json.dumps(entry | {"request": "Ann B."}), *lines[2:]],
        "line 4: this is no entry .*not that of the kind perceptual": [
            *lines[:3],
            json.dumps(json.loads(lines[3]) | {"value": "AAAA"}),
            lines[4],
        ],
    }
    for message, content in damaged.items():
        path.write_text("\n".join(content) + "\n")
        with pytest.raises(InputError, match=message):
            read_list(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="cannot be read"):
        read_list(path)
