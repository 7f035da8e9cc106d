"""Tuning: equal trials and costs, on people who are in no report, without retrained models; and the file that it freezes."""

import itertools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from aru.comparison import trials as trials_module
from aru.comparison.cell import figures_of, open_store, run_task
from aru.comparison.choices import REFERENCES, nested, parse_choice, parse_choices
from aru.comparison.draws import Draw, assign, tuning_people
from aru.comparison.spaces import SPACES, Choices, Float, Int, space_of, tunable
from aru.comparison.trials import (
    Outcome,
    Setting,
    base_tasks,
    caps_of,
    missing_base,
    objective,
    run_trial,
    trial_tasks,
)
from aru.comparison.tuning import Trial, best, check_tuned_protocol, curve, frozen, load_tuned, merged, meta_of, write_tuned
from aru.core.config import Config, load_config
from aru.core.errors import InputError, TrainingError
from aru.data.manifest import read_manifest
from aru.methods.registry import METHODS, find
from aru.reporting.comparison.tuning_figures import write_tuning_figures
from flows.experiments.search import Search
from tests.helpers.tuned import CHECKOUT, SETTING, config_of, tune_method

pytest_plugins = ["tests.helpers.tuning_fixtures"]
FACES = load_config(CHECKOUT / "params.yaml", "faces")
DONE = Outcome("done", 0.6, 2.0)


def test_every_method_but_the_references_has_a_space() -> None:
    assert set(SPACES) == set(METHODS) - set(REFERENCES)
    assert all(SPACES.values())


@pytest.mark.parametrize("method", SPACES)
def test_every_corner_of_every_space_is_within_the_methods_limits(method: str) -> None:
    space, sections = SPACES[method], {}
    for name in space:
        sections.setdefault(name.rpartition(".")[0], []).append(name)
    middle = {name: range_.corners[0] for name, range_ in space.items()}
    seen = 0
    for names in sections.values():  # sections check themselves, each on its own
        for corner in itertools.product(*(space[name].corners for name in names)):
            values = middle | dict(zip(names, corner, strict=True))
            parameters = find(method).configure(**nested(values)).model_dump(mode="json")
            assert all(value_at(parameters, name) == value for name, value in values.items())
            seen += 1
    assert seen >= 4


def value_at(values: Any, name: str) -> Any:
    for part in name.split("."):
        values = values[part]
    return values


@pytest.mark.parametrize(
    "range_, inside, outside",
    [
        (Float(0.1, 1.0), [0.1, 0.5, 1], [0.09, 1.1, True, "0.5", None]),
        (Int(1, 3), [1, 3], [0, 4, 1.5, 2.0, False]),
        (Choices(("train", "eval")), ["train"], ["both", None]),
    ],
)
def test_a_range_knows_its_values(range_: Any, inside: list, outside: list) -> None:
    assert all(range_.holds(value) for value in inside)
    assert not any(range_.holds(value) for value in outside)


def test_what_can_be_tuned_is_said() -> None:
    assert tunable("all", FACES) == (list(SPACES), [])
    assert tunable("ssd, aru,ssd", FACES) == (["ssd", "aru"], [])
    for text, said in (("retrain", "nothing to tune"), ("scrubs", "did you mean 'scrub'"), (" ,", "no method")):
        with pytest.raises(InputError, match=said):
            tunable(text, FACES)
    multilabel = FACES.model_copy(update={"data": FACES.data.model_copy(update={"task": "multilabel"})})
    chosen, left_out = tunable("all", multilabel)
    assert "scrub" not in chosen and any(sentence.startswith("scrub is not defined") for sentence in left_out)
    assert set(space_of("aru", FACES)) - set(space_of("aru", multilabel)) == {"finetune.distillation"}


