"""Names of people and photos: in what is logged they are pseudonyms, and a failure's words stay on this machine."""

import json
import stat
from pathlib import Path

import pytest
import yaml

from aru.core.config import parse_config
from aru.core.errors import InputError, TrainingError
from flows.project import discretion
from flows.project.discretion import Withheld, disclosed, discreet
from flows.project.pseudonyms import Pseudonyms, load_pseudonyms, pseudonym_key, restore_names
from flows.tracking import audit_runs, registry, store
from flows.tracking import main_runs as tracking
from tests.helpers import tracked
from tests.helpers.flow_fixtures import run_flow
from tests.helpers.project import run_stage

pytest_plugins = ["tests.helpers.tracking_fixtures"]
KEY = "F0001/P1"
FILE = "F0001.MF.P1.5.jpg"
OTHERWISE = "f0007/p9"
NAMES = (tracked.EXPOSED, "F0000/P1", KEY, FILE, OTHERWISE)
WORDS = f"{FILE} of family F0001, person P1, age c, is no image"


def with_subjects(root: Path) -> dict:
    """Ask for one person by key, as params.yaml, dvc.lock and the parameters then have it; returns the parameters."""
    section = {
        "data": {"resolution": tracked.SIDE, "forget": {"subjects": [KEY]}, "merge": {"same": [[OTHERWISE, "F0000/P1"]]}},
        "model": {"name": tracked.MODEL},
        "train": {"epochs": 3},
    }
    text = yaml.safe_dump({"benchmarks": {"faces": "data/faces.zip"}, "faces": section})
    (root / "params.yaml").write_text(f"# who asked\n{text}")
    (root / "dvc.lock").write_text(
        yaml.safe_dump(
            {
                "schema": "2.0",
                "stages": {
                    "prepare@faces": {
                        "cmd": "python -m aru prepare faces",
                        "params": {"params.yaml": {"faces.data.forget.subjects": [KEY]}},
                    }
                },
            }
        )
    )
    return section


def test_nothing_that_mlflow_keeps_names_anybody(tracked_project: Path) -> None:
    tracking.ensure_store(tracked_project)
    section = with_subjects(tracked_project)
    (tracked_project / "work/faces/report/results.md").write_text(f"| most exposed | {tracked.EXPOSED} |")
    (tracked_project / "F0001-P1-at-home.jpg").write_text("somebody left a photo here")
    config = parse_config(section, where="test")
    store.client(tracked_project).delete_model_version("aru-faces", "1")
    run_id = tracking.start_run(
        tracked_project,
        benchmark="faces",
        params=config.model_dump(mode="json"),
        run_name="named",
        tags={"state": "f" * 64, "protocol": "official", "seed": "0", "method": "aru"},
    )
    prepared = tracked.results(tracked_project)[0]
    prepared.stage.params["params.yaml"]["faces.data.forget"] = {"subjects": [KEY]}
    work = tracked_project / "work/faces"
    tracking.log_stage(tracked_project, run_id, prepared, work)
    tracking.log_models(tracked_project, run_id, metrics=tracked.metrics())
    tracking.log_artifacts(tracked_project, run_id, work)
    tracking.register(
        tracked_project, run_id, benchmark="faces", work=work, metrics=tracked.metrics(), config=config, audit=tracked.audit()
    )
    audit_runs.track(tracked_project, "faces", tracked.audit(), weights="0" * 32)
    kept = {
        path.relative_to(tracked_project): path.read_bytes()
        for path in (tracked_project / "mlruns").rglob("*")
        if path.is_file()
    }
    assert len(kept) > 20
    assert {name for name in (*NAMES, "at-home") for content in kept.values() if name.encode() in content} == set()
    names, client = load_pseudonyms(tracked_project, "faces"), store.client(tracked_project)
    run = client.get_run(run_id)
    assert json.loads(run.data.params["data.forget.subjects"]) == [names.of(KEY)]
    assert run.data.tags["git_changes"] == "dvc.lock, params.yaml, 1 new files or folders".removeprefix("dvc.lock, ")
    page = Path(client.download_artifacts(run_id, "audit/audit.html")).read_text()
    assert names.of(tracked.EXPOSED) in page, "whoever has the key finds the person"
    assert names.of("F0000/P1") in Path(client.download_artifacts(run_id, "audit.json")).read_text()
    assert registry.load_registered(tracked_project, "aru-faces")


