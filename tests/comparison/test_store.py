"""The store of results."""

from aru.comparison.store import Store

pytest_plugins = ["tests.helpers.tuning_fixtures"]


def test_what_a_kill_left_half_written_is_no_result(tmp_path):
    store = Store(tmp_path)
    store.write("ab" * 16, {"kind": "method"})
    half = tmp_path / "ab" / ".abcd.17.tmp"
    half.mkdir()
    (half / "record.json").write_text("{}")
    assert list(store.keys()) == ["ab" * 16]
