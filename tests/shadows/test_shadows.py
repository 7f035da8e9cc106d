"""The shadow pool: halves of the people, keyed entries that are topped up, dropped and resumed, and requests to it."""

import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from aru.__main__ import main
from aru.comparison.choices import Choice, parse_choice
from aru.comparison.draws import Draw, tuning_people
from aru.compute.device import make_compute
from aru.core.config import Config, load_config
from aru.core.errors import InputError, TrainingError
from aru.core.progress import Progress, silent
from aru.data.manifest import write_manifest
from aru.methods.registry import find
from aru.metrics.membership.signals import logit_confidence
from aru.shadows import pool
from aru.shadows.build import Asked, Build
from aru.shadows.halves import halves
from aru.shadows.pool import Shadow, drop_weights, logits_of, open_pool, shadows_of, train_shadow
from aru.shadows.population import load_population, manifest_of
from aru.shadows.status import models_there, status, to_build
from aru.shadows.unlearn_requests import load_request, sets_of_shadow
from aru.shadows.unlearned import answers, open_answers, pending, unlearn_shadow
from aru.stages.runner import run
from aru.train.checkpoint import Checkpoint
from aru.train.loop import predict
from tests.helpers.archives import mufac_members, write_zip

CHECKOUT = Path(__file__).resolve().parents[2]
PERSON = "F0001/D"
SMALL: dict[str, dict[str, Any]] = {
    "model": {"name": "shufflenet_v2_x0_5"},
    "data": {"resolution": 64, "forget": {"subjects": [PERSON]}, "merge": {"same": [[PERSON, "F0002/D"]]}},
    "train": {"epochs": 2, "batch_size": 16, "lr": 0.01, "schedule": "constant"},
    "runtime": {"precision": "fp32"},
    "finetune": {"epochs": 1, "batch_size": 16},
}


def archive_members() -> dict[str, bytes]:
    """An archive in which a photo is filed twice under one person, and F0001/D shares a photo with F0002/D.

    One of two photos makes them suspects only; that they are one person, the parameters say.
    """
    members = mufac_members(families=30, photos=2)
    table = members["custom_train_dataset.csv"].decode()
    first = next(name for name in members if "F0001_AGE_D" in name)
    age = Path(first).stem[-2]
    for family in ("F0001", "F0002"):
        name = f"{family}_AGE_D_18_{age}9.jpg"
        members[f"train_images/{name}"] = members[first]
        table += f"{family},D,{age},{name}\n"
    return members | {"custom_train_dataset.csv": table.encode()}


def write_params(root: Path, changes: dict[str, dict[str, Any]]) -> Config:
    section = yaml.safe_load((CHECKOUT / "params.yaml").read_text())["faces"]
    for name in {*SMALL, *changes}:
        section[name] |= SMALL.get(name, {}) | changes.get(name, {})
    (root / "params.yaml").write_text(yaml.safe_dump({"benchmarks": {"small": "data/small.zip"}, "small": section}))
    return load_config(root / "params.yaml", "small")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder in which images are prepared; never changed by a test."""
    root = tmp_path_factory.mktemp("prepared")
    write_zip(root / "data" / "small.zip", archive_members())
    write_params(root, {})
    run("prepare", "small", root=root)
    return root


@pytest.fixture(scope="module")
def built(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder with two shadows of the official protocol; never changed by a test."""
    root = tmp_path_factory.mktemp("built") / "project"
    shutil.copytree(prepared, root)
    build(root, 2)
    return root


