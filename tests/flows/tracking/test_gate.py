"""The gate before the registry: what a failed audit keeps from becoming the candidate, and what MLflow keeps of it."""

import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient

from aru.audit.verdicts import EXIT_CODES
from aru.core.errors import InputError
from aru.core.files import file_md5, write_json
from aru.nets.models import build, save_model
from flows.cli import app
from flows.experiments import audit
from flows.experiments.audit import find_target
from flows.tracking import audit_runs, publishing, registry, runs, store
from flows.tracking import main_runs as tracking
from flows.tracking.audit_tags import audit_metrics, audit_tags
from flows.tracking.publishing import Published
from tests.helpers import tracked
from tests.helpers.tracked import track

pytest_plugins = ["tests.helpers.tracking_fixtures"]
NAME = "aru-faces"


def holder(root: Path, alias: str) -> str | None:
    """The version that has an alias."""
    found = store.client(root).get_registered_model(NAME).aliases.get(alias)
    return None if found is None else str(found)


def candidate(root: Path) -> str | None:
    return holder(root, "candidate")


def set_release(root: Path, release: str) -> None:
    path = root / "params.yaml"
    content = yaml.safe_load(path.read_text())
    content["faces"]["audit"] = {"release": release}
    path.write_text(yaml.safe_dump(content))


def publish(root: Path, seed: int, verdict: str = "pass") -> Published:
    """What the main flow does at its end with the weights of a seed; the digests of its stages make the state."""
    save_model(
        root / "work" / "faces" / "unlearned" / "model.safetensors",
        build(tracked.MODEL, tracked.OUTPUTS, seed=seed),
        name=tracked.MODEL,
        outputs=tracked.OUTPUTS,
        resolution=tracked.SIDE,
    )
    write_json(root / "work" / "faces" / "audit" / "audit.json", tracked.audit(verdict))
    results = tracked.results(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publishing, "track", publishing.track.fn)  # the task itself, without Prefect
        return publishing.publish(root, "faces", results, "run")


def said(root: Path, published: Published) -> str:
    return publishing.release_status(root, "faces", published)


def other_weights(root: Path) -> None:
    save_model(
        root / "work" / "faces" / "unlearned" / "model.safetensors",
        build(tracked.MODEL, tracked.OUTPUTS, seed=99),
        name=tracked.MODEL,
        outputs=tracked.OUTPUTS,
        resolution=tracked.SIDE,
    )


def test_a_model_that_passes_is_the_candidate_and_says_how_it_was_audited(tracked_once: Path) -> None:
    tags = store.client(tracked_once).get_model_version(NAME, "1").tags
    assert candidate(tracked_once) == "1"
    assert (tags["audit.verdict"], tags["audit.level"]) == ("pass", "quick")
    assert "candidate" not in tags and "audit.failed" not in tags


WITHHELD = {
    "fail": "withheld: the audit failed (attacks)",
    "inconclusive": "withheld: the audit is inconclusive (attacks, tow), and audit.release is pass",
}


@pytest.mark.parametrize(
    "release, verdict, through",
    [
        ("pass", "fail", False),
        ("pass", "inconclusive", False),
        ("pass", "pass", True),
        ("not-failed", "fail", False),
        ("not-failed", "inconclusive", True),
        ("not-failed", "pass", True),
    ],
)
def test_the_policy_decides_which_verdicts_make_a_candidate(
    tracked_project: Path, release: str, verdict: str, through: bool
) -> None:
    other_weights(tracked_project)
    track(tracked_project, state="1" * 64, verdict=verdict, release=release)
    version = store.client(tracked_project).get_model_version(NAME, "2")
    assert (version.tags["audit.verdict"], version.tags["audit.release"]) == (verdict, release)
    assert candidate(tracked_project) == ("2" if through else "1")
    assert holder(tracked_project, "challenger") == (None if through else "2")
    assert version.tags.get("candidate") == (None if through else WITHHELD[verdict])
    assert version.tags.get("audit.failed") == ("attacks" if verdict == "fail" else None), "what only informs decides nothing"
    assert registry.load_registered(tracked_project, NAME, "2"), "it is registered and can be looked at"


def test_a_rollback_moves_the_alias_back_and_the_console_says_what_the_registry_holds(tracked_project: Path) -> None:
    runs_before = None
    for seed, version, new in ((41, "2", True), (42, "3", True), (41, "2", False), (42, "3", False), (41, "2", False)):
        done = publish(tracked_project, seed)
        assert (done.version, done.new, candidate(tracked_project)) == (version, new, version)
        assert done.aliases == ("candidate",) and said(tracked_project, done) == "audit pass, alias candidate"
        experiment = store.experiment_id(tracked_project, "faces")
        found = store.client(tracked_project).search_runs([experiment], "tags.kind = 'flow'")
        assert new or len(found) == runs_before, "what is tracked is not tracked again"
        runs_before = len(found)


