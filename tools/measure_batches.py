"""Batches of one or two people each, one after the other, in a project of the drawn faces: drift and reversal.

    python -m tools.measure_batches FOLDER OUT.json [--batches 20]
    python -m tools.measure_batches --draw OUT.json CURVES.png

FOLDER is a project after `aru init`, `aru data make` and `aru run`. Interrupted, the same command goes on. The figures are
those that the ledger has of each released batch, written after each. docs/operation.md has them.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from aru.core.files import read_json, write_json
from aru.data.manifest import read_manifest
from aru.reporting.figure_style import write_png
from flows.requests.ledger.ledger import Ledger, project_ledger
from flows.requests.ledger.queries import batch_history, list_batches, list_requests
from flows.requests.ledger.records import Actor
from flows.requests.ledger.service import identify
from flows.requests.ledger.states import CLOSED, Action
from flows.requests.ledger.submission import Submission, submit
from flows.requests.processing.batch_curves import draw_curves
from flows.requests.processing.batch_figures import released_figures
from flows.requests.resolving.recording import approve_on_record

BENCHMARK, CLERK, SEED = "faces", Actor("measure"), 0
POLICY = {
    "batching": {"wait_days": 0},
    "suspicion": {"of_class": 1.0, "of_training": 1.0, "one_sided": 1.0},
    "escalation": [{"set": {"finetune.epochs": 4}}, {"set": {"method": "retrain"}}],
    "budget": {"accuracy_drop": 0.1, "batches": 10},
}
SETTINGS = ("audit.release=not-failed", "evaluate.retrained=false")


def main(folder: Path, out: Path, batches: int) -> None:
    """Carry out batches until so many are released."""
    policy = folder / "requests.yaml"
    if not policy.exists() or yaml.safe_load(policy.read_text()) != POLICY:
        policy.write_text(yaml.safe_dump(POLICY))
        _aru(folder, "run", "--yes", "--set", *SETTINGS)
    seconds: dict[str, float] = read_json(out)["seconds"] if out.exists() else {}
    people = _people(folder)
    while True:
        with project_ledger(folder) as ledger:
            done = len(released_figures(ledger, BENCHMARK))
            write_json(out, _record(ledger, seconds))
            if done >= batches:
                return
            if not any(request.state not in CLOSED for request in list_requests(ledger, limit=1000).requests):
                _ask(folder, ledger, people, done)
        begun = time.perf_counter()
        _aru(folder, "batch", "run")
        with project_ledger(folder) as ledger:
            seconds[list_batches(ledger, limit=1)[0].id] = round(time.perf_counter() - begun, 1)


def _people(folder: Path) -> list[str]:
    """Everybody with four training photos or more, in an order drawn once."""
    order = folder / ".aru" / "measured.json"
    if order.exists():
        return list(read_json(order))
    manifest = read_manifest(folder / "work" / BENCHMARK / "prepared" / "manifest.csv")
    train = manifest[(manifest["role"] == "retain")]
    count = (train["family"] + "/" + train["person"]).value_counts()
    people = [str(name) for name in np.random.default_rng(SEED).permutation(sorted(count.index[count >= 4]))]
    write_json(order, people)
    return people


def _ask(folder: Path, ledger: Ledger, people: list[str], done: int) -> None:
    """Approve a request for the next one or two people, in turns."""
    asked = len(list_requests(ledger, limit=1000).requests)
    for name in people[asked : asked + 1 + done % 2]:
        request = submit(ledger, Submission(BENCHMARK, (str(name),)), actor=CLERK).request.id
        identify(ledger, request, actor=CLERK)
        approve_on_record(folder, ledger, request, actor=CLERK)


def _record(ledger: Ledger, seconds: dict[str, float]) -> dict[str, Any]:
    rows = []
    for one in released_figures(ledger, BENCHMARK):
        history = batch_history(ledger, one.batch)
        held = [event.why for event in history if event.action == Action.ESCALATE]
        earlier = {name: value for name, value in one.figures["earlier"].items() if name != "batches"}
        requests = len(list_requests(ledger, batch=one.batch, limit=1000).requests)
        rows.append(
            {"batch": one.batch, "requests": requests, "method": one.method, "escalated": held}
            | {"accuracy": one.figures["accuracy"], "retained_auc": one.figures["retained_auc"], "earlier": earlier}
        )
    return {"batches": rows, "seconds": seconds, "settings": SETTINGS, "policy": POLICY}


def _aru(folder: Path, *words: str) -> None:
    """A command of the project; exit code 3 is a batch that waits for a person."""
    subprocess.run([Path(sys.executable).with_name("aru"), *words], cwd=folder, check=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("places", nargs=2, type=Path)
    parser.add_argument("--batches", type=int, default=20)
    parser.add_argument("--draw", action="store_true")
    given = parser.parse_args()
    if given.draw:
        figures, picture = given.places
        write_png(lambda: draw_curves(read_json(figures)["batches"]), picture)
    else:
        main(given.places[0].resolve(), given.places[1].resolve(), given.batches)
