"""Entries of a pool: weights and logits; they are topped up, dropped, and resumed after a kill."""

import multiprocessing
import os
import shutil
import signal
from functools import partial
from pathlib import Path

import pytest
import torch

from aru.comparison.draws import Draw
from aru.compute.device import make_compute
from aru.core.config import Config, load_config
from aru.core.errors import InputError, TrainingError
from aru.data.prepared import manifest_of
from aru.shadows import pool
from aru.shadows.pool import Shadow, drop_weights, logits_of, train_shadow
from aru.shadows.population import load_population
from aru.shadows.status import models_there, to_build
from aru.shadows.unlearned import unlearn_shadow
from aru.train.checkpoint import Checkpoint
from aru.train.loop import predict
from tests.helpers.shadow_pools import (
    build,
    choice,
    contents,
    plan,
    states,
    store_of,
)

pytest_plugins = ["tests.helpers.shadow_fixtures"]


def test_an_entry_has_weights_and_the_logits_of_every_file(built):
    config = load_config(built / "params.yaml", "small")
    population = load_population(built / "work" / "small" / "prepared", "official", config)
    shadow = plan(built, 2)[0]
    tensors = store_of(built).logits(shadow.key)
    assert tensors["logits"].dtype == torch.float16 and tensors["logits"].shape == (len(population.every_files), 8)
    own = predict(store_of(built).model(shadow.key), population.train, compute=make_compute(config.runtime))
    files = manifest_of(built / "work" / "small" / "prepared")["digest"].iloc[population.train.rows].tolist()
    assert torch.equal(logits_of(store_of(built), shadow.key, files), own.half().float())
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


@pytest.mark.parametrize("place, trained", [("shadow, epoch 2", {"shadow, epoch 2 of 2"}), ("predict", set())])
def test_a_killed_build_goes_on_and_ends_in_the_same_bytes(built, prepared, tmp_path, place, trained):
    root = Path(shutil.copytree(prepared, tmp_path / "project"))
    shadow, config = plan(root, 2)[0], load_config(root / "params.yaml", "small")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.shadows.test_pool"])
    process = context.Process(target=_die_at, args=(place, shadow, config, root / "work" / "small"))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert states(root, [shadow])[0].state == ("missing" if trained else "stale")
    reported: list[str] = []
    train_shadow(shadow, config, root / "work" / "small", progress=lambda done, total, text: reported.append(text))
    assert {text for text in reported if text != "predict"} == trained
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
