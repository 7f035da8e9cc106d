"""The gate before the registry: what a failed audit keeps from becoming the candidate, and what MLflow keeps of it."""

import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from aru.audit.verdicts import EXIT_CODES
from aru.errors import InputError
from aru.files import md5
from aru.models import build, save_model
from flows import audit, audit_runs, cli, publishing, registry, runs, store, tracking
from flows.audit import find_target
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


@pytest.mark.parametrize("model, name", [("unlearned", "unlearned"), ("original", "original"), (NAME, f"{NAME}-version-1"),
                                         (f"{NAME}@candidate", f"{NAME}-version-1"), (f"{NAME}/1", f"{NAME}-version-1"),
                                         (f"models:/{NAME}/1", f"{NAME}-version-1")])
def test_a_model_is_found_by_its_name(tracked_once: Path, tmp_path: Path, model: str, name: str) -> None:
    found = find_target(model, "faces", tracked_once, tmp_path)
    own = model if model == "original" else "unlearned"
    assert found.name == name
    assert md5(found.weights) == md5(tracked_once / "work" / "faces" / own / "model.safetensors")


def test_a_file_is_a_model_too(tracked_once: Path, tmp_path: Path) -> None:
    path = tracked_once / "work" / "faces" / "retrained" / "model.safetensors"
    assert find_target(str(path), "faces", tracked_once, tmp_path).weights == path


@pytest.mark.parametrize("model, message", [
    ("unlerned", "did you mean 'unlearned'"), ("aru-face", "did you mean 'aru-faces'"), (f"{NAME}@production", "production"),
    (f"{NAME}/9", "version or alias '9'"), ("nobody", "registered: aru-faces"),
])
def test_a_model_that_is_not_there_is_named(tracked_once: Path, tmp_path: Path, model: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        find_target(model, "faces", tracked_once, tmp_path)


def test_models_that_were_never_made_say_which_command_makes_them(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="aru run --benchmark faces"):
        find_target("retrained", "faces", tmp_path, tmp_path)
    with pytest.raises(InputError, match="registered: none"):
        find_target("nobody", "faces", tmp_path, tmp_path)


def test_an_audit_by_itself_leaves_a_run_of_its_own(tracked_project: Path) -> None:
    folder = tracked_project / "work" / "faces" / "audit"
    run_id = audit_runs.track(tracked_project, "faces", tracked.audit("fail"), folder, weights="0" * 32)
    client = store.client(tracked_project)
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED" and run.info.run_name == "audit of unlearned, quick"
    assert (run.data.tags["kind"], run.data.tags["audit.verdict"], run.data.tags["weights_md5"]) == ("audit", "fail", "0" * 32)
    assert run.data.metrics == {"audit/forgetting": 0.51, "audit/attacks": 0.7, "audit/retain_accuracy": 0.2}
    assert {item.path for item in client.list_artifacts(run_id, "audit")} == {"audit/audit.json", "audit/audit.html"}
    assert "Not tested: tow" in run.data.tags["mlflow.note.content"]
    assert tracking.find_run(tracked_project, benchmark="faces", state="a" * 64), "it is no flow's run"


@pytest.mark.parametrize("verdict, code", [("pass", 0), ("fail", 4), ("inconclusive", 3)])
def test_the_commands_exit_code_is_the_verdict(tracked_project: Path, monkeypatch: pytest.MonkeyPatch,
                                               capfd: pytest.CaptureFixture, verdict: str, code: int) -> None:
    record = tracked.audit(verdict)
    for row in record["criteria"]:
        row |= {"interval": [0.4, 0.6], "limit": [0.4, None]}
    done = audit.Audited(record, tracked_project / "work" / "faces" / "audit", "run")
    monkeypatch.setattr(cli, "_flow_environment", lambda *arguments: nullcontext())
    monkeypatch.setattr(audit, "audit", lambda *arguments, **options: done)
    monkeypatch.chdir(tracked_project)
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as ended:
        cli.main(["audit", "unlearned"])
    shown = capfd.readouterr().out
    assert (ended.value.code or 0) == code
    assert f"Verdict: {verdict.upper()}" in shown and "no retrained model" in shown and "work/faces/audit/audit.html" in shown


@pytest.mark.parametrize("arguments", [("flows.program", "aru", "audit", "unlearned"), ("aru.audit", "-", "faces", "unlearned")])
def test_an_audit_that_breaks_down_does_not_end_as_a_verdict_does(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    module, name, *rest = arguments
    broken = (f"import sys, runpy\nsys.argv = {[name, *rest]}\nimport aru.audit.job, flows.cli\n"
              "def broken(*arguments, **options): raise RuntimeError('a fault')\n"
              "aru.audit.job.run_audit = flows.cli._enter = broken\n"
              + ("from flows.program import main\nmain()" if module == "flows.program" else
                 f"runpy.run_module('{module}', run_name='__main__')"))
    done = subprocess.run([sys.executable, "-c", broken], capture_output=True, text=True, check=False)
    assert "RuntimeError: a fault" in done.stderr
    assert done.returncode == 1 and done.returncode not in EXIT_CODES.values()


def test_bad_input_does_not_end_as_a_verdict_does(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from aru.audit.__main__ import main

    monkeypatch.chdir(tmp_path)
    assert main(["faces", "unlearned"]) == 2 and not {1, 2, 130} & set(EXIT_CODES.values())
