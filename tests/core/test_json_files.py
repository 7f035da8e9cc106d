"""JSON files: the same content has the same bytes, whatever order its keys were put together in."""

import pytest

from aru.core.errors import InputError
from aru.core.files import read_json, write_json


def test_the_order_of_keys_makes_no_difference(tmp_path):
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    write_json(first, {"b": {"d": 1, "c": [1.5, None]}, "a": "é"})
    write_json(second, {"a": "é", "b": {"c": [1.5, None], "d": 1}})
    assert first.read_bytes() == '{\n "a": "é",\n "b": {\n  "c": [\n   1.5,\n   null\n  ],\n  "d": 1\n }\n}\n'.encode()
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999"])
def test_numbers_that_are_not_finite_are_neither_written_nor_read(number, tmp_path):
    path = tmp_path / "a.json"
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(path, {"a": float(number)})
    assert not path.exists()
    path.write_text(f'{{"a": {number}}}')
    with pytest.raises(InputError, match="is not finite"):
        read_json(path)
