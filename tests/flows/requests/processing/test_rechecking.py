"""Those forgotten earlier, looked up in the archive and tried on the model just unlearned; erased ones are counted."""

from types import SimpleNamespace

import pytest

from aru.core.files import write_json
from aru.data import prepare
from flows.requests.ledger.queries import list_batches
from flows.requests.ledger.service import erase_particulars
from flows.requests.processing.rechecking import drop, recheck
from tests.helpers.batches import OPERATOR, Project, figures, manifest
from tests.helpers.project import CHECKOUT

pytest_plugins = ["tests.helpers.tracking_fixtures", "tests.helpers.batch_fixtures"]


def test_earlier_people_are_tried_again_while_their_photos_are_there(
    batch_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = batch_project
    first, second = project.ask(0, 1), project.ask(5)
    project.verdicts = ["pass"]
    project.carry_out()
    root = project.root
    (root / "thresholds.yaml").write_bytes((CHECKOUT / "thresholds.yaml").read_bytes())
    write_json(root / "work" / "faces" / "prepared" / "labels.json", {"age": [str(number) for number in range(8)]})
    monkeypatch.setattr(prepare, "read_archive", lambda layout, archive: SimpleNamespace(rows=manifest(root)))

    found = recheck(root, "faces", project.ledger, "B-000002")
    earlier = found["earlier"]
    assert (earlier["photos"], earlier["erased"], earlier["limit"], earlier["reversed"]) == (3, 0, 0.6, False)
    assert earlier["low"] is None, "too few unseen people for an interval"
    assert list(earlier["batches"]) == ["B-000001"] and earlier["batches"]["B-000001"] == earlier["auc"]
    assert found["accuracy"] == {"retain": 0.68, "test": 0.68, "unseen": 0.55}

    assert recheck(root, "faces", project.ledger, "B-000001")["earlier"]["photos"] == 0, "its own people are not earlier ones"
    erase_particulars(project.ledger, first, actor=OPERATOR)
    earlier = recheck(root, "faces", project.ledger, "B-000002")["earlier"]
    assert (earlier["photos"], earlier["erased"]) == (1, 1)
    erase_particulars(project.ledger, second, actor=OPERATOR)
    earlier = recheck(root, "faces", project.ledger, "B-000002")["earlier"]
    assert (earlier["photos"], earlier["erased"], earlier["auc"], earlier["reversed"]) == (0, 2, None, False)
    assert len(list_batches(project.ledger)) == 1


def test_drop_is_from_the_first_to_the_last_batch(batch_project: Project) -> None:
    made = [figures(batch_project.root, "faces", batch_project.ledger, "", retain=value) for value in (0.7, 0.4, 0.65)]
    assert drop(made, "retain") == pytest.approx(0.05) and drop(made[:2], "retain") == pytest.approx(0.3)
    assert drop(made, "test") == 0.0 and drop([], "retain") == 0.0