def test_a_rollback_goes_through_the_gate(tracked_project: Path) -> None:
    held, passed = publish(tracked_project, 41, "inconclusive"), publish(tracked_project, 42)
    assert (held.aliases, passed.aliases) == (("challenger",), ("candidate",))
    again = publish(tracked_project, 41, "inconclusive")
    assert (again.new, again.aliases) == (False, ("challenger",))
    assert (candidate(tracked_project), holder(tracked_project, "challenger")) == (passed.version, held.version)
    assert said(tracked_project, again) == (
        "audit INCONCLUSIVE, alias challenger, not candidate: the audit is inconclusive (attacks, tow), "
        "and audit.release is pass"
    )
    set_release(tracked_project, "not-failed")
    free = publish(tracked_project, 41, "inconclusive")
    assert (free.new, free.aliases, candidate(tracked_project)) == (False, ("candidate",), held.version)
    assert said(tracked_project, free) == "audit inconclusive, alias candidate"
    set_release(tracked_project, "pass")
    assert publish(tracked_project, 41, "inconclusive").aliases == ("challenger",)
    assert candidate(tracked_project) is None, "a stricter policy takes the alias away"


def test_an_alias_of_somebody_else_stays_and_is_told(tracked_project: Path) -> None:
    store.client(tracked_project).set_registered_model_alias(NAME, "shown", publish(tracked_project, 41).version)
    done = publish(tracked_project, 41)
    assert said(tracked_project, done) == "audit pass, alias candidate and shown"
    assert candidate(tracked_project) == holder(tracked_project, "shown") == done.version