def test_a_replay_gets_the_names_back_with_the_key_alone(tracked_project: Path) -> None:
    tracking.ensure_store(tracked_project)
    with_subjects(tracked_project)
    run_id = tracked.begin(tracked_project)
    tracking.log_artifacts(tracked_project, run_id, tracked_project / "work/faces")
    folder = Path(store.client(tracked_project).download_artifacts(run_id, "replay", str(tracked_project / ".dvc")))
    files = [folder / name for name in ("params.yaml", "dvc.lock")]
    assert all(KEY not in path.read_text() for path in files)
    assert files[0].read_text().startswith("# who asked\n")
    logged = [path.read_text() for path in files]
    assert restore_names(tracked_project, files) == 4
    assert [path.read_text() for path in files] == [(tracked_project / path.name).read_text() for path in files]
    (tracked_project / ".aru/pseudonyms.key").unlink()
    files[0].write_text(logged[0])
    with pytest.raises(InputError, match="is nobody in params.yaml"):
        restore_names(tracked_project, files[:1])


def test_the_key_is_made_once_for_its_owner_alone_and_git_does_not_see_it(tracked_project: Path) -> None:
    from flows.project.git import git_state

    before = git_state(tracked_project)
    key = pseudonym_key(tracked_project)
    path = tracked_project / ".aru" / "pseudonyms.key"
    assert len(key) == 32 and key == pseudonym_key(tracked_project) == path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert git_state(tracked_project) == before
    path.write_bytes(b"short")
    with pytest.raises(InputError, match="has 5 bytes, a key has 32"):
        pseudonym_key(tracked_project)


def test_pseudonyms_tell_people_apart_and_projects_too() -> None:
    one, other = Pseudonyms(b"1" * 32, [KEY]), Pseudonyms(b"2" * 32, [KEY])
    assert one.of(KEY) == one.of(f" {KEY} ") != one.of("F0001/P2")
    assert one.of(KEY) != other.of(KEY)
    content = {"counts": {"7": 2}, KEY: [KEY, "7", 7], "said": f"merged: {KEY}, 7.", "subjects": ["anybody"]}
    assert Pseudonyms(b"1" * 32, [KEY, "7"]).content(content) == {
        "counts": {"7": 2},
        one.of(KEY): [one.of(KEY), one.of("7"), 7],
        "said": f"merged: {one.of(KEY)}, 7.",
        "subjects": [one.of("anybody")],
    }


def test_names_of_several_words_are_found_in_a_page_and_persons_where_they_are_the_classes(tmp_path: Path) -> None:
    names = Pseudonyms(b"1" * 32, ["Ann Smith", "photos/Ann Smith/1.jpg", "Ann"])
    page = "<dd>Ann Smith</dd>, Ann Smithson, photos/Ann Smith/1.jpg"
    assert names.text(page) == (
        f"<dd>{names.of('Ann Smith')}</dd>, {names.of('Ann')} Smithson, {names.of('photos/Ann Smith/1.jpg')}"
    )
    manifest = tmp_path / "work" / "team" / "prepared" / "manifest.csv"
    manifest.parent.mkdir(parents=True)
    header = "row,path,digest,photo,note,subject,family,person,split,role,LABEL\n"
    rows = f"{header}0,photos/a.jpg,0,P0,,S00000,Lee,Ann,train,retain,0\n"
    for label, found in (("identity", True), ("age", False)):
        manifest.write_text(rows.replace("LABEL", label))
        hidden = load_pseudonyms(tmp_path, "team").content({"classes": {label: ["Ann", ""]}})["classes"][label]
        assert (hidden[0] != "Ann") == found and hidden[1] == ""