@pytest.fixture
def root(built: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    return Path(shutil.copytree(built, tmp_path / "project"))


def plan(root: Path, models: int, protocol: str = "official", config: Config | None = None) -> list[Shadow]:
    config = config or load_config(root / "params.yaml", "small")
    population = load_population(root / "work" / "small" / "prepared", protocol, config)
    return shadows_of(population, config, make_compute(config.runtime), models)


def build(root: Path, models: int) -> list[Shadow]:
    shadows, config = plan(root, models), load_config(root / "params.yaml", "small")
    for shadow in to_build(states(root, shadows)):
        train_shadow(shadow, config, root / "work" / "small")
    return shadows


def states(root: Path, shadows: list[Shadow]) -> list:
    config = load_config(root / "params.yaml", "small")
    population = load_population(root / "work" / "small" / "prepared", shadows[0].protocol, config)
    return status(shadows, store_of(root), population.scored)


def store_of(root: Path) -> Any:
    return open_pool(root / "work" / "small")


def contents(root: Path, shadow: Shadow) -> dict[str, bytes]:
    """What an entry's files say; the record, which has times in it, apart."""
    folder = store_of(root).at(shadow.key)
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "record.json"}


# Halves


@pytest.mark.parametrize("people, classes, models", [(4, 1, 2), (7, 2, 6), (40, 5, 16), (239, 8, 32), (9, 9, 8)])
def test_everyone_is_in_half_of_every_even_prefix_and_classes_are_halved(people, classes, models):
    strata = np.random.default_rng(people).integers(classes, size=people).astype(str)
    sides = halves(strata, models)
    assert sides.shape == (models, people) and sides.dtype == bool
    for prefix in range(2, models + 1, 2):
        assert (sides[:prefix].sum(axis=0) == prefix // 2).all()
        assert (halves(strata, prefix) == sides[:prefix]).all()
    assert (abs(2 * sides.sum(axis=1) - people) <= 1).all()
    for stratum in set(strata):
        inside = strata == stratum
        assert (abs(2 * sides[:, inside].sum(axis=1) - inside.sum()) <= 2).all()


def test_pairs_of_models_are_drawn_apart_and_people_go_their_own_ways():
    sides = halves(["a"] * 40, 200)[::2]
    together = (sides.T[:, None] == sides.T[None]).mean(axis=2)[np.triu_indices(40, 1)]
    assert len({side.tobytes() for side in sides}) == 100
    assert abs(together.mean() - 0.5) < 0.02 and together.max() < 0.75 and together.min() > 0.25


@pytest.mark.parametrize("people, models, message", [(9, 7, "7 shadow models"), (9, 0, "0 shadow models"), (3, 2, "3 people")])
def test_what_cannot_be_halved_is_refused(people, models, message):
    with pytest.raises(InputError, match=message):
        halves(["a"] * people, models)


@pytest.mark.parametrize("protocol", ["official", "clean"])
def test_no_person_and_no_photo_is_on_both_sides(prepared, protocol):
    config = load_config(prepared / "params.yaml", "small")
    manifest = manifest_of(prepared / "work" / "small" / "prepared")
    population = load_population(prepared / "work" / "small" / "prepared", protocol, config)
    shadows = plan(prepared, 6, protocol)
    for one, other in zip(shadows[::2], shadows[1::2], strict=True):
        rows = [manifest.iloc[population.train.rows[shadow.positions]] for shadow in (one, other)]
        for column in ("subject", "photo", "digest"):
            assert not set(rows[0][column]) & set(rows[1][column])
        everyone = pd.concat(rows)
        assert everyone["photo"].is_unique
        assert (everyone["split"] == "train").all()
        assert set(everyone["subject"]) == set(population.people)
    tuning = set(tuning_people(manifest))
    training = set(manifest.loc[manifest["split"] == "train", "subject"])
    assert set(population.people) == (training if protocol == "official" else training - tuning)


def test_two_names_of_one_person_are_one_and_copies_are_one_photo(prepared):
    population = load_population(
        prepared / "work" / "small" / "prepared", "official", load_config(prepared / "params.yaml", "small")
    )
    manifest = manifest_of(prepared / "work" / "small" / "prepared")
    names = manifest["family"] + "/" + manifest["person"]
    both = manifest[names.isin([PERSON, "F0002/D"])]
    assert both["subject"].nunique() == 1 and len(both) == 6
    assert (population.subjects == both["subject"].iloc[0]).sum() == both["photo"].nunique() == 4


def test_images_of_another_size_are_refused(root):
    config = write_params(root, {"data": {"resolution": 48}})
    with pytest.raises(InputError, match="64 px wide, data.resolution is 48: run the stage 'prepare' again"):
        load_population(root / "work" / "small" / "prepared", "official", config)


# Entries


def test_an_entry_has_weights_and_the_logits_of_every_file(built):
    config = load_config(built / "params.yaml", "small")
    population = load_population(built / "work" / "small" / "prepared", "official", config)
    shadow = plan(built, 2)[0]
    tensors = store_of(built).logits(shadow.key)
    assert tensors["logits"].dtype == torch.float16 and tensors["logits"].shape == (len(population.every_files), 8)
    own = predict(store_of(built).model(shadow.key), population.train, compute=make_compute(config.runtime))
    assert torch.equal(logits_of(store_of(built), shadow.key, population.files), own.half().float())
    assert store_of(built).record(shadow.key)["photos"] == len(shadow.positions)


def test_logits_that_are_not_finite_are_refused_and_huge_ones_stay_finite():
    huge = pool.packed_logits(torch.tensor([[1e6, -1e9, 1.5]]))
    assert huge.tolist() == [[65504, -65504, 1.5]] and huge.dtype == torch.float16
    with pytest.raises(TrainingError, match="1 of 2 logits are not finite"):
        pool.packed_logits(torch.tensor([[torch.nan, 1.0]]))


def test_topping_up_keeps_what_is_there_byte_for_byte(root):
    first = plan(root, 2)
    before = [(shadow.key, contents(root, shadow), store_of(root).record(shadow.key)) for shadow in first]
    entries = states(root, plan(root, 4))
    assert [entry.state for entry in entries] == ["present", "present", "missing", "missing"]
    shadows = build(root, 4)
    after = [(shadow.key, contents(root, shadow), store_of(root).record(shadow.key)) for shadow in shadows[:2]]
    assert after == before
    assert [entry.state for entry in states(root, shadows)] == ["present"] * 4
    assert models_there(store_of(root), "official") == 4 and models_there(store_of(root), "clean") == 0


STALE = {"recipe": {"train": {"lr": 0.007}}, "arithmetic": {"runtime": {"threads": 2}}}


@pytest.mark.parametrize("because", STALE)
def test_a_stale_entry_says_which_parameters_changed(root, because):
    write_params(root, STALE[because])
    assert [(entry.state, entry.because) for entry in states(root, plan(root, 2))] == [("stale", (because,))] * 2


def test_a_stale_entry_says_that_the_code_changed(root, monkeypatch):
    monkeypatch.setattr(pool, "code_digest", lambda module: "another")
    assert [(entry.state, entry.because) for entry in states(root, plan(root, 2))] == [("stale", ("code",))] * 2


def test_a_stale_entry_says_that_the_data_changed(root):
    changed = change_manifest(root, lambda manifest: manifest.assign(age=(manifest["age"] + 1) % 8))
    assert [(entry.state, entry.because) for entry in states(changed, plan(changed, 2))] == [("stale", ("data",))] * 2


def test_other_photos_to_score_train_nothing_anew(root):
    weights = {shadow.key: contents(root, shadow)["model.safetensors"] for shadow in plan(root, 2)}

    def exchange(manifest: pd.DataFrame) -> pd.DataFrame:
        row = manifest.index[manifest["split"] == "test"][0]
        return manifest.assign(digest=manifest["digest"].where(manifest.index != row, "0" * 32))

    changed = change_manifest(root, exchange)
    shadows = plan(changed, 2)
    assert [(entry.state, entry.because) for entry in states(changed, shadows)] == [("stale", ("photos",))] * 2
    with pytest.raises(InputError, match="no logits of 1 files"):
        logits_of(store_of(changed), shadows[0].key, ["0" * 32])
    build(changed, 2)
    assert {shadow.key: contents(changed, shadow)["model.safetensors"] for shadow in shadows} == weights
    assert logits_of(store_of(changed), shadows[0].key, ["0" * 32]).shape == (1, 8)
    assert {entry.state for entry in states(changed, shadows)} == {"present"}


def change_manifest(root: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Path:
    """Move the folder, as manifests are read once a folder and process, and change the manifest."""
    target = root.rename(root.with_name("changed"))
    folder = target / "work" / "small" / "prepared"
    manifest = manifest_of(folder)
    manifest_of.cache_clear()
    write_manifest(folder / "manifest.csv", change(manifest))
    return target


def test_dropped_weights_leave_the_logits_and_come_back_the_same(root):
    config, shadows = load_config(root / "params.yaml", "small"), plan(root, 2)
    before = contents(root, shadows[0])
    drop_weights(store_of(root), shadows[0].key)
    assert [entry.state for entry in states(root, shadows)] == ["weights dropped", "present"]
    assert contents(root, shadows[0]) == {"logits.safetensors": before["logits.safetensors"]}
    assert to_build(states(root, shadows)) == []
    with pytest.raises(InputError, match="weights of shadow 0 were dropped, and unlearning it needs them.*--restore-weights"):
        unlearn_shadow(shadows[0], Draw("clean"), choice(config), config, root / "work" / "small")
    (again,) = to_build(states(root, shadows), restore=True)
    train_shadow(again, config, root / "work" / "small")
    assert contents(root, shadows[0]) == before


def test_a_build_that_needs_dropped_weights_is_refused_before_it_starts(root):
    config, work = load_config(root / "params.yaml", "small"), root / "work" / "small"
    for shadow in plan(root, 2):
        drop_weights(store_of(root), shadow.key)
    with pytest.raises(InputError, match="--restore-weights"):
        Build(Asked(models=4, unlearn="finetune"), config, work)
    assert len(Build(Asked(models=4, unlearn="finetune", restore_weights=True), config, work).trainings()) == 4
    assert len(Build(Asked(models=4), config, work).trainings()) == 2


@pytest.mark.parametrize("place, trained", [("shadow, epoch 2", {"shadow, epoch 2 of 2"}), ("predict", set())])
def test_a_killed_build_goes_on_and_ends_in_the_same_bytes(built, prepared, tmp_path, place, trained):
    root = Path(shutil.copytree(prepared, tmp_path / "project"))
    shadow, config = plan(root, 2)[0], load_config(root / "params.yaml", "small")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.shadows.test_shadows"])
    process = context.Process(target=_die_at, args=(place, shadow, config, root / "work" / "small"))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert states(root, [shadow])[0].state == ("missing" if trained else "stale")
    told: list[str] = []
    train_shadow(shadow, config, root / "work" / "small", progress=lambda done, total, text: told.append(text))
    assert {text for text in told if text != "predict"} == trained
    assert contents(root, shadow) == contents(built, shadow)
    record = store_of(root).record(shadow.key)
    assert record["seconds"] > 0 and record["cpu_seconds"] > 0 and "resumed" not in record
    assert not list((root / "work" / "small" / "shadows" / "checkpoints").glob("*.pt"))


def _die_at(place: str, shadow: Shadow, config: Config, work: Path) -> None:
    """Train, with a checkpoint after each epoch, and kill this process where progress says `place`."""

    def progress(done: int, total: int, text: str) -> None:
        if text.startswith(place):
            os.kill(os.getpid(), signal.SIGKILL)

    pool.Checkpoint = partial(Checkpoint, every_seconds=0)
    train_shadow(shadow, config, work, progress=progress)


# Requests


def choice(config: Config, text: str = "finetune{epochs=1}") -> Choice:
    return parse_choice(text, config)


def unlearn(root: Path, shadows: list[Shadow], draw: Draw, chosen: Choice) -> None:
    config, work = load_config(root / "params.yaml", "small"), root / "work" / "small"
    for shadow in pending(shadows, draw, chosen, config, work):
        unlearn_shadow(shadow, draw, chosen, config, work)


def test_only_the_shadows_that_saw_the_person_are_unlearned(root):
    config, work, draw = load_config(root / "params.yaml", "small"), root / "work" / "small", Draw("official")
    shadows = build(root, 4)
    before = [contents(root, shadow) for shadow in shadows]
    with pytest.raises(InputError, match="is not unlearned by finetune"):
        answers(shadows, draw, choice(config), config, work)
    unlearn(root, shadows, draw, choice(config))
    assert pending(shadows, draw, choice(config), config, work) == []
    assert [contents(root, shadow) for shadow in shadows] == before

    found = answers(shadows, draw, choice(config), config, work)
    (person,) = found.request.people
    population = load_population(work / "prepared", "official", config)
    sees = np.array([person in population.people[shadow.sees] for shadow in shadows])
    assert sees.sum() == 2 and (found.unlearned == sees).all()
    assert len(list(open_answers(work).keys())) == 2
    same = np.array([torch.equal(one, other) for one, other in zip(found.before, found.after, strict=True)])
    assert (same == ~sees).all()
    forget = found.request.roles == "forget"
    assert (found.seen[:, forget] == sees[:, None]).all() and not found.seen[:, ~forget].any()
    assert set(found.request.subjects[forget]) == {person} and forget.sum() == 4  # two names, one person, each photo once
    one, other = found.signals(logit_confidence)
    assert one.shape == other.shape == found.seen.shape == (4, len(found.request.files))
    assert (one[~sees] == other[~sees]).all() and (one[sees] != other[sees]).any(axis=1).all()
    for number, shadow in enumerate(shadows):
        assert torch.equal(found.before[number], logits_of(store_of(root), shadow.key, found.request.files))


@pytest.mark.parametrize("protocol", ["official", "clean"])
def test_no_retain_set_has_a_photo_of_the_forgotten(prepared, protocol):
    config, folder = load_config(prepared / "params.yaml", "small"), prepared / "work" / "small" / "prepared"
    manifest, population = manifest_of(folder), load_population(folder, protocol, config)
    for draw in {Draw(protocol), Draw(protocol, 0 if protocol == "official" else 1)}:
        request = load_request(draw, config, folder)
        assert request.people and len(request.unseen) and len(request.test)
        assert not set(request.subjects[request.roles != "forget"]) & set(population.people)
        for shadow in plan(prepared, 6, protocol):
            sets = sets_of_shadow(shadow, request, config, folder)
            forget, retain = manifest.iloc[sets.forget.rows], manifest.iloc[sets.retain.rows]
            assert not set(retain["subject"]) & set(request.people) and set(forget["subject"]) <= set(request.people)
            assert not set(retain["photo"]) & set(request.photos) and not set(retain["digest"]) & set(request.files)
            both = np.sort(np.concatenate([sets.forget.rows, sets.retain.rows]))
            assert (both == np.sort(population.train.rows[shadow.positions])).all()


def test_a_method_sees_the_sets_of_its_shadow_and_its_own_seed(root, monkeypatch):
    config, work, draw = load_config(root / "params.yaml", "small"), root / "work" / "small", Draw("official")
    seen: list[tuple[int, int, int]] = []
    method = find("finetune")

    def watched(model: Any, sets: Any, parameters: Any, *, seed: int, compute: Any, progress: Progress = silent) -> Any:
        seen.append((seed, len(sets.forget), len(sets.retain)))
        return model

    monkeypatch.setattr("aru.shadows.unlearned.find", lambda name: replace(method, function=_same_module(watched, method)))
    shadows = plan(root, 2)
    (asked,) = pending(shadows, draw, choice(config), config, work)
    unlearn_shadow(asked, draw, choice(config), config, work)
    assert seen == [(asked.number, 4, len(asked.positions) - 4)]


def _same_module(function: Callable, method: Any) -> Callable:
    function.__module__ = method.function.__module__
    return function


def test_a_method_that_diverges_is_left_out_and_named(root):
    config, work, draw = load_config(root / "params.yaml", "small"), root / "work" / "small", Draw("official")
    shadows, chosen = plan(root, 2), choice(config, "finetune{lr=1.0e+30,epochs=2}")
    (asked,) = pending(shadows, draw, chosen, config, work)
    unlearn(root, shadows, draw, chosen)
    found = answers(shadows, draw, chosen, config, work)
    assert found.failed == (asked.number,) and asked.number not in found.numbers and len(found.before) == 1
    assert pending(shadows, draw, chosen, config, work) == []
    with pytest.raises(InputError, match="diverged on all 1 shadows"):
        answers([asked], draw, chosen, config, work)


def test_another_request_or_parameter_has_other_answers_and_untrained_shadows_are_named(root):
    config, work = load_config(root / "params.yaml", "small"), root / "work" / "small"
    shadows, draw = plan(root, 2), Draw("official")
    unlearn(root, shadows, draw, choice(config))
    assert pending(shadows, draw, choice(config, "finetune{epochs=2}"), config, work)
    forget = write_params(root, {"data": {"forget": {"subjects": ["F0003/D"]}}})
    assert [shadow.key for shadow in plan(root, 2, config=forget)] == [shadow.key for shadow in shadows]
    assert pending(plan(root, 2, config=forget), draw, choice(forget), forget, work)
    with pytest.raises(InputError, match="shadow 2 of protocol official is not trained: build the pool first"):
        answers(plan(root, 4)[2:], draw, choice(config), config, work)


# Commands


def test_the_entry_without_servers_builds_unlearns_and_drops(prepared, tmp_path, monkeypatch, capfd):
    root = Path(shutil.copytree(prepared, tmp_path / "project"))
    monkeypatch.chdir(root)
    assert main(["shadows", "small", "--models", "2", "--unlearn", "nothing,ssd", "--drop-weights"]) == 0
    said = capfd.readouterr().out
    assert "2 of 2 models to train: about" in said and "ssd (default), draw 0, shadow" in said and "complete" in said
    assert [entry.state for entry in states(root, plan(root, 2))] == ["weights dropped"] * 2
    assert main(["shadows", "small", "--models", "4", "--status"]) == 0
    assert capfd.readouterr().out.count("weights dropped") == 2
    assert main(["shadows", "small", "--models", "4", "--budget-minutes", "0"]) == 0
    assert "2 left for the next time" in capfd.readouterr().out


def test_the_flow_builds_and_tops_up_and_its_status_is_shown(prepared, tmp_path, monkeypatch, capfd, prefect_server):
    from flows.cli.app import app
    from flows.experiments import shadows

    root = Path(shutil.copytree(prepared, tmp_path / "project"))
    (root / "dvc.yaml").touch()
    monkeypatch.setattr(shadows, "prepare_flow", lambda benchmark, root, board: None)  # the images are there
    done = shadows.build_pool("small", Asked(2, unlearn="ssd"), root=root, drop_weights=True)
    assert done == shadows.Pool(trained=2, unlearned=1, cached=0, left=0)
    assert "2 shadow models, 2 to train: about" in capfd.readouterr().err
    assert {tuple(contents(root, shadow)) for shadow in plan(root, 2)} == {("logits.safetensors",)}
    done = shadows.build_pool("small", Asked(4, unlearn="ssd", restore_weights=True), root=root, budget_seconds=0, quiet=True)
    assert done == shadows.Pool(trained=0, unlearned=0, cached=0, left=4)
    monkeypatch.chdir(root)
    monkeypatch.setattr("flows.project.environment.prepare_environment", lambda root: None)
    app(["shadows", "status", "--benchmark", "small"], standalone_mode=False)
    assert capfd.readouterr().out.count("weights dropped") == 2


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["small", "--models", "5"], "5 shadow models"),
        (["small", "--protocol", "clan"], "unknown protocol 'clan'"),
        (["small", "--unlearn", "ssdd"], "did you mean 'ssd'"),
        (["smal"], "did you mean 'small'"),
    ],
)
def test_bad_requests_end_with_one_message(prepared, monkeypatch, capfd, arguments, message):
    monkeypatch.chdir(prepared)
    assert main(["shadows", *arguments]) == 2
    assert message in capfd.readouterr().err
