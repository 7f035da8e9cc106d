"""Audits beside each other: only those under the same limits."""

from pathlib import Path

import pytest

from aru.core.errors import InputError
from aru.core.files import write_json
from aru.reporting.audit.side_by_side import read_audits


def test_audits_of_different_limits_are_not_set_beside_each_other(tmp_path: Path) -> None:
    for version in (1, 2):
        write_json(tmp_path / "audit" / f"model{version}-quick" / "audit.json", {"thresholds_version": version})
    with pytest.raises(InputError, match=r"versions \[1, 2\]"):
        read_audits(tmp_path, "quick")
