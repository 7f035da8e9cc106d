"""A project in which a request lived its whole life, with a canary planted in every place: made once, and copied."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from aru.audit.audit_file import AuditRecord
from aru.core.files import file_md5, write_json
from aru.nets.models import build, save_model
from aru.stages.runner import run as run_stage
from flows.project import versioning
from flows.requests.ledger.ledger import project_ledger
from flows.requests.ledger.queries import list_requests
from flows.requests.ledger.records import Actor
from flows.requests.ledger.service import identify
from flows.requests.ledger.states import State
from flows.requests.ledger.submission import Submission, submit
from flows.requests.processing.carrying_out import Tools, carry_out
from flows.requests.processing.certifying import certify_at_fulfilment, gather_evidence
from flows.requests.processing.suppressing import suppress_requests
from flows.requests.resolving.recording import approve_on_record
from flows.tracking import store
from flows.tracking.main_runs import ensure_store
from tests.helpers import canaries, tracked
from tests.helpers.archives import mufac_members, write_zip
from tests.helpers.batches import figures
from tests.helpers.made_once import made_once
from tests.helpers.prepare_stage import PREPARE
from tests.helpers.project import CHECKOUT, shell

CLERK = Actor("clerk")
STAGES = (
    PREPARE
    + """\
  attack:
    foreach: ${benchmarks}
    do:
      cmd: python -m aru attack
      deps: ["work/${key}/prepared/images.npy"]
      outs:
        - "work/${key}/noise/noise.safetensors": {remote: store}
        - "work/${key}/noise/parts": {remote: store}
"""
)


@pytest.fixture(scope="session")
def lived_once(tracked_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project after the batch of request R-000001 was released as version 2; never changed by a test."""
    return made_once(tmp_path_factory, "lived-once", lambda root: _live(tracked_once, root))


