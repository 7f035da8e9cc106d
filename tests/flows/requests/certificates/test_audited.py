"""An audit's record in a certificate: figures, limits and what was not tested, as the record has them."""

import hashlib
from pathlib import Path

from flows.requests.certificates.audited import audit_of
from flows.requests.certificates.contents import file_of
from tests.audit.test_audit import FILE, record_of
from tests.helpers.audited import original
from tests.helpers.certificates import TIME


def test_a_record_of_the_level_quick_has_no_figure_of_bystanders(tmp_path: Path) -> None:
    record = record_of("quick", original(), tmp_path)
    digest = hashlib.sha256(FILE.read_bytes()).hexdigest()
    audit = audit_of(record, thresholds=FILE, scheduled=digest, fixed_at=TIME)
    assert audit.thresholds == audit.thresholds_scheduled == file_of(FILE.parent, FILE.name).sha256 == digest
    assert (audit.verdict, audit.level, len(audit.criteria)) == ("fail", "quick", len(record["criteria"]))
    row, figure = record["criteria"][0], audit.criteria[0]
    assert (figure.criterion, figure.value, [figure.low, figure.high]) == ("forgetting", row["figure"], row["interval"])
    assert figure.verdict == row["verdict"] and figure.limit == f"{row['limit'][0]:g} to {row['limit'][1]:g}"
    assert audit.worst_person.criterion == "individuals" and audit.worst_person.verdict == "fail"
    assert audit.bystanders.verdict == "not tested" and audit.bystanders.value is None


def test_what_was_not_run_is_not_tested_and_open_ends_of_limits_are_told(tmp_path: Path) -> None:
    record = record_of("quick", original(), tmp_path)
    rows = {
        "a": record["criteria"][0] | {"name": "a", "verdict": None, "limit": [None, 0.5], "not_run": "too few"},
        "bystander_exposure": record["criteria"][0] | {"name": "bystander_exposure", "limit": [0.25, None], "interval": None},
    }
    del rows["a"]["figure"], rows["a"]["interval"]
    audit = audit_of(record | {"criteria": list(rows.values())}, thresholds=FILE, scheduled="0" * 64, fixed_at=TIME)
    first, second = audit.criteria
    assert (first.verdict, first.value, first.low, first.limit) == ("not tested", None, None, "at most 0.5")
    assert second == audit.bystanders and (second.low, second.limit) == (None, "at least 0.25")
    assert audit.worst_person.criterion == "worst_people" and audit.worst_person.verdict == "not tested"
