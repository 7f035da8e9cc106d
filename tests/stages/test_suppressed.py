"""`prepare` in a project whose suppression list has somebody: they are in none of its outputs, and counted."""

from pathlib import Path

import pytest

from aru.core.errors import InputError
from aru.core.files import read_json
from aru.data.manifest import read_manifest
from aru.data.suppression.keyed_hashes import KEY_FILE, new_keys, write_keys
from aru.data.suppression.suppression_list import SuppressionList, subject_entry, write_list
from aru.stages.runner import run
from tests.helpers.archives import mufac_archive
from tests.stages.test_stages import write_params


def test_prepare_leaves_people_of_the_list_out_and_counts_them(tmp_path: Path) -> None:
    mufac_archive(tmp_path / "data" / "small.zip")
    write_params(tmp_path, {"data": {"forget": {"rows": 8}}})
    prepared = tmp_path / "work" / "small" / "prepared"
    run("prepare", "small", root=tmp_path)
    assert "suppressed" not in read_json(prepared / "audit.json")
    keys = new_keys()
    write_keys(tmp_path / KEY_FILE, keys)
    suppressed = SuppressionList().with_entries([subject_entry("F0002/M", keys, scope="small")], keys)
    write_list(tmp_path / "suppression.jsonl", suppressed)
    run("prepare", "small", root=tmp_path)
    manifest = read_manifest(prepared / "manifest.csv")
    assert len(manifest) == 60 and not manifest["path"].str.contains("F0002_AGE_M").any()
    assert read_json(prepared / "audit.json")["suppressed"] == {"rows": 4, "photos": 4, "files": {"subject": 4}}
    write_params(tmp_path, {"data": {"suppression": "refuse"}})
    with pytest.raises(InputError, match="4 photos .4 rows. are on the suppression list"):
        run("prepare", "small", root=tmp_path)