@pytest.mark.parametrize("accuracy, auc, score", [(1.0, 0.5, 1.0), (0.0, 1.0, 0.0), (0.6, 0.6, 0.7), (0.6, 0.4, 0.7)])
def test_objective_by_hand(accuracy: float, auc: float, score: float) -> None:
    figures = {"test/accuracy": accuracy, "mia_matched/auc": auc, "mia/accuracy": 0.99, "nomus": 0.1}
    assert objective(figures) == pytest.approx(score)


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"trials": 0}, "trials"),
        ({"cap": 0.0}, "cap"),
        ({"cap": float("nan")}, "cap"),
        ({"draws": 0}, "draws"),
        ({"seeds": -1}, "seeds"),
        ({"seed": -1}, "seed"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(changes: dict, said: str) -> None:
    with pytest.raises(InputError, match=f"^{said} is"):
        Setting("toy", **changes)


def test_tuning_people_are_in_no_clean_draw(tuning_once: Path) -> None:
    config, manifest = config_of(tuning_once), read_manifest(tuning_once / "work" / "toy" / "prepared" / "manifest.csv")
    apart = set(tuning_people(manifest))
    assert len(apart) == 20
    for number in range(4):
        assert people_in(assign(manifest, Draw("clean", number), config)).isdisjoint(apart)
        used = people_in(assign(manifest, Draw("tuning", number), config))
        assert used <= apart and len(used) > 10


def people_in(manifest: pd.DataFrame) -> set[str]:
    return set(manifest.loc[manifest["role"] != "", "subject"])


def test_only_the_cost_of_retraining_is_read(tuning_project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, work = config_of(tuning_project), tuning_project / "work" / "toy"
    assert missing_base(SETTING, config, work) == []
    original, retrained = base_tasks(SETTING, config, work / "prepared")
    store = open_store(work)
    seconds = store.record(retrained.key)["cpu_seconds"]
    assert seconds > 0 and caps_of(SETTING, config, work) == {Draw("tuning", 0): SETTING.cap * seconds}
    read: list[str] = []
    monkeypatch.setattr(
        trials_module, "figures_of", lambda store, task, sets: read.append(task.key) or figures_of(store, task, sets)
    )
    tasks = trial_tasks(SETTING, config, work / "prepared", "ssd", {}, 0)
    assert run_trial(tasks, caps_of(SETTING, config, work), config, work).state == "done"
    assert read == [tasks[0].key]
    store.drop(retrained.key)
    assert missing_base(SETTING, config, work) == [retrained]
    store.drop(original.key)
    store.write(original.key, {"failed": "the loss is nan"})
    with pytest.raises(TrainingError, match="original.*the loss is nan"):
        missing_base(SETTING, config, work)


def test_a_trial_that_raises_is_a_failed_trial(tuning_project: Path, monkeypatch) -> None:
    config, work = config_of(tuning_project), tuning_project / "work" / "toy"
    caps = {Draw("tuning", 0): 1000.0}

    def lone(*arguments, **options):
        raise ValueError("Expected more than 1 value per channel when training")

    monkeypatch.setattr("aru.comparison.trials.run_task", lone)
    outcome = run_trial(trial_tasks(SETTING, config, work / "prepared", "ssd", {}, 0), caps, config, work)
    assert (outcome.state, outcome.score) == ("failed", None)
    assert outcome.message == "ValueError: Expected more than 1 value per channel when training"

    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("aru.comparison.trials.run_task", full)
    with pytest.raises(OSError):
        run_trial(trial_tasks(SETTING, config, work / "prepared", "ssd", {"alpha": 3.0}, 1), caps, config, work)


def test_a_trial_is_scored_by_its_cells(tuning_project: Path) -> None:
    config, work = config_of(tuning_project), tuning_project / "work" / "toy"
    tasks = trial_tasks(SETTING, config, work / "prepared", "ssd", {"alpha": 2.0}, 1)
    assert [(task.kind, task.draw, task.choice.variant, task.choice.parameters.alpha) for task in tasks] == [
        ("method", Draw("tuning", 0), "trial 1", 2.0)
    ]
    outcome = run_trial(tasks, caps_of(SETTING, config, work), config, work)
    record = open_store(work).record(tasks[0].key)
    assert outcome == Outcome("done", round(objective(figures_of(open_store(work), tasks[0], None)), 6), record["cpu_seconds"])


def test_the_cap_stops_a_method_and_is_remembered(tuning_project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, work = config_of(tuning_project), tuning_project / "work" / "toy"
    tasks = trial_tasks(SETTING, config, work / "prepared", "finetune", {"epochs": 1000}, 1)
    tight = {Draw("tuning", 0): 0.2}
    outcome = run_trial(tasks, tight, config, work)
    assert outcome.state == "over the cap" and outcome.score is None
    assert 0.2 <= outcome.cpu_seconds < 20 and "stopped after 0.2 CPU seconds" in outcome.message
    assert not open_store(work).has(tasks[0].key)  # the results know nothing of caps
    monkeypatch.setattr(trials_module, "run_task", refuse)
    assert run_trial(tasks, tight, config, work) == outcome


def test_a_result_that_cost_more_than_the_cap_has_no_score(tuning_project: Path) -> None:
    config, work = config_of(tuning_project), tuning_project / "work" / "toy"
    tasks = trial_tasks(SETTING, config, work / "prepared", "ssd", {}, 0)
    assert run_trial(tasks, {Draw("tuning", 0): 1e9}, config, work).state == "done"
    assert run_trial(tasks, {Draw("tuning", 0): 1e-9}, config, work).state == "over the cap"


@pytest.mark.parametrize(
    "method, changes, said",
    [("finetune", {"lr": 1e30, "epochs": 3}, "the loss is|not finite"), ("cf-k", {"blocks": 999}, "blocks is 999")],
)
def test_what_diverges_or_is_refused_has_no_score(tuning_project: Path, method: str, changes: dict, said: str) -> None:
    config, work = config_of(tuning_project), tuning_project / "work" / "toy"
    tasks = trial_tasks(SETTING, config, work / "prepared", method, changes, 0)
    outcome = run_trial(tasks, caps_of(SETTING, config, work), config, work)
    assert outcome.state == "failed" and outcome.score is None
    assert pd.Series(outcome.message).str.contains(said).all()
    assert run_trial(tasks, caps_of(SETTING, config, work), config, work) == outcome


def refuse(*arguments: Any, **options: Any) -> None:
    raise AssertionError("this was to be found in the store")


def score_of(number: int, parameters: Mapping[str, Any]) -> Outcome:
    """A made-up outcome that depends on the parameters: best at alpha 10, nothing where lam is large."""
    if parameters.get("lam", 1.0) > 5:
        return Outcome("failed", None, 0.5, "diverged")
    return Outcome("done", round(1 / (1 + abs(parameters.get("alpha", 30.0) - 10)), 6), 1.0 + number)


def test_the_first_trial_is_the_defaults_and_all_others_are_of_the_space() -> None:
    setting = Setting("faces", trials=12)
    for method in ("ssd", "aru", "l1-sparse"):  # inside its space; inside apart from its length; longer than it
        search = Search(method, setting, FACES)
        while not search.done:
            search.ask()
            search.tell(DONE)
        first, second, *rest = search.trials
        defaults = parse_choice(method, FACES).parameters.model_dump(mode="json")
        assert first.parameters == {}
        for trial in (second, *rest):
            assert set(trial.parameters) == set(SPACES[method])
            assert all(SPACES[method][name].holds(value) for name, value in trial.parameters.items())
        kept = {name for name, value in second.parameters.items() if value == value_at(defaults, name)}
        if method == "ssd":
            assert not kept
        else:
            assert set(second.parameters) - kept == {name for name in SPACES[method] if name.endswith("epochs")}
        assert len({str(trial.parameters) for trial in rest}) == len(rest)


def test_search_learns_from_scores() -> None:
    trials = tune_method("ssd", Setting("faces", trials=40), FACES, score_of)
    alphas = [trial.parameters["alpha"] for trial in trials[1:]]
    assert sum(abs(alpha - 10) < 5 for alpha in alphas[-15:]) > 2 * sum(abs(alpha - 10) < 5 for alpha in alphas[:15])


def test_the_same_scores_give_the_same_search_and_a_stopped_one_goes_on() -> None:
    setting = Setting("faces", trials=8)
    whole = tune_method("ssd", setting, FACES, score_of)
    again = tune_method("ssd", setting, FACES, score_of)
    stopped = tune_method("ssd", setting, FACES, score_of, over=iter([False] * 5 + [True]).__next__)
    other = tune_method("ssd", replace(setting, seed=1), FACES, score_of)
    assert whole == again and stopped == whole[:5] and len(whole) == 8
    assert other[2].parameters != whole[2].parameters


def real(config: Config, work: Path, method: str = "ssd") -> Any:
    caps = caps_of(SETTING, config, work)
    return lambda number, parameters: run_trial(
        trial_tasks(SETTING, config, work / "prepared", method, nested(parameters), number), caps, config, work
    )


def test_a_killed_search_finds_its_results_and_ends_as_one_that_was_not(
    tuning_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, work = config_of(tuning_project), tuning_project / "work" / "toy"
    computed: list[str] = []
    monkeypatch.setattr(
        trials_module, "run_task", lambda task, *rest, **options: computed.append(task.key) or run_task(task, *rest, **options)
    )

    def killed(number: int, trial: Trial) -> None:
        if number == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune_method("ssd", SETTING, config, real(config, work), on_trial=killed)
    assert len(computed) == 2
    resumed = tune_method("ssd", SETTING, config, real(config, work))
    assert len(computed) == len(set(computed)) == 3
    monkeypatch.setattr(trials_module, "run_task", refuse)
    assert tune_method("ssd", SETTING, config, real(config, work)) == resumed  # the seconds, too, are of the one time
    first = write(tuning_project / "first.yaml", SETTING, config, work, {"ssd": resumed})
    # Everything but the models is computed anew: the file is the same, apart from what was measured.
    monkeypatch.undo()
    for key in computed:
        open_store(work).drop(key)
    second = write(
        tuning_project / "second.yaml", SETTING, config, work, {"ssd": tune_method("ssd", SETTING, config, real(config, work))}
    )
    assert without_measured(first) == without_measured(second)


def write(path: Path, setting: Setting, config: Config, work: Path, found: dict[str, list[Trial]]) -> Path:
    write_tuned(path, merged(path, frozen(meta_of(setting, config, work), found)))
    return path


def without_measured(path: Path) -> str:
    head, methods = path.read_text().split("measured:\n")
    kept = [line for line in methods.splitlines() if not line.startswith("  ") or "cpu_seconds" not in line]
    return head + "\n".join(kept)


def test_best_and_curve_by_hand() -> None:
    scores = [0.4, None, 0.6, 0.6, 0.5]
    found = [
        Trial({"alpha": float(number)} if number else {}, Outcome("done" if score else "failed", score, 2.0))
        for number, score in enumerate(scores)
    ]
    assert best(found) is found[2]
    assert best(found[1:2]) is None
    rows = curve(found)
    assert [row["best"] for row in rows] == [0.4, 0.4, 0.6, 0.6, 0.6]
    assert [row["spent_cpu_seconds"] for row in rows] == [2.0, 4.0, 6.0, 8.0, 10.0]
    assert rows[2]["parameters"] == {"alpha": 2.0} and rows[1]["state"] == "failed"


META = {"benchmark": "faces", "trials": 3, "cap": 0.25}
TRIALS = {
    "aru": [
        Trial({}, DONE),
        Trial({"mask.ratio": 0.3, "finetune.lr": 0.02}, Outcome("done", 0.7, 3.0)),
        Trial({"mask.ratio": 0.1, "finetune.lr": 0.05}, Outcome("over the cap", None, 1.0)),
    ],
    "ssd": [Trial({}, DONE)] + [Trial({"alpha": 3.0, "lam": 1.0}, Outcome("failed", None, 1.0))] * 2,
    "amun": [Trial({}, Outcome("over the cap", None, 9.0))] * 3,
}


def test_the_frozen_file_is_what_a_comparison_reads(tmp_path: Path) -> None:
    content = frozen(META, TRIALS)
    assert content["methods"]["aru"] == {
        "parameters": {"mask.ratio": 0.3, "finetune.lr": 0.02},
        "score": 0.7,
        "score_of_defaults": 0.6,
        "trials": {"done": 2, "failed": 0, "over the cap": 1},
    }
    assert content["measured"]["aru"] == {"cpu_seconds": 6.0}
    write_tuned(tmp_path / "one.yaml", content)
    write_tuned(tmp_path / "two.yaml", frozen(dict(reversed(META.items())), dict(reversed(TRIALS.items()))))
    assert (tmp_path / "one.yaml").read_bytes() == (tmp_path / "two.yaml").read_bytes()
    tuned = load_tuned(tmp_path / "one.yaml")
    assert tuned == {"aru": {"mask": {"ratio": 0.3}, "finetune": {"lr": 0.02}}, "ssd": {}}  # of amun nothing is known
    choices = {choice.method: choice for choice in parse_choices("aru,ssd", FACES, tuned)}
    assert choices["aru"].variant == "tuned" and choices["aru"].parameters.mask.ratio == 0.3
    assert choices["aru"].parameters.finetune == FACES.finetune.model_copy(update={"lr": 0.02})
    assert choices["ssd"].parameters == parse_choice("ssd", FACES).parameters
    with pytest.raises(InputError, match="aru tune --methods amun"):
        parse_choices("amun", FACES, tuned)


def test_methods_tuned_in_one_setting_come_together_and_others_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "faces.yaml"
    write_tuned(path, merged(path, frozen(META, {"ssd": TRIALS["ssd"]})))
    write_tuned(path, merged(path, frozen(META, {"aru": TRIALS["aru"]})))
    assert yaml.safe_load(path.read_text()) == frozen(META, {name: TRIALS[name] for name in ("aru", "ssd")})
    with pytest.raises(InputError, match="trials 3, not 5.*remove the file"):
        merged(path, frozen(META | {"trials": 5}, {}))


@pytest.mark.parametrize("protocol", ["official", "tuning"])
def test_only_the_clean_protocol_takes_tuned_parameters(protocol: str) -> None:
    check_tuned_protocol("clean")
    with pytest.raises(InputError, match=f"{protocol}.*use protocol clean"):
        check_tuned_protocol(protocol)


@pytest.mark.parametrize(
    "text, said",
    [
        (None, "does not exist"),
        ("a: [", "not YAML"),
        ("[1, 2]", "not a file of tuned parameters"),
        ("{meta: {}, methods: []}", "not a file of tuned parameters"),
        ("{meta: {}, measured: {}, methods: {scrubs: {parameters: {}}}}", "did you mean 'scrub'"),
        ("{meta: {}, measured: {}, methods: {ssd: 3}}", "ssd has no parameters"),
        ("{meta: {}, measured: {}, methods: {ssd: {score: 0.5}}}", "ssd has no parameters"),
        ("{meta: {}, measured: {}, methods: {ssd: {parameters: [alpha]}}}", "ssd has no parameters"),
        ("{meta: {}, measured: {}, methods: {ssd: {parameters: {batch_size: 3}}}}", "batch_size = 3"),
        ("{meta: {}, measured: {}, methods: {ssd: {parameters: {alpha: 0.1}}}}", "alpha = 0.1"),
        ("{meta: {}, measured: {}, methods: {nothing: {parameters: {alpha: 0.1}}}}", "alpha = 0.1"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, text: str | None, said: str) -> None:
    path = tmp_path / "tuned.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=said):
        load_tuned(path)


def test_budget_curves_are_drawn_alike_and_without_any_score(tmp_path: Path) -> None:
    curves = {name: curve(TRIALS[name]) for name in ("aru", "amun")}
    first, second = (write_tuning_figures(tmp_path / name, curves) for name in ("first", "second"))
    assert set(first) == {"trials", "seconds"}
    assert all(first[name].read_bytes() == second[name].read_bytes() for name in first)
    assert first["trials"].read_bytes() != first["seconds"].read_bytes()
    assert write_tuning_figures(tmp_path / "bare", {"amun": curves["amun"]})["trials"].is_file()
    assert write_tuning_figures(tmp_path / "none", {}) == {}
