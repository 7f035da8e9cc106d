"""A benchmark small enough to be tuned in seconds: a made archive, its prepared images, two models of the tuning people."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from aru.comparison.cell import run_task
from aru.comparison.trials import Outcome, Setting, missing_base
from aru.comparison.tuning import Trial
from aru.core.config import Config, load_config
from aru.stages.runner import run as run_stage
from flows.experiments.search import Search
from tests.helpers.archives import mufac_archive
from tests.helpers.own_network import own_network

CHECKOUT = Path(__file__).resolve().parents[2]
SETTING = Setting("toy", trials=3, cap=50.0)  # one epoch of retraining is quickly outdone

DONE = Outcome("done", 0.6, 2.0)
TRIALS = {
    "aru": [
        Trial({}, DONE),
        Trial({"mask.ratio": 0.3, "finetune.lr": 0.02}, Outcome("done", 0.7, 3.0)),
        Trial({"mask.ratio": 0.1, "finetune.lr": 0.05}, Outcome("over the cap", None, 1.0)),
    ],
    "ssd": [Trial({}, DONE)] + [Trial({"alpha": 3.0, "lam": 1.0}, Outcome("failed", None, 1.0))] * 2,
    "amun": [Trial({}, Outcome("over the cap", None, 9.0))] * 3,
}
"""Trials as a search leaves them: one improved, one over the cap, one failed, one method that never came to an end."""


def make(root: Path, network: str | None = None) -> Path:
    """A project folder whose originals are there and in which nothing was tuned; without a network's name a tiny one."""
    mufac_archive(root / "data" / "toy.zip", families=36, photos=6, splits=(0.9, 0.95))
    toy = yaml.safe_load((CHECKOUT / "params.yaml").read_text())["faces"]
    toy["data"].update(resolution=24, forget={"rows": 24})
    toy["model"] = {"name": network} if network else own_network(root)
    toy["train"].update(epochs=1)
    toy["attack"].update(steps=2)
    toy["runtime"].update(device="cpu")
    (root / "params.yaml").write_text(yaml.safe_dump({"benchmarks": {"toy": "data/toy.zip"}, "toy": toy}))
    shutil.copy(CHECKOUT / "dvc.yaml", root)
    shutil.copy(CHECKOUT / "suppression.jsonl", root)
    run_stage("prepare", "toy", root=root)
    config, work = config_of(root), root / "work" / "toy"
    for task in missing_base(SETTING, config, work):
        run_task(task, config, work)
    return root


def config_of(root: Path) -> Config:
    """The benchmark's parameters."""
    return load_config(root / "params.yaml", "toy")


def tune_method(
    method: str,
    setting: Setting,
    config: Config,
    run: Callable[[int, Mapping[str, Any]], Outcome],
    *,
    over: Callable[[], bool] = lambda: False,
    on_trial: Callable[[int, Trial], None] = lambda number, trial: None,
) -> list[Trial]:
    """The trials of one search, computed by `run(number, parameters)` in this process, until `over` says that the time is."""
    search = Search(method, setting, config)
    while not search.done and not over():
        number = len(search.trials)
        on_trial(number, search.tell(run(number, search.ask())))
    return search.trials
