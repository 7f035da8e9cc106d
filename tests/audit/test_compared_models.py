"""Audits of a comparison's models, at every level, on the clean protocol, which the project's own models are not of."""

import shutil
from pathlib import Path

import pytest

from aru.__main__ import main
from aru.audit import levels, record, standard
from aru.audit.calibration import CalibrationRequest, calibrate
from aru.audit.compared_models import Cell, find_cell, judge_trio
from aru.audit.criteria import FULL, KNOWN, QUICK, RANGES, STANDARD
from aru.audit.thresholds import read_thresholds
from aru.audit.verdicts import EXIT_CODES, NotRun
from aru.comparison.cell import open_store, run_task
from aru.comparison.choices import parse_choices
from aru.comparison.draws import Draw
from aru.comparison.plan import make_plan
from aru.compute.device import make_compute
from aru.core.config import load_config
from aru.core.errors import InputError
from aru.core.files import file_md5, read_json
from aru.metrics.relearning.relearn import RelearnConfig
from aru.shadows.build import Build, PoolRequest
from aru.stages.model_audit import audit_cell, audit_folder
from aru.stages.runner import run
from flows.experiments.audit import find_compared
from tests.helpers.archives import mufac_archive
from tests.helpers.own_network import own_network
from tests.stages.test_stages import write_params

MODELS = 8
METHODS = "finetune,aru:best"


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a comparison on the clean protocol that kept its weights, and shadows unlearned by one method."""
    root = tmp_path_factory.mktemp("compared")
    mufac_archive(root / "data" / "small.zip", families=40)
    write_params(root, {"model": own_network(root), "train": {"epochs": 1, "batch_size": 16}})
    run("prepare", "small", root=root)
    config, work = load_config(root / "params.yaml", "small"), root / "work" / "small"
    plan = make_plan(
        "small",
        config,
        work / "prepared",
        parse_choices(METHODS, config),
        [Draw("clean")],
        seeds=1,
        compute=make_compute(config.runtime),
        keep_weights=True,
    )
    for task in plan.missing(open_store(work)):
        run_task(task, config, work)
    pool = Build(PoolRequest(MODELS, "clean", "finetune"), config, work)
    for job in (*pool.trainings(), *pool.unlearnings()):
        job.do()
    return root


REPORTED = (
    (record, "both_models"),
    (record, "relative"),
    (levels, "report_beside_retrained"),
    (levels, "report_retained"),
    (standard, "feature_use"),
    (standard, "linear_barrier"),
)
"""What makes figures that are shown and not judged."""


@pytest.fixture
def without_standard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the level standard out: it takes seconds and has its own tests."""
    monkeypatch.setattr(levels, "standard", lambda case, **options: (dict.fromkeys(STANDARD, NotRun("left out")), {}))
    monkeypatch.setattr(levels, "report_beside_retrained", lambda case, details, progress: None)


@pytest.mark.parametrize(
    "options, said",
    [
        (["--protocol", "clean", "--level", "full"], "leave out --protocol"),
        (["--level", "standard"], "belongs to level full, this is level standard"),
    ],
)
def test_an_interclass_test_that_would_not_be_made_is_refused_by_both_commands(options, said, tmp_path, monkeypatch, capsys):
    from flows.experiments.audit import audit

    monkeypatch.chdir(tmp_path)
    (tmp_path / "dvc.yaml").write_text("stages: {}")
    assert main(["audit-model", "faces", "unlearned", "--interclass", *options]) == 2
    assert said in capsys.readouterr().err
    asked = dict(zip((name.removeprefix("--") for name in options[::2]), options[1::2], strict=True))
    with pytest.raises(InputError, match=said):
        audit("unlearned", interclass=True, root=tmp_path, **asked)


def record_of(root: Path, method: str, level: str) -> dict:
    cell = Cell(method, "clean")
    audit_cell("small", cell, level, root=root)
    return read_json(audit_folder(root, "small", cell.name, level) / "audit.json")


def rows_of(record: dict) -> dict[str, dict]:
    return {row["name"]: row for row in record["criteria"]}


def test_every_criterion_of_the_full_level_is_measured_on_a_clean_draw(
    compared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standard, "RelearnConfig", lambda: RelearnConfig(measured=(0, 1, 2)))  # 64 steps take seconds
    work = compared / "work" / "small"
    trio = find_cell("small", Cell("finetune", "clean"), root=compared)
    before = file_md5(open_store(work).weights(trio.audited.key))
    made = record_of(compared, "finetune", "full")
    rows = rows_of(made)
    assert set(rows) == {*QUICK, *STANDARD, *FULL}
    assert rows["u_lira"]["verdict"], rows["u_lira"].get("not_run")
    assert rows["lira_offline"]["verdict"] and rows["tow"]["verdict"]
    assert made["made_from"]["audited model, MD5"] == before == file_md5(open_store(work).weights(trio.audited.key))
    assert made["model"] == "finetune-clean-draw-0-seed-0"
    tested = [row for row in rows.values() if row["verdict"]]
    assert len(tested) > 20 and all(RANGES[row["name"]][0] <= row["figure"] <= RANGES[row["name"]][1] for row in tested)
    for module, name in REPORTED:
        monkeypatch.setattr(module, name, lambda *parts, **options: pytest.fail("a limit does not need it"))
    config, thresholds = load_config(compared / "params.yaml", "small"), read_thresholds(compared / "thresholds.yaml", KNOWN)
    assert judge_trio(trio, thresholds, config, work, "full") == {key: made[key] for key in ("criteria", "verdict")}


