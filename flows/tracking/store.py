"""MLflow's store of a project: `mlruns/mlflow.db` and `mlruns/artifacts/`, or the server that MLFLOW_TRACKING_URI names."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote, urlparse
from urllib.request import url2pathname

import mlflow
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import Experiment, LifecycleStage
from mlflow.exceptions import MlflowException

from aru.core.errors import InputError
from aru.core.leftovers import temporary_beside
from flows.servers.database import check_database
from flows.tracking.descriptions import experiment_note
from flows.tracking.views import overview_tag

_LOCK_SECONDS = 120
_ABSENT = frozenset({"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND", "INVALID_PARAMETER_VALUE"})
"""The codes of MLflow's errors for what is not there; the last one for an alias."""
_IMPATIENT = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
_PACKAGE = str(Path(mlflow.__file__).parent)
_checked: set[tuple[Path, int]] = set()
_ARTIFACT_PATHS = {
    "experiments": "artifact_location",
    "runs": "artifact_uri",
    "logged_models": "artifact_location",
    "model_versions": "storage_location",
}


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
    _check_place(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.parent / ".store.lock", timeout=_LOCK_SECONDS):
        if path.is_file():
            _check_once(path)
            _follow_move(path)
        else:
            _make_database(path)


def preflight(root: Path, benchmark: str) -> None:
    """Raise InputError where a run could not be recorded: before the work, not after it."""
    if is_local(root):
        _check_place(database(root))
        folder = database(root).parent
        while not folder.exists():
            folder = folder.parent
        if not os.access(folder, os.W_OK):
            raise InputError(f"{folder} cannot be written: runs are recorded in {database(root)}")
        if not database(root).is_file():
            return
    try:
        with _impatient():
            found = client(root).get_experiment_by_name(experiment_name(benchmark))
    except MlflowException as error:
        raise InputError(
            "the MLflow store that MLFLOW_TRACKING_URI names cannot be used: start its server, or unset the "
            f"variable for the project's own database ({type(error).__name__})"
        ) from error
    _refuse_deleted(found)


class StoreUnavailable(InputError):
    """MLflow's store did not answer: whether something is in it is not known."""


def check_absent(error: MlflowException) -> None:
    """Nothing where the store answered that something is not there. Raises StoreUnavailable where it did not answer.

    The two are not to be confused: a store that is locked for a moment would else have no version in production.
    """
    if error.error_code not in _ABSENT:
        raise StoreUnavailable(
            f"MLflow's store did not answer ({error.error_code}): look whether its database is locked, its disk full or its "
            "server down, and try again"
        ) from error


def client(root: Path) -> MlflowClient:
    """A client of the project's store; every call names its run, for MLflow's active run is one per thread.

    Raises InputError where the project's database cannot be used.
    """
    if is_local(root) and database(root).is_file():
        _check_once(database(root))
    return MlflowClient(tracking_uri=tracking_uri(root), registry_uri=tracking_uri(root))


def experiment_name(benchmark: str) -> str:
    """Each benchmark has an experiment of its own: only runs on the same data compare."""
    return f"aru-{benchmark}"


def experiment_id(root: Path, benchmark: str) -> str:
    """The benchmark's experiment, made where it is not there yet. Raises InputError where it was deleted."""
    return named_experiment_id(root, experiment_name(benchmark), benchmark, experiment_tags(benchmark))


def named_experiment_id(root: Path, name: str, folder: str, tags: dict[str, str]) -> str:
    """An experiment by its name, made where it is not there yet, with the folder of its artifacts.

    Raises InputError where it was deleted.
    """
    own = client(root)
    found = own.get_experiment_by_name(name)
    if found is None:
        try:
            return own.create_experiment(name, artifact_location=_artifacts(root, folder), tags=tags)
        except MlflowException:
            found = own.get_experiment_by_name(name)
            if found is None:  # otherwise another process was quicker
                raise
    _refuse_deleted(found)
    return found.experiment_id


def find_experiment(root: Path, benchmark: str) -> Experiment | None:
    """The benchmark's experiment; None where there is none, or it was deleted."""
    if is_local(root) and not database(root).is_file():
        return None
    found = client(root).get_experiment_by_name(experiment_name(benchmark))
    return None if found is None or found.lifecycle_stage == LifecycleStage.DELETED else found


def local_path(uri: str) -> Path | None:
    """The file or folder that a `file:` URI names; None where it names a place elsewhere."""
    return Path(url2pathname(urlparse(uri).path)) if uri.startswith("file:///") else None


@contextmanager
def _impatient() -> Iterator[None]:
    """Let MLflow ask a server twice and not for minutes; what the user has set stays."""
    added = {name: value for name, value in _IMPATIENT.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


def _refuse_deleted(experiment: Experiment | None) -> None:
    """To restore an experiment is to restore its runs: only who deleted them can say so."""
    if experiment is not None and experiment.lifecycle_stage == LifecycleStage.DELETED:
        number, uri = experiment.experiment_id, "MLFLOW_TRACKING_URI=sqlite:///mlruns/mlflow.db"
        raise InputError(
            f"the MLflow experiment {experiment.name} was deleted, and its runs with it. In the project's "
            f"folder, `{uri} mlflow experiments restore -x {number}` brings all of them back, `{uri} mlflow gc "
            f"--experiment-ids {number}` removes them for good, and the next run begins anew"
        )


def _check_place(path: Path) -> None:
    """Raise InputError where the database, or MLflow itself, lies in a folder whose path MLflow cannot take."""
    if "?" in str(path):
        raise InputError(f"{path.parents[1]} has a question mark in its path, which no database address can have: move it")
    if "%" in _PACKAGE:  # it becomes a value of Alembic's ConfigParser, unescaped
        raise InputError(
            f"MLflow is installed in {_PACKAGE}, and opens no database from a path with a percent sign: make the "
            "environment elsewhere (`python3 -m venv FOLDER`, `FOLDER/bin/pip install -c constraints.txt -e .`), "
            "or move the project"
        )


def _check_once(path: Path) -> None:
    """Check the database at its first use in this process."""
    known = (path, path.stat().st_ino)
    if known not in _checked:
        check_database(path)
        _checked.add(known)


def _artifacts(root: Path, folder: str) -> str | None:
    """A remote server decides by itself where artifacts lie."""
    return f"{_artifact_root(database(root))}/{quote(folder)}" if is_local(root) else None


def _artifact_root(path: Path) -> str:
    """Where the artifacts beside a database lie, as a URI: MLflow takes a path for one, and decodes its percent signs."""
    return (path.parent / "artifacts").as_uri()


def experiment_tags(benchmark: str) -> dict[str, str]:
    """The page and the primary metric of an experiment in which models are unlearned."""
    return {
        "mlflow.note.content": experiment_note(benchmark),
        "mlflow.experimentKind": "custom_model_development",
        "mlflow.experiment.primaryMetric.name": "nomus",
        "mlflow.experiment.primaryMetric.greaterIsBetter": "True",
        "benchmark": benchmark,
    } | overview_tag()


def _follow_move(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        row = database.execute("SELECT artifact_location FROM experiments WHERE experiment_id = 0").fetchone()
        before, now = (row[0].removesuffix("/0") if row else ""), _artifact_root(path)
        if not row or before == now:
            return
        for table, column in _ARTIFACT_PATHS.items():
            database.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",
                (now, len(before) + 1, len(before) + 1, f"{before}/"),
            )


def _make_database(path: Path) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    temporary = temporary_beside(path)
    try:
        store = SqlAlchemyStore(f"sqlite:///{temporary}", _artifact_root(path))
        store.engine.dispose()
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
