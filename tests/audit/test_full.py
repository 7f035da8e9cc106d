"""An audit from files to files on a small project, with a pool of shadow models; what the pool cannot answer is named."""

import shutil
from html import unescape
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from aru.__main__ import main
from aru.audit import known_bad, levels, standard
from aru.audit.criteria import FULL, QUICK, STANDARD
from aru.audit.full import Pool
from aru.audit.project_models import model_path
from aru.audit.variants import DEVIATIONS
from aru.audit.verdicts import EXIT_CODES, NotRun
from aru.core.config import load_config
from aru.core.errors import InputError
from aru.core.files import file_md5, read_json
from aru.metrics.membership.signals import logit_confidence
from aru.metrics.relearning.relearn import RelearnConfig
from aru.nets.models import build, save_model
from aru.shadows.build import Build, PoolRequest
from aru.shadows.pool import drop_weights, open_pool
from aru.stages.model_audit import audit_folder, run_audit
from aru.stages.runner import run
from tests.helpers.archives import mufac_archive
from tests.helpers.own_network import OWN_NETWORK, own_network
from tests.stages.test_stages import write_params

MODELS = 6
SHORT = {"train": {"epochs": 1, "batch_size": 16}, "attack": {"steps": 1, "batch_size": 20}, "finetune": {"epochs": 1}}


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with its three models and six shadows, those that saw the forgotten unlearned; never changed by a test."""
    root = tmp_path_factory.mktemp("audited")
    mufac_archive(root / "data" / "small.zip", families=15)
    write_params(root, SHORT | {"model": own_network(root), "data": {"forget": {"rows": 20}}})  # five people
    for stage in ("prepare", "train", "attack", "mask", "finetune", "retrain"):
        run(stage, "small", root=root)
    pool = Build(PoolRequest(MODELS, unlearn="aru"), load_config(root / "params.yaml", "small"), root / "work" / "small")
    for job in (*pool.trainings(), *pool.unlearnings()):
        job.do()
    return root


@pytest.fixture
def project(audited: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    return Path(shutil.copytree(audited, tmp_path / "project"))


@pytest.fixture
def without_standard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the level standard out: it takes seconds and has its own tests."""
    monkeypatch.setattr(levels, "standard", lambda case, **options: (dict.fromkeys(STANDARD, NotRun("left out")), {}))
    monkeypatch.setattr(levels, "report_beside_retrained", lambda case, details, progress: None)


def record_of(root: Path, name: str, level: str, *, weights: Path | None = None, interclass: bool = False) -> dict:
    """Audit a model and read the record."""
    run_audit("small", name, weights or model_path(root / "work" / "small", name), level, root=root, interclass=interclass)
    return read_json(audit_folder(root, "small", name, level) / "audit.json")


def rows_of(record: dict) -> dict[str, dict]:
    return {row["name"]: row for row in record["criteria"]}


def test_the_full_level_measures_everything_and_leaves_the_model_as_it_was(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standard, "RelearnConfig", lambda: RelearnConfig(measured=(0, 1, 2)))  # 64 steps take seconds
    weights = model_path(project / "work" / "small", "unlearned")
    before = file_md5(weights)
    record = record_of(project, "unlearned", "full", interclass=True)
    rows = rows_of(record)
    assert set(rows) == {*QUICK, *STANDARD, *FULL}
    assert {name for name in FULL if rows[name]["verdict"]} == set(FULL), {name: rows[name].get("not_run") for name in FULL}
    assert all(0 <= rows[name]["figure"] <= 1 for name in ("u_lira", "lira_offline", "rmia", "worst_people"))
    pooled = f"variance pooled ({DEVIATIONS['pooled']})"
    assert all(pooled in rows[name]["variant"] for name in ("u_lira", "lira_offline", "iam"))
    assert rows["lira_offline"]["variant"].endswith("one-sided") and rows["rmia"]["variant"].startswith("offline")
    details = record["details"]
    assert details["retained"]["variant"] == rows["lira_offline"]["variant"]
    assert details["further"]["Shadow models"]["shadow models"] == MODELS
    assert (
        set(details["retained"]["auc"]) == {"original", "unlearned", "retrained"} and details["retained"]["shadows"] == MODELS
    )
    assert set(details["retained"]["rise"]["original"]) == set(details["retained"]["people"]) >= {"all"}
    assert len(details["re_recognition"]["radii"]) == 5 and "models" in details["same_person"]["forget"]
    page = (audit_folder(project, "small", "unlearned", "full") / "audit.html").read_text()
    assert page.count("Variant: ") == 4 and f"{MODELS} shadow models ({rows['lira_offline']['variant']})" in unescape(page)
    for heading in ("Retained people under LiRA", "Recognised again", "One person on two photos", "With the original in hand"):
        assert heading in page
    assert file_md5(weights) == before and record["made_from"]["audited model, MD5"] == before


@pytest.mark.usefixtures("without_standard")
def test_the_same_pool_gives_the_same_bytes(project: Path) -> None:
    path = audit_folder(project, "small", "unlearned", "full")
    written = []
    for _ in range(2):
        record_of(project, "unlearned", "full")
        written.append([(path / name).read_bytes() for name in ("audit.json", "audit.html")])
    assert written[0] == written[1]


