"""The file of frozen parameters, and the curves."""

from pathlib import Path

import pytest
import yaml

from aru.comparison.choices import Tuned, parse_choice, parse_choices
from aru.comparison.command import command
from aru.comparison.trials import Outcome
from aru.comparison.tuning import (
    Trial,
    best,
    check_tuned_protocol,
    curve,
    frozen,
    load_tuned,
    merged,
    meta_of,
    tuned_file,
    tuned_parameters,
    write_tuned,
)
from aru.core.config import load_config
from aru.core.errors import InputError
from aru.data.manifest import read_manifest
from tests.helpers.tuned import CHECKOUT, DONE, SETTING, TRIALS, config_of

pytest_plugins = ["tests.helpers.tuning_fixtures"]


FACES = load_config(CHECKOUT / "params.yaml", "faces")


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
    # of amun nothing is known
    assert tuned == Tuned("tuned", {"aru": {"mask": {"ratio": 0.3}, "finetune": {"lr": 0.02}}, "ssd": {}})
    choices = {choice.method: choice for choice in parse_choices("aru,ssd", FACES, tuned)}
    assert choices["aru"].variant == "tuned" and choices["aru"].parameters.mask.ratio == 0.3
    assert choices["aru"].parameters.finetune == FACES.finetune.model_copy(update={"lr": 0.02})
    assert choices["ssd"].parameters == parse_choice("ssd", FACES).parameters
    with pytest.raises(InputError, match="aru tune --methods amun"):
        parse_choices("amun", FACES, tuned)


def test_a_published_setting_or_the_defaults_of_then_can_be_what_is_frozen(tmp_path: Path) -> None:
    path = tmp_path / "tuned.yaml"
    scrub, salun = "scrub: {parameters: {preset: paper}}", "salun: {base: {augment: false}, parameters: {lr: 0.05}}"
    path.write_text(f"{{meta: {{}}, measured: {{}}, methods: {{{scrub}, {salun}}}}}")
    tuned = load_tuned(path)
    assert parse_choice("scrub", FACES, tuned).parameters == parse_choice("scrub:paper", FACES).parameters
    assert parse_choice("salun", FACES, tuned).parameters == parse_choice("salun{lr=0.05,augment=false}", FACES).parameters


def test_within_the_cap_a_dearer_published_setting_is_not_the_best(tmp_path: Path) -> None:
    dear = Trial({"preset": "paper"}, Outcome("done", 0.9, 8.0))
    found = {"aru": TRIALS["aru"], "scrub": [Trial({}, DONE), dear], "amun": [dear], "ssd": TRIALS["ssd"]}
    content = frozen(META, found, affordable=3.0)
    assert "capped" not in content["methods"]["aru"] and "capped" not in content["methods"]["ssd"]  # 3 seconds, 2 seconds
    assert content["methods"]["scrub"]["parameters"] == {"preset": "paper"}
    assert content["methods"]["scrub"]["capped"] == {"parameters": {}, "score": 0.6}
    assert content["methods"]["amun"]["capped"] == {"parameters": None, "score": None}
    path = tmp_path / "tuned.yaml"
    write_tuned(path, content)
    capped, tuned = load_tuned(path, "capped"), load_tuned(path)
    assert capped == Tuned("capped", {"aru": tuned.parameters["aru"], "scrub": {}, "ssd": {}})
    assert set(tuned.parameters) == {"aru", "scrub", "amun", "ssd"}
    choice = parse_choice("scrub", FACES, capped)
    assert choice.variant == "capped" and choice.parameters == parse_choice("scrub", FACES).parameters
    record = {"benchmark": "faces", "method": "scrub", "variant": "capped", "protocol": "clean", "train_seed": 0, "draw": 0}
    assert command([record]).endswith("--methods scrub --protocol clean --seeds 1 --draws 1 --parameters capped")


def test_methods_tuned_in_one_setting_come_together_and_others_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "faces.yaml"
    write_tuned(path, merged(path, frozen(META, {"ssd": TRIALS["ssd"]})))
    write_tuned(path, merged(path, frozen(META, {"aru": TRIALS["aru"]})))
    assert yaml.safe_load(path.read_text()) == frozen(META, {name: TRIALS[name] for name in ("aru", "ssd")})
    with pytest.raises(InputError, match="trials 3, not 5.*move the file away"):
        merged(path, frozen(META | {"trials": 5}, {}))


def test_parameters_are_read_only_where_what_they_were_tuned_for_is_still_so(tuning_project: Path) -> None:
    config, work = config_of(tuning_project), tuning_project / "work" / "toy"
    path = tuned_file(tuning_project, "toy", config)
    write_tuned(path, frozen(meta_of(SETTING, config, work), TRIALS))
    assert path.parent == tuning_project / "tuned" and path.name.startswith("toy-") and path.name.endswith("-24px.yaml")
    assert tuned_parameters(tuning_project, "toy", config, work) == load_tuned(path) != Tuned("tuned", {})
    longer = config.model_copy(update={"train": config.train.model_copy(update={"epochs": 7})})
    with pytest.raises(InputError, match=r"tuned for train.epochs 1, not 7: `aru tune`"):
        tuned_parameters(tuning_project, "toy", longer, work)
    started = config.model_copy(update={"model": config.model.model_copy(update={"init": "first.safetensors"})})
    with pytest.raises(InputError, match=r"tuned for network.init None, not 'first.safetensors'"):
        tuned_parameters(tuning_project, "toy", started, work)
    write_tuned(path, frozen(meta_of(SETTING, started, work), TRIALS))
    assert tuned_parameters(tuning_project, "toy", started, work) == load_tuned(path)
    with pytest.raises(InputError, match=r"tuned for network.init 'first.safetensors', not None"):
        tuned_parameters(tuning_project, "toy", config, work)
    write_tuned(path, frozen(meta_of(SETTING, config, work), TRIALS))
    larger = config.model_copy(update={"data": config.data.model_copy(update={"resolution": 48})})
    assert tuned_file(tuning_project, "toy", larger) != path
    with pytest.raises(InputError, match=rf"48px.yaml does not exist: `aru tune` writes it \(others there: {path.name}\)"):
        tuned_parameters(tuning_project, "toy", larger, work)
    manifest = work / "prepared" / "manifest.csv"
    rows = read_manifest(manifest)
    rows["subject"] += "-newly-imported"
    rows.to_csv(manifest, index=False)
    with pytest.raises(InputError, match="tuned for people '[0-9a-f]{32}', not '[0-9a-f]{32}'"):
        tuned_parameters(tuning_project, "toy", config, work)


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
        ("{meta: {}, measured: {}, methods: {ssd: {parameters: {preset: papr}}}}", "preset = 'papr'"),
        ("{meta: {}, measured: {}, methods: {ssd: {base: 3, parameters: {}}}}", "base of ssd is 3"),
        ("{meta: {}, measured: {}, methods: {ssd: {base: {alhpa: 3}, parameters: {}}}}", "did you mean 'alpha'"),
        ("{meta: {}, measured: {}, methods: {nothing: {parameters: {alpha: 0.1}}}}", "alpha = 0.1"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, text: str | None, said: str) -> None:
    path = tmp_path / "tuned.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=said):
        load_tuned(path)
