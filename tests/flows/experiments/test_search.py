"""The search: seeded, resumable, and it learns from scores."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aru.comparison import trials as trials_module
from aru.comparison.cell import open_store, run_task
from aru.comparison.choices import nested, parse_choice
from aru.comparison.spaces import SPACES, published
from aru.comparison.trials import (
    Outcome,
    Setting,
    caps_of,
    run_trial,
    trial_tasks,
)
from aru.comparison.tuning import Trial, frozen, merged, meta_of, write_tuned
from aru.core.config import Config, load_config
from flows.experiments.search import Search
from tests.helpers.tuned import CHECKOUT, SETTING, config_of, tune_method

pytest_plugins = ["tests.helpers.tuning_fixtures"]


FACES = load_config(CHECKOUT / "params.yaml", "faces")


DONE = Outcome("done", 0.6, 2.0)


def value_at(values: Any, name: str) -> Any:
    for part in name.split("."):
        values = values[part]
    return values


def refuse(*arguments: Any, **options: Any) -> None:
    raise AssertionError("this was to be found in the store")


def score_of(number: int, parameters: Mapping[str, Any]) -> Outcome:
    """A made-up outcome that depends on the parameters: best at alpha 10, nothing where lam is large."""
    if parameters.get("lam", 1.0) > 5:
        return Outcome("failed", None, 0.5, "diverged")
    return Outcome("done", round(1 / (1 + abs(parameters.get("alpha", 30.0) - 10)), 6), 1.0 + number)


def test_the_first_trials_are_the_published_settings_and_all_others_are_of_the_space() -> None:
    setting = Setting("faces", trials=12)
    for method in ("ssd", "aru", "l1-sparse"):  # inside its space; inside apart from its length; longer than it
        search = Search(method, setting, FACES)
        while not search.done:
            search.ask()
            search.tell(DONE)
        known = published(method, FACES)
        second, *rest = search.trials[len(known) :]
        defaults = parse_choice(method, FACES).parameters.model_dump(mode="json")
        assert [trial.parameters for trial in search.trials[: len(known)]] == known and known[0] == {}
        for trial in (second, *rest):
            assert set(trial.parameters) == set(SPACES[method])
            assert all(SPACES[method][name].holds(value) for name, value in trial.parameters.items())
        kept = {name for name, value in second.parameters.items() if value == value_at(defaults, name)}
        if method == "ssd":
            assert kept <= {"selection"}  # of two values; the numbers are drawn
        else:
            assert set(second.parameters) - kept == {name for name in SPACES[method] if name.endswith("epochs")}
        assert len({str(trial.parameters) for trial in rest}) == len(rest)


def test_a_search_has_all_published_settings_however_few_its_trials() -> None:
    search = Search("scrub", Setting("faces", trials=1), FACES)
    capped = []
    while not search.done:
        capped.append(not search.at_published)
        search.ask()
        search.tell(DONE)
    assert capped == [False] * 5 and [trial.parameters.get("preset") for trial in search.trials][1:] == [
        "paper",
        "rewind",
        "scrubv2",
        "deepunlearn",
    ]


def test_search_learns_from_scores() -> None:
    trials = tune_method("ssd", Setting("faces", trials=40), FACES, score_of)
    scores = [trial.outcome.score or 0.0 for trial in trials[2:]]
    assert sum(scores[-15:]) > 1.5 * sum(scores[:15])


def test_the_same_scores_give_the_same_search_and_a_stopped_one_goes_on() -> None:
    setting = Setting("faces", trials=8)
    whole = tune_method("ssd", setting, FACES, score_of)
    again = tune_method("ssd", setting, FACES, score_of)
    stopped = tune_method("ssd", setting, FACES, score_of, over=iter([False] * 5 + [True]).__next__)
    other = tune_method("ssd", replace(setting, seed=1), FACES, score_of)
    assert whole == again and stopped == whole[:5] and len(whole) == 8
    assert other[3].parameters != whole[3].parameters


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