@pytest.mark.usefixtures("without_standard")
def test_of_a_model_that_somebody_else_made_the_method_is_not_known(audited: Path, tmp_path: Path) -> None:
    rows = rows_of(record_of(audited, "original", "full", interclass=True))
    assert "not known" in rows["u_lira"]["not_run"] and "not known" in rows["interclass"]["not_run"]
    assert rows["lira_offline"]["verdict"] and rows["rmia"]["verdict"] and rows["iam"]["verdict"]
    assert rows["weights"]["verdict"] == "fail", "it is the original"


def test_the_reference_is_not_compared_with_itself(audited: Path) -> None:
    rows = rows_of(record_of(audited, "retrained", "standard"))
    assert all("reference itself" in rows[name]["not_run"] for name in STANDARD)


@pytest.mark.usefixtures("without_standard")
def test_the_same_bytes_under_another_name_are_known_again(audited: Path, tmp_path: Path) -> None:
    other = shutil.copy(model_path(audited / "work" / "small", "unlearned"), tmp_path / "mine.safetensors")
    rows = rows_of(record_of(audited, str(other), "full", weights=Path(other)))
    assert rows["u_lira"]["verdict"]
    assert (audited / "work" / "small" / "audit" / "mine.safetensors-full" / "audit.html").is_file()


@pytest.mark.usefixtures("without_standard")
def test_dropped_weights_do_not_matter_and_stale_shadows_do(project: Path) -> None:
    work, config = project / "work" / "small", load_config(project / "params.yaml", "small")
    pool = Build(PoolRequest(MODELS), config, work)
    for shadow in pool.shadows:
        drop_weights(open_pool(work), shadow.key)
    assert rows_of(record_of(project, "unlearned", "full"))["u_lira"]["verdict"]
    changes = {"model": own_network(project), "train": {"epochs": 1, "batch_size": 32}}
    write_params(project, SHORT | changes)
    rows = rows_of(record_of(project, "unlearned", "full"))
    assert "stale" in rows["rmia"]["not_run"] and "aru shadows build --benchmark small" in rows["rmia"]["not_run"]


@pytest.mark.usefixtures("without_standard")
def test_too_few_shadows_are_named(project: Path) -> None:
    work, config = project / "work" / "small", load_config(project / "params.yaml", "small")
    for shadow in Build(PoolRequest(MODELS), config, work).shadows[2:]:
        open_pool(work).drop(shadow.key)
    assert "or more are needed" in rows_of(record_of(project, "unlearned", "full"))["lira_offline"]["not_run"]


@pytest.mark.parametrize("outputs, resolution, message", [(5, 32, "outputs is 5"), (8, 64, "resolution is 64")])
def test_a_model_of_another_benchmark_is_refused(
    audited: Path, tmp_path: Path, outputs: int, resolution: int, message: str
) -> None:
    path = tmp_path / "other.safetensors"
    save_model(path, build(OWN_NETWORK, outputs), name=OWN_NETWORK, outputs=outputs, resolution=resolution)
    with pytest.raises(InputError, match=message):
        record_of(audited, str(path), "quick", weights=path)


def test_the_command_without_servers_ends_with_the_verdict(
    audited: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(audited)
    assert main(["audit-model", "small", "original"]) == EXIT_CODES["fail"]
    shown = capsys.readouterr().out
    assert "weights" in shown and shown.strip().endswith("fail")
    assert main(["audit-model", "small", "nobody.safetensors"]) == 2
    assert "nobody.safetensors does not exist" in capsys.readouterr().err


def test_a_command_says_whether_known_bad_models_fail_on_ones_own_data(
    audited: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(audited)
    few = {name: known_bad.KNOWN_BAD[name] for name in ("noise of .003", "classifier refitted")}
    monkeypatch.setattr(known_bad, "KNOWN_BAD", few)
    assert main(["known-bad", "small"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[:20].strip() for line in lines] == [*few, "all of them fail"]
    assert [line[21:34].strip() for line in lines[:-1]] == ["fail", "fail"]
    assert "likeness 1.000 fail  weights 0.000 fail" in lines[1]
    monkeypatch.setattr(known_bad, "KNOWN_BAD", {"fresh": lambda model, *_: build(OWN_NETWORK, 8, seed=5)})
    assert main(["known-bad", "small"]) == 3 and "not failed: fresh" in capsys.readouterr().out
    assert main(["known-bad", "other"]) == 2


def test_unseen_people_are_held_to_as_many_shadows_as_forgotten_ones() -> None:
    roles, subjects = np.repeat(["forget", "unseen", "test"], 20), np.repeat([f"S{number}" for number in range(12)], 5)
    seen = np.zeros((MODELS, 60), dtype=bool)
    seen[::2, :20] = True
    request = SimpleNamespace(roles=roles, subjects=subjects, targets=torch.zeros(60, dtype=torch.int64))
    logits = torch.randn(MODELS, 60, 3, generator=torch.Generator().manual_seed(0))
    pool = Pool([], request, logits, seen, logits[0], logits[0])
    forgotten, strangers = (pool.held_to(logit_confidence, role).seen for role in ("forget", "unseen"))
    assert {*(~forgotten).sum(axis=0)} == {*(~strangers).sum(axis=0)} == {MODELS // 2}
    assert not pool.signals(logit_confidence, "unseen").seen.any(), "no shadow saw them"
    people = pool.people("unseen")
    assert all(len({tuple(column) for column in strangers[:, people == one].T}) == 1 for one in {*people})