def test_the_gate_writes_nothing_that_is_there_already(tracked_project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(tracked_project, 41, "fail")
    for name in (
        "set_model_version_tag",
        "delete_model_version_tag",
        "set_registered_model_alias",
        "delete_registered_model_alias",
    ):
        monkeypatch.setattr(MlflowClient, name, lambda *given, name=name: pytest.fail(name))
    assert publish(tracked_project, 41, "fail").aliases == ("challenger",)


def test_a_candidate_that_fails_a_later_audit_loses_the_alias_and_may_win_it_back(tracked_project: Path) -> None:
    track(tracked_project, state="2" * 64, verdict="fail")
    assert (candidate(tracked_project), holder(tracked_project, "challenger")) == (None, "1")
    track(tracked_project, state="3" * 64, verdict="pass")
    assert holder(tracked_project, "challenger") is None
    tags = store.client(tracked_project).get_model_version(NAME, "1").tags
    assert candidate(tracked_project) == "1"
    assert tags["audit.verdict"] == "pass" and "candidate" not in tags and "audit.failed" not in tags


def test_the_run_has_the_figures_the_verdict_and_the_page(tracked_once: Path) -> None:
    client = store.client(tracked_once)
    flow = client.get_run(tracking.find_run(tracked_once, benchmark="faces", state="a" * 64))
    assert {key: value for key, value in flow.data.metrics.items() if key.startswith("audit/")} == {
        "audit/forgetting": 0.51,
        "audit/attacks": 0.7,
        "audit/retain_accuracy": 0.2,
    }
    assert flow.data.tags["audit.verdict"] == "pass"
    assert Path(client.download_artifacts(flow.info.run_id, "audit/audit.html")).is_file()
    stages = {run.info.run_name for run in runs.children(client, flow)}
    assert "stage: audit" in stages


def test_what_was_not_tested_has_no_metric() -> None:
    assert "audit/tow" not in audit_metrics(tracked.audit())
    assert audit_tags(tracked.audit("fail"))["audit.failed"] == "attacks"


def test_the_command_says_plainly_that_a_model_is_no_candidate(tracked_project: Path) -> None:
    failed = publish(tracked_project, 41, "fail")
    expected = "audit FAIL, alias challenger, not candidate: the audit failed (attacks)"
    assert said(tracked_project, failed) == expected and expected in publishing.summary(tracked_project, "faces", failed)
    assert said(tracked_project, replace(failed, aliases=())).startswith("audit FAIL, no alias, not candidate")


@pytest.mark.parametrize(
    "model, name",
    [
        ("unlearned", "unlearned"),
        ("original", "original"),
        (NAME, f"{NAME}-version-1"),
        (f"{NAME}@candidate", f"{NAME}-version-1"),
        (f"{NAME}/1", f"{NAME}-version-1"),
        (f"models:/{NAME}/1", f"{NAME}-version-1"),
    ],
)
def test_a_model_is_found_by_its_name(tracked_once: Path, tmp_path: Path, model: str, name: str) -> None:
    found = find_target(model, "faces", tracked_once, tmp_path)
    own = model if model == "original" else "unlearned"
    assert found.name == name
    assert file_md5(found.weights) == file_md5(tracked_once / "work" / "faces" / own / "model.safetensors")


def test_a_file_is_a_model_too(tracked_once: Path, tmp_path: Path) -> None:
    path = tracked_once / "work" / "faces" / "retrained" / "model.safetensors"
    assert find_target(str(path), "faces", tracked_once, tmp_path).weights == path


@pytest.mark.parametrize(
    "model, message",
    [
        ("unlerned", "did you mean 'unlearned'"),
        ("aru-face", "did you mean 'aru-faces'"),
        (f"{NAME}@production", "production"),
        (f"{NAME}/9", "version or alias '9'"),
        ("nobody", "registered: aru-faces"),
    ],
)
def test_a_model_that_is_not_there_is_named(tracked_once: Path, tmp_path: Path, model: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        find_target(model, "faces", tracked_once, tmp_path)


def test_models_that_were_never_made_say_which_command_makes_them(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="aru run --benchmark faces"):
        find_target("retrained", "faces", tmp_path, tmp_path)
    with pytest.raises(InputError, match="registered: none"):
        find_target("nobody", "faces", tmp_path, tmp_path)


def test_an_audit_by_itself_leaves_a_run_of_its_own(tracked_project: Path) -> None:
    run_id = audit_runs.track(tracked_project, "faces", tracked.audit("fail"), weights="0" * 32)
    client = store.client(tracked_project)
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED" and run.info.run_name == "audit of unlearned, quick"
    assert (run.data.tags["kind"], run.data.tags["audit.verdict"], run.data.tags["weights_md5"]) == ("audit", "fail", "0" * 32)
    assert run.data.metrics == {"audit/forgetting": 0.51, "audit/attacks": 0.7, "audit/retain_accuracy": 0.2}
    assert {item.path for item in client.list_artifacts(run_id, "audit")} == {"audit/audit.json", "audit/audit.html"}
    assert "Not tested: tow" in run.data.tags["mlflow.note.content"]
    assert tracking.find_run(tracked_project, benchmark="faces", state="a" * 64), "it is no flow's run"


@pytest.mark.parametrize("verdict, code", [("pass", 0), ("fail", 4), ("inconclusive", 3)])
def test_the_commands_exit_code_is_the_verdict(
    tracked_project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture, verdict: str, code: int
) -> None:
    record = tracked.audit(verdict)
    for row in record["criteria"]:
        row |= {"interval": [0.4, 0.6], "limit": [0.4, None]}
    done = audit.Audited(record, tracked_project / "work" / "faces" / "audit", "run")
    monkeypatch.setattr("flows.cli.audit.flow_environment", lambda *arguments: nullcontext())
    monkeypatch.setattr(audit, "audit", lambda *arguments, **options: done)
    monkeypatch.chdir(tracked_project)
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as ended:
        app.main(["audit", "unlearned"])
    shown = capfd.readouterr().out
    assert (ended.value.code or 0) == code
    assert f"Verdict: {verdict.upper()}" in shown and "no retrained model" in shown and "work/faces/audit/audit.html" in shown


@pytest.mark.parametrize(
    "arguments", [("flows.cli.program", "aru", "audit", "unlearned"), ("aru", "-", "audit-model", "faces", "unlearned")]
)
def test_an_audit_that_breaks_down_does_not_end_as_a_verdict_does(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    module, name, *rest = arguments
    broken = (
        f"import sys, runpy\nsys.argv = {[name, *rest]}\nimport aru.stages.model_audit, flows.cli.audit\n"
        "def broken(*arguments, **options): raise RuntimeError('a fault')\n"
        "aru.stages.model_audit.run_audit = flows.cli.audit.enter_project = broken\n"
        + (
            "from flows.cli.program import main\nmain()"
            if module == "flows.cli.program"
            else f"runpy.run_module('{module}', run_name='__main__')"
        )
    )
    done = subprocess.run([sys.executable, "-c", broken], capture_output=True, text=True, check=False)
    assert "RuntimeError: a fault" in done.stderr
    assert done.returncode == 1 and done.returncode not in EXIT_CODES.values()


def test_bad_input_does_not_end_as_a_verdict_does(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from aru.__main__ import main

    monkeypatch.chdir(tmp_path)
    assert main(["audit-model", "faces", "unlearned"]) == 2 and not {1, 2, 130} & set(EXIT_CODES.values())
