"""The gate before the registry: what a failed audit keeps from becoming the candidate, and what MLflow keeps of it."""

from pathlib import Path

import pytest

from aru.models import build, save_model
from flows import publishing, registry, runs, store, tracking
from flows.audit_tags import audit_metrics, audit_tags
from flows.publishing import Published
from tests import tracked
from tests.tracked import track

pytest_plugins = ["tests.tracking_fixtures"]
NAME = "aru-faces"


def candidate(root: Path) -> str | None:
    """The version that has the alias."""
    found = store.client(root).get_registered_model(NAME).aliases.get("candidate")
    return None if found is None else str(found)


def other_weights(root: Path) -> None:
    save_model(root / "work" / "faces" / "unlearned" / "model.safetensors", build(tracked.MODEL, tracked.OUTPUTS, seed=99),
               name=tracked.MODEL, outputs=tracked.OUTPUTS, resolution=tracked.SIDE)


def test_a_model_that_passes_is_the_candidate_and_says_how_it_was_audited(tracked_once: Path) -> None:
    tags = store.client(tracked_once).get_model_version(NAME, "1").tags
    assert candidate(tracked_once) == "1"
    assert (tags["audit.verdict"], tags["audit.level"]) == ("pass", "quick")
    assert "candidate" not in tags and "audit.failed" not in tags


@pytest.mark.parametrize("verdict, expected", [("fail", "1"), ("inconclusive", "2"), ("pass", "2")])
def test_only_a_failed_audit_withholds_the_alias(tracked_project: Path, verdict: str, expected: str) -> None:
    other_weights(tracked_project)
    track(tracked_project, state="1" * 64, verdict=verdict)
    version = store.client(tracked_project).get_model_version(NAME, "2")
    assert version.tags["audit.verdict"] == verdict
    assert candidate(tracked_project) == expected
    if verdict == "fail":
        assert version.tags["candidate"] == "withheld: the audit failed (attacks)"
        assert version.tags["audit.failed"] == "attacks", "what only informs does not decide"
        assert registry.load_registered(tracked_project, NAME, "2"), "it is registered and can be looked at"


def test_a_candidate_that_fails_a_later_audit_loses_the_alias_and_may_win_it_back(tracked_project: Path) -> None:
    track(tracked_project, state="2" * 64, verdict="fail")
    assert candidate(tracked_project) is None
    track(tracked_project, state="3" * 64, verdict="pass")
    tags = store.client(tracked_project).get_model_version(NAME, "1").tags
    assert candidate(tracked_project) == "1"
    assert tags["audit.verdict"] == "pass" and "candidate" not in tags and "audit.failed" not in tags


def test_the_run_has_the_figures_the_verdict_and_the_page(tracked_once: Path) -> None:
    client = store.client(tracked_once)
    flow = client.get_run(tracking.find_run(tracked_once, benchmark="faces", state="a" * 64))
    assert {key: value for key, value in flow.data.metrics.items() if key.startswith("audit/")} == {
        "audit/forgetting": 0.51, "audit/attacks": 0.7, "audit/retain_accuracy": 0.2}
    assert flow.data.tags["audit.verdict"] == "pass"
    assert Path(client.download_artifacts(flow.info.run_id, "audit/audit.html")).is_file()
    stages = {run.info.run_name for run in runs.children(client, flow)}
    assert "stage: audit" in stages


def test_what_was_not_tested_has_no_metric() -> None:
    assert "audit/tow" not in audit_metrics(tracked.audit())
    assert audit_tags(tracked.audit("fail"))["audit.failed"] == "attacks"


def test_the_command_says_plainly_that_a_model_is_no_candidate(tracked_project: Path) -> None:
    from aru.files import write_json

    write_json(tracked_project / "work" / "faces" / "audit" / "audit.json", tracked.audit("fail"))
    failed = Published("run", NAME, "2", "fail", new=True)
    assert publishing.standing(tracked_project, "faces", failed) == (
        "audit FAILED (attacks): registered, but not given the alias candidate")
    assert "FAILED (attacks)" in publishing.summary(tracked_project, "faces", failed)
    assert publishing.standing(tracked_project, "faces", Published("run", NAME, "1", "inconclusive", new=True)) == (
        "audit inconclusive, alias candidate")