@pytest.mark.usefixtures("without_standard")
def test_shadows_that_another_method_unlearned_do_not_answer_for_this_one(compared: Path) -> None:
    assert "not unlearned by aru" in rows_of(record_of(compared, "aru:best", "full"))["u_lira"]["not_run"]


@pytest.mark.usefixtures("without_standard")
def test_calibration_holds_retrained_models_to_the_shadows_of_a_method(compared: Path) -> None:
    asked = {"benchmark": "small", "seeds": 2, "level": "full", "protocol": "clean", "workers": 1}
    figures = {
        method: calibrate(CalibrationRequest(**asked, method=method), root=compared)["criteria"]["u_lira"]["figures"]
        for method in (None, "finetune", "aru:best")
    }
    assert [len(figures["finetune"][part]) for part in ("calibrating", "originals")] == [1, 1]
    assert all(0 <= figure <= 1 for figure in figures["finetune"]["calibrating"])
    for method in (None, "aru:best"):  # no method, and one that unlearned no shadows: not run
        assert figures[method] == {"calibrating": [], "testing": [], "originals": []}


def test_one_command_calibrates_on_ones_own_data(
    compared: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shutil.copytree(compared, tmp_path / "project"))
    assert main(["calibrate", "small", "--seeds", "4", "--protocol", "clean", "--workers", "1", "--write"]) == 0
    said = capsys.readouterr().out
    own = read_thresholds(Path("thresholds.yaml"), KNOWN).on("small").criteria
    assert own["forgetting"].calibrated_on == own["people"].calibrated_on == "small"
    assert "2 retrained models" in own["forgetting"].calibration and own["likeness"].calibrated_on == "faces"
    assert "limits of small are in thresholds.yaml" in said and "under own limits" in said
    rows = rows_of(record_of(Path("."), "retrain", "quick"))
    assert rows["forgetting"]["limit"] == [own["forgetting"].low, own["forgetting"].high]
    assert rows["forgetting"]["calibrated_on"] == "small" and rows["forgetting"]["verdict"] == "pass"


@pytest.mark.usefixtures("without_standard")
def test_the_original_and_the_reference_are_known_for_what_they_are(compared: Path) -> None:
    rows = rows_of(record_of(compared, "nothing", "full"))
    assert rows["weights"]["verdict"] == "fail" and "not known" in rows["u_lira"]["not_run"]


def test_the_reference_is_not_compared_with_itself(compared: Path) -> None:
    rows = rows_of(record_of(compared, "retrain", "standard"))
    assert all("reference itself" in rows[name]["not_run"] for name in STANDARD)


@pytest.mark.parametrize(
    "cell, message",
    [
        (Cell("ct", "clean"), "no weights of ct.*--methods 'ct' --keep-weights"),
        (Cell("finetune", "clean", seed=3), "--seeds 1 --first-seed 3` makes"),
        (Cell("finetune", "clean", draw=1), "--seeds 1 --first-draw 1` makes"),
        (Cell("finetune", "official", draw=1), "one draw, number 0"),
        (Cell("finetune", "clean", seed=-1), "training seed -1: seeds count from 0"),
        (Cell("finetun", "clean"), "did you mean 'finetune'"),
    ],
)
def test_a_model_that_was_not_kept_is_named_with_the_command_that_makes_it(compared: Path, cell: Cell, message: str) -> None:
    with pytest.raises(InputError, match=message):
        find_cell("small", cell, root=compared)


def test_the_flow_finds_the_same_weights(compared: Path) -> None:
    target = find_compared(Cell("aru:best", "clean"), "small", compared)
    key = find_cell("small", Cell("aru:best", "clean"), root=compared).audited.key
    assert target.weights == open_store(compared / "work" / "small").weights(key) and target.weights.is_file()


def test_the_command_without_servers(compared: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.chdir(compared)
    assert main(["audit-model", "small", "nothing", "--protocol", "clean"]) == EXIT_CODES["fail"]
    assert capsys.readouterr().out.strip().endswith("fail")
    assert main(["audit-model", "small", "ct", "--protocol", "clean"]) == 2
    assert "no weights of ct" in capsys.readouterr().err


@pytest.mark.usefixtures("without_standard")
def test_audits_stand_beside_each_other_without_anybodys_id(
    compared: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    records = [record_of(compared, method, "quick") for method in ("finetune", "nothing")]
    monkeypatch.chdir(compared)
    assert main(["side-by-side", "small", "--level", "quick"]) == 0
    shown = capsys.readouterr().out
    assert all(record["model"].replace("_", "\\_") in shown and record["verdict"] in shown for record in records)
    assert shown.count("\n") == 4 + len(records[0]["criteria"])  # names, a line, what a model is nearer to, the verdict
    exposed = {person["id"] for record in records for person in record["details"]["people"]["most_exposed"]}
    assert exposed and not any(name in shown for name in exposed)
    assert main(["side-by-side", "other"]) == 2
    assert "aru audit MODEL --level full" in capsys.readouterr().err
