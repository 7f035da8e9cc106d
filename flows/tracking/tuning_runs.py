"""What tuning leaves in MLflow: one run with the setting, and below it one for each trial with its parameters and score."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from aru.comparison.trials import Setting
from aru.comparison.tuning import Trial, best, curve
from flows.project.git import git_state
from flows.tracking import runs, store
from flows.tracking.runs import NOTE

_FIGURES = ("score", "best", "cpu_seconds", "spent_cpu_seconds")
_NOTE = (
    "Every method had the same number of trials and the same cap on each, a share of retraining's CPU seconds. `score` "
    "is the objective on the tuning people, who are in no draw of the clean protocol; no retrained model is part of it. "
    "Trial 0 is the defaults. A trial without a score says why in its tag `state`."
)


def track(root: Path, setting: Setting, found: Mapping[str, Sequence[Trial]], *, target: Path, folder: Path) -> str:
    """Log all trials, unless these very ones are tracked, the frozen file and the curves; returns the run's id."""
    store.ensure_store(root)
    client, experiment = store.client(root), store.experiment_id(root, setting.benchmark)
    runs.end_abandoned(client, experiment)
    state = _state(setting, found)
    known = runs.search(
        client, experiment, f"tags.kind = 'tuning' AND attributes.status = 'FINISHED' AND tags.state = '{state}'"
    )
    if known:
        return known[0].info.run_id
    git = git_state(root)
    tags = {
        "kind": "tuning",
        "benchmark": setting.benchmark,
        "protocol": "tuning",
        "seed": str(setting.seed),
        "state": state,
        "mlflow.source.name": "aru tune",
        **git,
        "mlflow.source.git.commit": git["git_commit"],
        NOTE: _NOTE,
    }
    run = client.create_run(experiment, run_name=f"tuning of {len(found)} methods", tags=tags | runs.process_tags())
    run_id = run.info.run_id
    try:
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
                        metrics=runs.points(child, {key: row[key] for key in _FIGURES}),
                    )
        for path in (target, folder / "tuning.json", *sorted((folder / "figures").glob("tuning_*.png"))):
            if path.is_file():
                client.log_artifact(run_id, str(path), "tuning")
    except BaseException:
        runs.end(client, run_id, "FAILED")
        raise
    runs.end(client, run_id, "FINISHED")
    return run_id


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