@pytest.mark.parametrize(
    "text, name",
    [
        ("a: {forget: {subjects: ['7', x], rows: 7}} # 7\n", "7"),
        ('data.forget.subjects:\n- "a, b"\n- x\nseed: 7\n', "a, b"),
        ("b: &known [7]\nsubjects: *known\n", "7"),
        ("subjects: null\nother: [F/1]\n", "F/1"),
        ("", "F/1"),
    ],
)
def test_only_names_change_in_a_yaml_file(text: str, name: str) -> None:
    names = Pseudonyms(b"1" * 32, ["F/1"])
    hidden = names.yaml(text)
    assert (names.of(name) in hidden) == (name in text)
    assert yaml.safe_load(hidden) == yaml.safe_load(text) or name in text
    assert "rows: 7}} # 7" in hidden or "rows: 7}} # 7" not in text
    assert "seed: 7" in hidden or "seed: 7" not in text


def test_prefect_keeps_no_word_of_a_failure(project: Path) -> None:
    from prefect.client.orchestration import get_client
    from prefect.logging.handlers import APILogWorker
    from prefect.settings import PREFECT_LOGGING_TO_API_ENABLED, temporary_settings

    def broken(stage: str, *arguments: object) -> None:
        if stage == "prepare":
            raise InputError(WORDS, detail=[f"F0001/{FILE} ends too soon"])
        run_stage(stage, *arguments)  # type: ignore[arg-type]

    with pytest.raises(InputError, match=FILE), temporary_settings({PREFECT_LOGGING_TO_API_ENABLED: True}):
        run_flow(project, stage=broken, refresh=("prepare",))
    APILogWorker.drain_all(timeout=20)
    with get_client(sync_client=True) as client:
        flow = next(run for run in client.read_flow_runs() if run.parameters.get("root") == str(project))
        tasks = client.read_task_runs()
        recorded = [flow.model_dump_json(), *(run.model_dump_json() for run in tasks)]
        recorded += [log.message for log in client.read_logs()]
        assert flow.state.type.value == "FAILED" and "Withheld: InputError" in flow.state.message
    recorded += [path.read_text(errors="replace") for path in (project / ".prefect").rglob("*") if path.is_file()]
    assert any("InputError; its message may name people" in text for text in recorded)
    assert not [text for text in recorded if "F0001" in text or "person P1" in text]
    failure = project / ".aru" / "failure.txt"
    assert f"  F0001/{FILE} ends too soon\n" in failure.read_text()
    assert WORDS in failure.read_text() and stat.S_IMODE(failure.stat().st_mode) == 0o600


def test_every_flow_and_task_is_discreet() -> None:
    from prefect import Flow, Task

    import flows.experiments.audit
    import flows.experiments.benchmark
    import flows.experiments.shadows
    import flows.experiments.tuning
    import flows.pipeline.unlearn

    found = {
        name: item
        for module in (
            flows.experiments.audit,
            flows.experiments.benchmark,
            flows.experiments.jobs,
            flows.tracking.publishing,
            flows.experiments.shadows,
            flows.pipeline.cached_stages,
            flows.experiments.tuning,
            flows.pipeline.unlearn,
        )
        for name, item in vars(module).items()
        if isinstance(item, (Flow, Task))
    }
    assert len(found) >= 11
    assert {name for name, item in found.items() if item.fn.__code__.co_filename != discretion.__file__} == set()


def test_errors_of_figures_alone_keep_their_words_and_others_come_up_as_themselves(tmp_path: Path) -> None:
    @discreet
    def fail(error: Exception) -> None:
        raise error

    with pytest.raises(TrainingError, match="the loss is nan"):
        fail(TrainingError("the loss is nan"))
    with pytest.raises(Withheld) as withheld:
        fail(KeyError(KEY))
    assert KEY not in repr(withheld.value) + str(withheld.value) and "KeyError" in str(withheld.value)
    assert withheld.value.__cause__ is None and withheld.value.__suppress_context__
    with pytest.raises(KeyError, match=KEY), disclosed():
        fail(KeyError(KEY))
