"""What tuning leaves in MLflow: one run with the setting, and below it one for each trial with its parameters and score."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from aru.comparison.trials import Setting
from aru.comparison.tuning import Trial, best, curve
from flows.tracking import runs
from flows.tracking.command_runs import command_run, find_finished, open_experiment
from flows.tracking.runs import NOTE

_FIGURES = ("score", "best", "cpu_seconds", "spent_cpu_seconds")
_NOTE = (
    "Every method had the same number of trials: its defaults, its other published settings (`preset`), both whole, then the "
    "search's, each with the same cap, a share of retraining's CPU seconds. `score` is the objective on the tuning people, "
    "who are in no draw of the clean protocol; no retrained model is part of it. A trial without a score says why in its tag "
    "`state`."
)


def track(root: Path, setting: Setting, found: Mapping[str, Sequence[Trial]], *, target: Path, folder: Path) -> str:
    """Log all trials, unless these very ones are tracked, the frozen file and the curves; returns the run's id."""
    client, experiment = open_experiment(root, setting.benchmark)
    state = _state(setting, found)
    if known := find_finished(client, experiment, kind="tuning", state=state):
        return known.info.run_id
    tags = {
        "kind": "tuning",
        "benchmark": setting.benchmark,
        "protocol": "tuning",
        "seed": str(setting.seed),
        "state": state,
        NOTE: _NOTE,
    }
    title = f"tuning of {len(found)} methods"
    with command_run(root, client, experiment, command="aru tune", name=title, tags=tags) as run:
        runs.log(
            client,
            run,
            params=runs.flatten(asdict(setting) | {"methods": list(found)}),
            metrics=runs.points(run, {f"best/{name}": _best_score(trials) for name, trials in found.items()}),
        )
        for name, trials in found.items():
            for row in curve(trials):
                labels = {"kind": "trial", "method": name, "trial": str(row["trial"]), "state": row["state"]}
                with runs.child_run(client, run, f"{name} {row['trial']}", labels) as child:
                    runs.log(
                        client,
                        child,
                        params=runs.flatten({"method": name, **row["parameters"]}),
                        metrics=runs.points(child, {key: value for key, value in row.items() if key in _FIGURES}),
                    )
        for path in (target, folder / "tuning.json", *sorted((folder / "figures").glob("tuning_*.png"))):
            if path.is_file():
                client.log_artifact(run.info.run_id, str(path), "tuning")
    return run.info.run_id


def _best_score(trials: Sequence[Trial]) -> float | None:
    leader = best(trials)
    return leader.outcome.score if leader else None


def _state(setting: Setting, found: Mapping[str, Sequence[Trial]]) -> str:
    """A digest of the setting, parameters and scores; the time that they took is not part of it."""
    content: list[Any] = [asdict(setting)]
    content += [
        [name, [[dict(trial.parameters), trial.outcome.state, trial.outcome.score] for trial in trials]]
        for name, trials in sorted(found.items())
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
