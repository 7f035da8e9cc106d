"""The most common request of all, one person with a few photos or with one, runs end to end and says what is not known."""

from pathlib import Path

import pytest

from aru.audit.criteria import FULL, QUICK, STANDARD
from aru.audit.project_models import model_path
from aru.core.config import load_config
from aru.core.files import read_json
from aru.core.folders import stages_of
from aru.core.names import ARU
from aru.data.manifest import read_manifest
from aru.shadows.build import Build, PoolRequest
from aru.stages.model_audit import audit_folder, run_audit
from aru.stages.runner import run
from tests.helpers.archives import mufac_archive
from tests.helpers.own_network import own_network
from tests.stages.test_stages import write_params

REQUESTS = {
    "three photos": {"protocol": "clean", "forget": {"rows": None, "subjects": ["F0001/D"]}},
    "one photo": {"protocol": "official", "forget": {"rows": 1}},
}


@pytest.fixture(scope="module", params=REQUESTS)
def answered(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which all stages have run for a request, with six shadow models."""
    root = tmp_path_factory.mktemp("answered")
    mufac_archive(root / "data" / "small.zip", families=15, photos=3)
    short = {"train": {"epochs": 1, "batch_size": 16}, "finetune": {"epochs": 1}}
    write_params(root, short | {"model": own_network(root), "data": REQUESTS[request.param]})
    for stage in stages_of(ARU):
        run(stage, "small", root=root)
    if request.param == "one photo":  # a clean pool needs people set aside for tuning, whom this archive has not
        pool = Build(PoolRequest(6, unlearn="aru"), load_config(root / "params.yaml", "small"), root / "work" / "small")
        for job in (*pool.trainings(), *pool.unlearnings()):
            job.do()
    return root


def test_every_stage_runs_and_what_is_not_known_is_said(answered: Path) -> None:
    work = answered / "work" / "small"
    metrics, record = read_json(work / "evaluation" / "metrics.json"), read_json(work / "audit" / "audit.json")
    assert metrics["people"]["forget"] == 1 and metrics["counts"]["forget"] in (1, 3)
    ours = metrics["models"]["unlearned"]
    assert ours["mia/accuracy"] is None and ours["nomus"] is None and "needs 10 forget" in metrics["not_measured"]["nomus"]
    assert ours["forget/accuracy"] is not None and ours["test/accuracy"] is not None
    text = (work / "report" / "report.html").read_text()
    assert "Not measured" in text and "needs 10 forget and 10 unseen images" in text
    rows = {row["name"]: row for row in record["criteria"]}
    assert set(rows) == set(QUICK) and record["verdict"] in ("fail", "inconclusive")
    assert "not tested at this size" in rows["people"]["not_run"] and rows["test_accuracy"]["verdict"]


def test_unseen_photos_suffice_under_the_clean_protocol(answered: Path) -> None:
    manifest = read_manifest(answered / "work" / "small" / "prepared" / "manifest.csv")
    counts = manifest["role"].value_counts()
    classes = set(manifest.loc[manifest["role"] == "forget", "age"])
    unseen = manifest[manifest["role"] == "unseen"]
    if counts["forget"] == 3:
        assert set(unseen["age"]) <= classes and len(unseen) > 3, "as many as forget has would be three"


def test_every_level_of_the_audit_is_made(answered: Path) -> None:
    weights = model_path(answered / "work" / "small", "unlearned")
    run_audit("small", "unlearned", weights, "full", root=answered)
    record = read_json(audit_folder(answered, "small", "unlearned", "full") / "audit.json")
    rows = {row["name"]: row for row in record["criteria"]}
    assert set(rows) == {*QUICK, *STANDARD, *FULL}
    assert all(rows[name]["verdict"] or rows[name]["not_run"] for name in rows)
    shadows = ("u_lira", "iam", "rmia") if (answered / "work" / "small" / "shadows").is_dir() else ()
    for name in ("relearning_few", "label_probe", *shadows):
        assert "not tested at this size" in rows[name]["not_run"], rows[name]