@pytest.fixture
def lived(lived_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of that project to erase in."""
    root = Path(shutil.copytree(lived_once, tmp_path / "project", symlinks=True))
    monkeypatch.setenv("PREFECT_HOME", str(root / ".prefect"))
    ensure_store(root)
    yield root


def _live(tracked_project: Path, root: Path) -> None:
    shutil.copytree(tracked_project, root, dirs_exist_ok=True)
    ensure_store(root)
    shutil.rmtree(root / "work")
    (root / "dvc.yaml").write_text(STAGES)
    (root / "dvc.lock").unlink()
    (root / "thresholds.yaml").write_text("version: 1\n")
    shutil.copy(CHECKOUT / "suppression.jsonl", root)
    (root / ".gitignore").write_text("/work/\n/.prefect/\n/mlruns/\n/.aru/\n/data/*.zip\n/remote/\n")
    (root / "requests.yaml").write_text(
        "batching: {wait_days: 0}\nsuspicion: {of_class: 1.0, of_training: 1.0, one_sided: 1.0}\n"
    )
    data = {"layout": "mufac", "resolution": canaries.SIDE, "forget": {"rows": 2}}
    params = {"benchmarks": {"faces": "data/faces.zip"}, "faces": {"data": data, "model": {"name": tracked.MODEL}}}
    (root / "params.yaml").write_text(json.dumps(params, indent=1))
    write_zip(root / "data" / "faces.zip", canaries.members(mufac_members(photos=2)))
    versioning.initialize(root, in_subfolder=False)
    shell(root, "dvc", "remote", "modify", "-q", "store", "url", "remote")
    versioning.track(root, "data/faces.zip")
    _run(root)
    shell(root, "git", "add", "-A")
    shell(root, "git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-q", "-m", "Before")
    shell(root, "dvc", "push", "-q")
    with project_ledger(root) as ledger:
        asked = Submission("faces", (canaries.PERSON,), upload=canaries.photo(1), remark=f"of {canaries.PERSON}")
        request = submit(ledger, asked, actor=CLERK).request.id
        identify(ledger, request, actor=CLERK)
        approve_on_record(root, ledger, request, actor=CLERK)
        done = carry_out(
            root,
            "faces",
            ledger,
            tools=Tools(_register, _no_audit, suppress_requests, figures, gather_evidence, certify_at_fulfilment),
        )
        assert done is not None and done.state == State.FULFILLED
        assert [one.id for one in list_requests(ledger).requests] == ["R-000001"]
    shell(root, "git", "add", "-A")
    shell(root, "git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-q", "-m", "After")
    _plant(root)


def _run(root: Path) -> None:
    """The stages: `prepare` itself, and files with a canary in place of the others; recorded by DVC."""
    run_stage("prepare", "faces", root=root, progress=lambda *_: None)
    work = root / "work" / "faces"
    (work / "noise").mkdir(exist_ok=True)
    (work / "noise" / "noise.safetensors").write_bytes(canaries.pixels().tobytes())
    canaries.plant(work / "noise" / "parts")
    versioning.commit(root, ["prepare@faces", "attack@faces"])


def _no_audit(root: Path, benchmark: str, level: str) -> AuditRecord:
    raise AssertionError("the policy has no step with a higher level")


class _Ran:
    def __init__(self, version: str) -> None:
        self.published = self
        self.version, self.verdict = version, "pass"


def _register(root: Path, benchmark: str) -> _Ran:
    """Stands for the main flow: the stages, and a version with weights of its own."""
    _run(root)
    folder = root.parent / "made"
    tracked.make(folder, commit=False)
    for name in ("original", "unlearned", "retrained", "mask", "evaluation", "audit", "report"):
        shutil.copytree(folder / "work" / "faces" / name, root / "work" / "faces" / name, dirs_exist_ok=True)
    shutil.rmtree(folder)
    weights = root / "work" / "faces" / "unlearned" / "model.safetensors"
    save_model(weights, build(tracked.MODEL, 8, seed=99), name=tracked.MODEL, outputs=8, resolution=canaries.SIDE)
    tracked.track(root, state="2" * 64)
    record = tracked.audit("pass") | {"made_from": {"thresholds, MD5": file_md5(root / "thresholds.yaml")}}
    write_json(root / "work" / "faces" / "audit" / "audit.json", record)
    return _Ran("2")


def _plant(root: Path) -> None:
    """Canaries where a run of months leaves them."""
    for folder in ("shadows/pool", "comparison/cells", "original/checkpoints", "tuning"):
        canaries.plant(root / "work" / "faces" / folder)
    disk = root / "work" / "faces" / "tuning"  # a link, as to a larger disk
    (root / "disk" / "of").mkdir(parents=True)
    disk.rename(root / "disk" / "of" / "tuning")
    disk.symlink_to("../../disk/of/tuning")
    client = store.client(root)
    first = client.get_model_version("aru-faces", "1")
    client.set_model_version_tag("aru-faces", "1", "note", canaries.FAMILY)
    # by its place: MLflow's client remembers, by a run's id, where its files were in the project that this is a copy of
    (store.local_path(client.get_run(first.run_id).info.artifact_uri) / "notes.txt").write_text(canaries.FAMILY)
    run = client.create_run(store.experiment_id(root, "faces"), tags={"kind": "benchmark", "who": canaries.FAMILY})
    client.log_text(run.info.run_id, canaries.FAMILY, "cells.txt")
    client.delete_run(run.info.run_id)
    canaries.plant(root / "mlruns" / "artifacts" / "faces" / "models" / "m-nobody")
    (root / "mlruns" / "server.log").write_text(canaries.FILES[0])
    canaries.plant_database(root / ".prefect" / "prefect.db")
    canaries.plant(root / ".prefect" / "results" / "state")
    (root / ".aru" / "failure.txt").write_text(canaries.FILES[0])
    canaries.plant(root / ".dvc" / "tmp" / "replay")
    (root / "data" / ".faces.zip.0123456789abcdef.tmp").write_bytes(canaries.photo())
    runs = root / ".dvc" / "cache" / "runs" / "ab" / "abcd"
    runs.mkdir(parents=True)
    (runs / "ef01").write_text(f"cmd: x\nparams: {{params.yaml: {{faces.data.forget.files: [{canaries.FILES[0]}]}}}}\n")
    orphan = root / ".dvc" / "cache" / "files" / "md5" / "00" / ("0" * 30)
    orphan.parent.mkdir(parents=True, exist_ok=True)
    orphan.write_bytes(canaries.pixels(2).tobytes())
