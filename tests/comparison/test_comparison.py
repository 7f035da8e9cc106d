"""Comparisons: who is in which draw, what a key stands for, what is computed, kept, found again and said to fail."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import torch

from aru.__main__ import main
from aru.comparison.ablation import ABLATION
from aru.comparison.cell import open_store, run_task
from aru.comparison.choices import parse_choice, parse_choices
from aru.comparison.collect import records_of
from aru.comparison.conclusions import compare
from aru.comparison.draws import Draw, assign, draws_of, load_draw, tuning_people
from aru.comparison.estimate import estimate_seconds, passes
from aru.comparison.keys import original_key
from aru.comparison.local_runs import run_tasks
from aru.comparison.plan import Plan, Task, expected_key, make_plan
from aru.comparison.store import Store
from aru.compute.device import make_compute
from aru.core.config import Config
from aru.core.errors import InputError, TrainingError
from aru.core.source_code import code_digest
from aru.data.manifest import read_manifest
from aru.methods.aru.presets import PRESETS
from aru.methods.registry import CONTROLS, METHODS, find
from aru.metrics.summary import model_figures, rounded
from aru.nets.models import load_model
from aru.reporting.comparison.notes import notes
from aru.stages.runner import run as run_stage
from aru.train.checkpoint import Checkpoint
from aru.train.loop import predict
from tests.helpers.toys import same_weights
from tests.helpers.tuned import config_of

pytest_plugins = ["tests.helpers.tuning_fixtures"]


@pytest.fixture
def manifest(tuning_once: Path) -> pd.DataFrame:
    return read_manifest(tuning_once / "work" / "toy" / "prepared" / "manifest.csv")


@pytest.fixture
def config(tuning_once: Path) -> Config:
    return config_of(tuning_once)


def plan_of(root: Path, methods: str, *, seeds: int = 1, protocol: str = "official", **options) -> Plan:
    config = config_of(root)
    return make_plan(
        "toy",
        config,
        root / "work" / "toy" / "prepared",
        parse_choices(methods, config),
        draws_of(protocol, 1),
        seeds=seeds,
        compute=make_compute(config.runtime),
        **options,
    )


def compute_all(root: Path, plan: Plan) -> None:
    for task in plan.tasks:
        run_task(task, config_of(root), root / "work" / "toy")


# Draws


@pytest.mark.parametrize("number", [0, 1, 5])
def test_a_clean_draw_has_none_of_the_tuning_people_and_each_person_and_photo_once(manifest, config, number):
    roles = assign(manifest, Draw("clean", number), config)
    used = roles[roles["role"] != ""]
    assert not set(used["subject"]) & set(tuning_people(manifest))
    assert (used.groupby("subject")["role"].nunique() == 1).all() and used["photo"].is_unique
    people = used[used["role"].isin(["forget", "retain"])].groupby("role")["subject"].nunique()
    assert people["forget"] == round(0.15 * people.sum())


def test_a_tuning_draw_is_made_of_tuning_people_alone_some_of_whom_are_never_trained_on(manifest, config):
    used = assign(manifest, Draw("tuning"), config).query("role != ''")
    assert set(used["subject"]) <= set(tuning_people(manifest))
    assert set(used["role"]) == {"forget", "retain", "test", "unseen"}
    assert (used.groupby("subject")["role"].nunique() == 1).all()


def test_the_official_draw_is_the_benchmarks_own_and_there_is_one(manifest, config):
    pd.testing.assert_frame_equal(assign(manifest, Draw("official"), config), manifest)
    assert draws_of("official", 3) == [Draw("official", 0)] and len(draws_of("clean", 3)) == 3


def test_other_draws_forget_others_but_train_on_the_same_so_that_they_share_an_original(manifest, config):
    one, other = (assign(manifest, Draw("clean", number), config) for number in (0, 1))
    trained = [set(roles.loc[roles["role"].isin(["forget", "retain"]), "row"]) for roles in (one, other)]
    forgotten = [set(roles.loc[roles["role"] == "forget", "subject"]) for roles in (one, other)]
    assert trained[0] == trained[1] and forgotten[0] != forgotten[1]


@pytest.mark.parametrize("bad", [("private", 1), ("clean", 0)])
def test_unknown_protocols_and_no_draws_are_refused(bad):
    with pytest.raises(InputError):
        draws_of(*bad)


def test_too_few_people_to_set_some_aside_are_counted(manifest):
    few = manifest[manifest["subject"].isin(sorted(manifest["subject"].unique())[:20])]
    with pytest.raises(InputError, match="at least 10 are needed"):
        tuning_people(few)


# Choices


def test_all_is_every_method_with_both_references_first(config):
    names = [choice.method for choice in parse_choices("all", config)]
    assert names[:2] == ["nothing", "retrain"] and set(names) == set(METHODS) and len(names) == len(set(names))
    assert {choice.method for choice in parse_choices("controls", config)} == {*CONTROLS, "nothing", "retrain"}


def test_retraining_takes_the_benchmarks_recipe_and_aru_its_sections(config):
    assert parse_choice("retrain", config).parameters.model_dump() == config.train.model_dump()
    ours = parse_choice("aru", config).parameters
    assert (ours.attack, ours.mask, ours.reset, ours.finetune) == (config.attack, config.mask, config.reset, config.finetune)


def test_presets_and_changes_are_laid_over_the_section(config):
    choice = parse_choice("aru:vitmul{mask.ratio=0.3,finetune.epochs=2}", config)
    assert choice.variant == "vitmul:mask.ratio=0.3,finetune.epochs=2"
    assert (choice.parameters.mask.unit, choice.parameters.mask.ratio) == (PRESETS["vitmul"]["mask"]["unit"], 0.3)
    assert choice.parameters.finetune.epochs == 2 and choice.parameters.finetune.lr == 1e-3
    assert parse_choice("scrub:deepunlearn", config).parameters == find("scrub").configure("deepunlearn")


def test_every_entry_of_the_ablation_is_valid_and_different(config):
    variants = [choice.variant for choice in parse_choices("ablation", config)[2:]]
    assert len(variants) == len(set(variants)) == len(ABLATION)


@pytest.mark.parametrize(
    "text, message",
    [
        ("scrup", "did you mean 'scrub'"),
        ("scrub:paper", "no preset 'paper'"),
        ("aru:none", "no preset 'none'"),
        ("aru{mask.rato=0.3}", "unknown parameter"),
        ("aru{mask.ratio=3}", "less than or equal to 1"),
        ("aru{mask.ratio}", "has no '='"),
        ("aru{mask.ratio=0.3", "closing brace"),
        ("", "no method is named"),
    ],
)
def test_choices_that_cannot_be_are_named(config, text, message):
    with pytest.raises(InputError, match=message):
        parse_choices(text, config)


def test_tuned_parameters_are_taken_by_plain_names_and_missing_ones_named(config):
    choices = parse_choices("ssd", config, {"ssd": {"alpha": 3.0}})
    assert [(choice.method, choice.variant) for choice in choices][2:] == [("ssd", "tuned")]
    assert choices[2].parameters.alpha == 3.0
    with pytest.raises(InputError, match="no tuned parameters of 'scrub'"):
        parse_choices("scrub", config, {"ssd": {"alpha": 3.0}})


# Keys


def test_a_key_stands_for_data_parameters_seed_and_code(tuning_once, config, monkeypatch):
    _, _, sets = load_draw(tuning_once / "work" / "toy" / "prepared", Draw("official"), config)
    compute = make_compute(config.runtime)
    key = original_key(config, 0, sets, compute)
    assert key == original_key(config, 0, dict(sets), compute)
    longer = config.model_copy(update={"train": config.train.model_copy(update={"epochs": 2})})
    others = [
        original_key(config, 1, sets, compute),
        original_key(longer, 0, sets, compute),
        original_key(config, 0, sets | {"train": "other"}, compute),
    ]
    monkeypatch.setattr("aru.compute.keys.code_digest", lambda module: "edited")
    assert len({key, *others, original_key(config, 0, sets, compute)}) == 5


def test_code_counts_but_comments_docstrings_and_layout_do_not(tmp_path):
    def digest(name: str, source: str) -> str:
        root = tmp_path / name
        (root / "aru").mkdir(parents=True)
        (root / "aru" / "thing.py").write_text(source)
        return code_digest("aru.thing", root)

    plain = digest("plain", "def f(x):\n    return x + 1\n")
    said = '"""A module."""\n\n\ndef f(x):  # adds\n    """Add one."""\n    return (x +\n            1)\n'
    assert plain == digest("commented", said)
    assert plain != digest("changed", "def f(x):\n    return x + 2\n")


# Computing


def test_cells_are_the_stages_own_models_and_found_again(tuning_project, monkeypatch):
    work = tuning_project / "work" / "toy"
    plan = plan_of(tuning_project, "ssd,aru")
    compute_all(tuning_project, plan)
    store = open_store(work)
    for stage, which, kind in (("train", "original", "original"), ("retrain", "retrained", "retrained")):
        run_stage(stage, "toy", root=tuning_project)
        key = next(task.key for task in plan.tasks if task.kind == kind)
        assert same_weights(load_model(work / which / "model.safetensors"), store.model(key))
    assert plan.missing(store) == []
    monkeypatch.setattr("aru.comparison.cell.fit_from_scratch", None)
    compute_all(tuning_project, plan)  # nothing is trained again


def test_records_hold_the_figures_of_the_kept_logits_and_what_it_cost(tuning_project, config):
    plan = plan_of(tuning_project, "finetune", keep_weights=True)
    compute_all(tuning_project, plan)
    work = tuning_project / "work" / "toy"
    records = {record["method"]: record for record in records_of(plan.cells, config, work)}
    assert set(records) == {"nothing", "retrain", "finetune"}
    sets, _, _ = load_draw(work / "prepared", Draw("official"), config)
    task = next(task for task in plan.cells if task.choice.method == "finetune")
    model = open_store(work).model(task.key)
    logits = {name: predict(model, getattr(sets, name), compute=make_compute(config.runtime)) for name in vars(sets)}
    wanted = rounded(model_figures(logits, {name: getattr(sets, name).targets for name in vars(sets)}))
    assert records["finetune"]["figures"] == wanted
    assert records["finetune"]["cpu_seconds"] > 0 and records["finetune"]["counts"]["forget"] == 24
    assert records["finetune"]["reference"]["null/forgetting_score_p95"] > 0


def test_weights_asked_for_later_are_computed_then(tuning_project):
    compute_all(tuning_project, plan_of(tuning_project, "ssd"))
    store, kept = open_store(tuning_project / "work" / "toy"), plan_of(tuning_project, "ssd", keep_weights=True)
    assert [task.choice.method for task in kept.missing(store)] == ["nothing", "ssd"]
    before = store.logits(kept.cells[-1].key)
    compute_all(tuning_project, kept)
    assert kept.missing(store) == [] and all(
        torch.equal(before[name], part) for name, part in store.logits(kept.cells[-1].key).items()
    )


def test_a_method_that_does_not_converge_is_a_result_and_is_not_tried_again(tuning_project, config):
    plan = plan_of(tuning_project, "neggrad{lr=1e30,epochs=3}")
    compute_all(tuning_project, plan)
    work = tuning_project / "work" / "toy"
    record = next(record for record in records_of(plan.cells, config, work) if record["method"] == "neggrad")
    assert "figures" not in record and record["failed"]
    assert plan.missing(open_store(work)) == []


def test_unlearning_seeds_differ_and_deterministic_methods_run_once(tuning_project):
    plan = plan_of(tuning_project, "aru,ssd", unlearn_seeds=3)
    seeds = {name: [task.seed for task in plan.cells if task.choice.method == name] for name in ("aru", "ssd", "nothing")}
    assert seeds == {"aru": [0, 1000, 2000], "ssd": [0], "nothing": [0]}
    assert len({task.key for task in plan.tasks}) == len(plan.tasks)


def test_a_stopped_pool_says_what_is_left_and_goes_on_from_there(tuning_project, config):
    plan, work = plan_of(tuning_project, "ssd"), tuning_project / "work" / "toy"
    left = run_tasks(plan.missing(open_store(work)), config, work, workers=1, budget_seconds=0.0)
    assert len(left) == len(plan.tasks)
    begun: list[Task] = []
    assert run_tasks(plan.missing(open_store(work)), config, work, workers=2, done=lambda task, *_: begun.append(task)) == []
    assert len(begun) == len(plan.tasks) and plan.missing(open_store(work)) == []


def test_the_model_of_a_method_is_not_the_originals(tuning_project):
    plan = plan_of(tuning_project, "finetune", keep_weights=True)
    compute_all(tuning_project, plan)
    store = open_store(tuning_project / "work" / "toy")
    original = next(task.key for task in plan.tasks if task.kind == "original")
    unlearned = next(task.key for task in plan.tasks if task.choice and task.choice.method == "finetune")
    assert not same_weights(store.model(original), store.model(unlearned))


def test_multi_label_tasks_leave_methods_of_one_softmax_out(config):
    from aru.comparison.plan import _fitting

    labels = config.model_copy(update={"data": config.data.model_copy(update={"task": "multilabel"})})
    chosen, left_out = _fitting(parse_choices("scrub,finetune", config), labels)
    assert "scrub" not in {choice.method for choice in chosen} and left_out == [
        "scrub is not defined for the multi-label task and is left out"
    ]


# Estimates


def test_estimates_count_passes_and_learn_from_what_was_measured(tuning_project, config):
    work = tuning_project / "work" / "toy"
    plan = plan_of(tuning_project, "finetune")
    sets, _, _ = load_draw(work / "prepared", Draw("official"), config)
    by_kind = {task.choice.method if task.choice else "original": task for task in plan.tasks}
    assert passes(by_kind["original"], config, sets) == len(sets.train) * config.train.epochs
    assert passes(by_kind["finetune"], config, sets) == 3 * len(sets.retain)  # two epochs, and one for the rest
    compute_all(tuning_project, plan)
    store = open_store(work)
    found = estimate_seconds(plan.tasks, config, work, store, make_compute(config.runtime))
    key = by_kind["finetune"].key
    assert found[key] == pytest.approx(store.record(key)["seconds"])


def test_a_resumed_retraining_is_billed_for_all_its_parts(tuning_project, config, monkeypatch):
    plan, work = plan_of(tuning_project, "ssd"), tuning_project / "work" / "toy"
    begun = next(task for task in plan.tasks if task.kind == "retrained")
    monkeypatch.setattr("aru.comparison.cell.Checkpoint", partial(Checkpoint, every_seconds=0))
    longer = replace(begun, choice=replace(begun.choice, parameters=config.train.model_copy(update={"epochs": 2})))
    _, _, sets = load_draw(work / "prepared", begun.draw, config)
    longer = replace(longer, key=expected_key(longer, config, sets, make_compute(config.runtime)))

    def interrupt(done, total, text):
        if "epoch 2" in text:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_task(longer, config, work, progress=interrupt)
    left = work / "comparison" / "checkpoints" / f"{longer.key}.pt"
    content = torch.load(left, weights_only=True)
    assert content["spent"]["seconds"] > 0 and content["spent"]["cpu_seconds"] > 0
    torch.save(content | {"spent": {"seconds": 500.0, "cpu_seconds": 400.0}}, left)
    run_task(longer, config, work)
    record = open_store(work).record(longer.key)
    assert 500 < record["seconds"] < 530 and 400 < record["cpu_seconds"] < 430 and "resumed" not in record
    assert not left.exists()


def test_a_cell_whose_result_cannot_be_kept_keeps_its_checkpoint(tuning_project, config, monkeypatch):
    plan, work = plan_of(tuning_project, "ssd"), tuning_project / "work" / "toy"
    retrained = next(task for task in plan.tasks if task.kind == "retrained")
    left = work / "comparison" / "checkpoints" / f"{retrained.key}.pt"
    left.parent.mkdir()
    torch.save({"key": "of other inputs"}, left)

    def full(*args, **options):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError):
        patch.setattr(Store, "write", full)
        run_task(retrained, config, work)
    assert left.exists()
    run_task(retrained, config, work)
    assert not left.exists()


def test_cells_of_a_diverged_original_are_marked_with_its_reason(tuning_project, config):
    plan, work = plan_of(tuning_project, "ssd"), tuning_project / "work" / "toy"
    store, original = open_store(work), next(task for task in plan.tasks if task.kind == "original")
    for task in plan.tasks:
        if task.kind != "retrained":
            store.drop(task.key)
    store.write(original.key, {"key": original.key, "kind": "original", "failed": "train.lr is too high"})
    assert original not in plan.missing(store)
    compute_all(tuning_project, plan)
    assert plan.missing(store) == [], "nothing is tried again"
    records = {record["method"]: record for record in records_of(plan.cells, config, work)}
    assert set(records) == {"nothing", "retrain", "ssd"} and "failed" not in records["retrain"]
    for name in ("nothing", "ssd"):
        assert records[name]["failed"] == "its original model diverged: train.lr is too high"
    (found,) = compare(list(records.values()))
    assert any("its original model diverged: train.lr is too high" in sentence for sentence in notes(found))


def test_a_method_that_refuses_its_sets_is_a_failed_cell(tuning_project, config, monkeypatch):
    def refuse(*arguments, **options):
        raise InputError("no square kernel to transpose")

    plan, work = plan_of(tuning_project, "ct"), tuning_project / "work" / "toy"
    run_task(next(task for task in plan.tasks if task.kind == "original"), config, work)
    monkeypatch.setattr("aru.comparison.cell.find", lambda name: SimpleNamespace(function=refuse))
    task = next(task for task in plan.tasks if task.choice and task.choice.method == "ct")
    run_task(task, config, work)
    assert open_store(work).record(task.key)["failed"] == "no square kernel to transpose"


def test_a_task_that_other_code_planned_is_refused(tuning_project, config, monkeypatch):
    plan, work = plan_of(tuning_project, "ssd"), tuning_project / "work" / "toy"
    monkeypatch.setattr("aru.compute.keys.code_digest", lambda module: "edited")
    with pytest.raises(InputError, match="retrain, official draw 0, seed 0: code, parameters or data have changed"):
        run_task(next(task for task in plan.tasks if task.kind == "retrained"), config, work)


def test_what_a_kill_left_half_written_is_no_result(tmp_path):
    store = Store(tmp_path)
    store.write("ab" * 16, {"kind": "method"})
    half = tmp_path / "ab" / ".abcd.17.tmp"
    half.mkdir()
    (half / "record.json").write_text("{}")
    assert list(store.keys()) == ["ab" * 16]


# The runner without servers


def test_the_runner_computes_and_refuses(tuning_project, monkeypatch, capsys):
    monkeypatch.chdir(tuning_project)
    assert main(["compare", "toy", "--methods", "ssd", "--workers", "1"]) == 0
    assert "complete" in capsys.readouterr().out
    assert main(["compare", "toy", "--methods", "ssd"]) == 0 and "0 to compute" in capsys.readouterr().out
    assert main(["compare", "toy", "--methods", "sdd"]) == 2 and "did you mean 'ssd'" in capsys.readouterr().err


def test_errors_that_are_no_result_stop_the_work(tuning_project, monkeypatch):
    def broken(*arguments, **options):
        raise InputError("the forget set has one image")

    plan = plan_of(tuning_project, "ssd")
    monkeypatch.setattr("aru.comparison.cell._method", broken)
    with pytest.raises(InputError, match="one image"):
        compute_all(tuning_project, plan)
    assert not issubclass(InputError, TrainingError)
