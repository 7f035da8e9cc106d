"""MLflow's store of a project: `mlruns/mlflow.db` and `mlruns/artifacts/`, or the server that MLFLOW_TRACKING_URI names."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import Experiment
from mlflow.exceptions import MlflowException

from flows.descriptions import experiment_note
from flows.views import view_tags

_LOCK_SECONDS = 120
_ARTIFACT_PATHS = {"experiments": "artifact_location", "runs": "artifact_uri", "logged_models": "artifact_location",
                   "model_versions": "storage_location"}


def tracking_uri(root: Path) -> str:
    """The user's own MLFLOW_TRACKING_URI, else the project's SQLite file (MLflow refuses a plain folder)."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{database(root)}"


def is_local(root: Path) -> bool:
    """Whether runs go to the project's own SQLite file."""
    return tracking_uri(root) == f"sqlite:///{database(root)}"


def database(root: Path) -> Path:
    """The project's SQLite file of runs and registered models."""
    return Path(root).resolve() / "mlruns" / "mlflow.db"


def ensure_store(root: Path) -> None:
    """Make the project's store once; safe where several processes do it at the same time.

    The tables are made in a file beside it that is then moved in: an interrupt leaves no half of a database. MLflow
    keeps whole paths of artifacts; where the project was moved or copied, they are brought along.
    """
    path = database(root)
    if not is_local(root):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.parent / ".store.lock", timeout=_LOCK_SECONDS):
        if path.is_file():
            _follow_move(path)
        else:
            _make_database(path)


def client(root: Path) -> MlflowClient:
    """A client of the project's store; every call names its run, for MLflow's active run is one per thread."""
    return MlflowClient(tracking_uri=tracking_uri(root), registry_uri=tracking_uri(root))


def experiment_name(benchmark: str) -> str:
    """Each benchmark has an experiment of its own: only runs on the same data compare."""
    return f"aru-{benchmark}"


def experiment_id(root: Path, benchmark: str) -> str:
    """The benchmark's experiment, made where it is not there yet."""
    own, name = client(root), experiment_name(benchmark)
    found = own.get_experiment_by_name(name)
    if found is None:
        try:
            return own.create_experiment(name, artifact_location=_artifacts(root, benchmark),
                                         tags=_experiment_tags(benchmark))
        except MlflowException:
            found = own.get_experiment_by_name(name)
            if found is None:  # otherwise another process was quicker
                raise
    if found.lifecycle_stage == "deleted":
        own.restore_experiment(found.experiment_id)
    return found.experiment_id


def find_experiment(root: Path, benchmark: str) -> Experiment | None:
    """The benchmark's experiment; None where there is none."""
    if is_local(root) and not database(root).is_file():
        return None
    return client(root).get_experiment_by_name(experiment_name(benchmark))


def _artifacts(root: Path, benchmark: str) -> str | None:
    """A remote server decides by itself where artifacts lie."""
    return str(Path(root).resolve() / "mlruns" / "artifacts" / benchmark) if is_local(root) else None


def _experiment_tags(benchmark: str) -> dict[str, str]:
    return {"mlflow.note.content": experiment_note(benchmark), "mlflow.experimentKind": "custom_model_development",
            "mlflow.experiment.primaryMetric.name": "nomus",
            "mlflow.experiment.primaryMetric.greaterIsBetter": "True", "benchmark": benchmark} | view_tags()


def _follow_move(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        row = database.execute("SELECT artifact_location FROM experiments WHERE experiment_id = 0").fetchone()
        before, now = (row[0].removesuffix("/0") if row else ""), str(path.parent / "artifacts")
        if not row or before == now:
            return
        for table, column in _ARTIFACT_PATHS.items():
            database.execute(f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",
                             (now, len(before) + 1, len(before) + 1, f"{before}/"))


def _make_database(path: Path) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        store = SqlAlchemyStore(f"sqlite:///{temporary}", str(path.parent / "artifacts"))
        store.engine.dispose()
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
