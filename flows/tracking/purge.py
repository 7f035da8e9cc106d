"""Taking a registered version, and all that is recorded of how it was made, out of the project's own MLflow store and Prefect.

    python -m flows.tracking.purge aru-faces 3 [--prefect]

MLflow's own deletions only mark: a deleted version keeps its tags, a deleted run its figures and data sets, and `mlflow gc`
leaves both of the version and the data sets. Here the rows go, in one transaction, then the files, and then the database is
written anew, because SQLite keeps the bytes of deleted rows. What was marked as deleted before goes, too.
"""

import argparse
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from aru.core.errors import InputError
from flows.project.folder import find_project, project_lock
from flows.servers.local_servers import running_api
from flows.tracking import store
from flows.tracking.links import last_run, models_filter
from flows.tracking.production import BATCH
from flows.tracking.views import models_tag

_MARKED = "Deleted_Internal"
_EMPTIED = (
    f"current_stage = '{_MARKED}', description = NULL, user_id = NULL, source = '', run_id = '', run_link = '', "
    "storage_location = NULL, status_message = NULL"
)
"""A version's row stays as a number without content, as MLflow marks it: numbers are not given twice."""
_OF_RUNS = ("metrics", "latest_metrics", "params", "tags")
_OF_MODELS = ("logged_model_metrics", "logged_model_params", "logged_model_tags")


@dataclass(frozen=True)
class Purged:
    """How many of each were taken out."""

    versions: int
    models: int
    runs: int
    data_sets: int


@dataclass(frozen=True)
class _Chosen:
    """What is taken out: versions of registered models, logged models and runs by their ids."""

    versions: list[tuple[str, str]]
    models: set[str]
    runs: set[str]


def purge(root: Path, name: str, version: str) -> Purged:
    """Take out a version: all but its number, with its aliases and tags, its logged model, every run that made, measured or
    audited it and what lies below these, their artifacts, and the data sets that no run refers to any more.

    Flows of the same weights that failed before they had a version go, too, and what they had stored of the model.

    Raises InputError for a version that is not there, for a store that is not the project's own file or is in use, and where
    files could not be removed.
    """
    return _purge(Path(root).resolve(), name, lambda database: _of_version(database, name, version))


def purge_unforgetful(root: Path, name: str, batch: int) -> Purged:
    """Take out all versions of a benchmark's model that have not forgotten this batch of requests, and every run of its
    experiment, comparisons and tuning too, that did not make, measure or audit one that has; files that no row names go, too.

    What was taken out already is not there: again it only writes the database anew. Raises InputError as `purge` does.
    """
    root = Path(root).resolve()
    purged = _purge(root, name, lambda database: _unforgetful(database, name, batch))
    _refuse_leftovers(_remove(_nameless(root, name)))
    return purged


def unforgetful(root: Path, name: str, batch: int) -> int:
    """How many versions, logged models, runs and folders of files `purge_unforgetful` would take out; nothing is changed."""
    root, path = Path(root).resolve(), store.database(root)
    if not path.is_file():
        return 0
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
        chosen = _unforgetful(database, name, batch)
    return len(chosen.versions) + len(chosen.models) + len(chosen.runs) + len(_nameless(root, name))


def check_unused(root: Path) -> None:
    """Raise InputError where something else uses the project's database, before anything is taken out of it."""
    path = store.database(root)
    if not path.is_file():
        return
    try:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=1)) as database:
            database.execute("BEGIN EXCLUSIVE")
            database.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        raise _in_use(path, error) from error


def _purge(root: Path, name: str, choose: Callable[[sqlite3.Connection], _Chosen]) -> Purged:
    if not store.is_local(root):
        raise InputError("MLFLOW_TRACKING_URI names another store: unset it, or purge there with that server's own means")
    with project_lock(root):
        store.ensure_store(root)
        path = store.database(root)
        try:
            with closing(sqlite3.connect(path)) as database, database:
                database.execute("PRAGMA secure_delete = ON")
                purged, folders = _delete(database, choose(database))
        except sqlite3.OperationalError as error:  # all of it was rolled back
            raise _in_use(path, error) from error
        # The rows that name the files are gone: whatever fails from here on, the files follow at once.
        left = _remove([*folders, path.parent / "server.log"])
        _show_newest(root, name.removeprefix("aru-"))
        _rewrite(path)
        _refuse_leftovers(left)
    return purged


def _in_use(path: Path, error: Exception) -> InputError:
    return InputError(f"{path} is in use ({error}): stop `aru ui` and whatever else reads it; nothing was purged")


def purge_prefect(root: Path) -> None:
    """Take out Prefect's records of all flows: its database, results and logs. Stages stay cached by dvc.lock.

    Raises InputError while a server of the project runs, and where files could not be removed.
    """
    if running_api(root):
        raise InputError("a Prefect server is in use: stop `aru ui`, `aru serve` and `aru run`, and unset PREFECT_API_URL")
    with project_lock(root):
        _refuse_leftovers(_remove([Path(root) / ".prefect"]))


def _remove(paths: Iterable[Path]) -> list[Path]:
    """Remove files and folders with all in them; returns those that could not be removed."""
    paths = list(paths)
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink(missing_ok=True)
    return [path for path in paths if path.exists()]


def _refuse_leftovers(left: Sequence[Path]) -> None:
    if left:
        raise InputError(f"the records are gone, but not all files: remove by hand {', '.join(map(str, left))}")


def _rewrite(path: Path) -> None:
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            database.execute("VACUUM")
    except sqlite3.OperationalError as error:
        raise InputError(
            f"the records and their files are gone, but {path} could not be written anew ({error}), and may hold bytes of "
            f"deleted rows: stop what uses it, see that the disk has room for a copy of it, and run "
            f"`python -c \"import sqlite3; sqlite3.connect('{path}').execute('VACUUM')\"`"
        ) from error


def _of_version(database: sqlite3.Connection, name: str, version: str) -> _Chosen:
    row = database.execute(
        "SELECT source FROM model_versions WHERE name = ? AND version = ? AND current_stage != ?", (name, version, _MARKED)
    ).fetchone()
    if row is None:
        known = [
            str(found)
            for (found,) in database.execute(
                "SELECT version FROM model_versions WHERE name = ? AND current_stage != ? ORDER BY version", (name, _MARKED)
            )
        ]
        raise InputError(f"no version {version} of {name!r} is registered: its versions are {', '.join(known) or 'none'}")
    models = {row[0].removeprefix("models:/")} | _unregistered_models(database, name, version)
    return _with_marked(database, [(name, version)], models, _runs_of(database, name, version))


def _unforgetful(database: sqlite3.Connection, name: str, batch: int) -> _Chosen:
    """All of a model and its experiment but the versions that have forgotten a batch, and what belongs to these."""
    forgot = {
        str(version)
        for version, value in database.execute(
            "SELECT version, value FROM model_version_tags WHERE name = ? AND key = ?", (name, BATCH)
        )
        if int(value) >= batch
    }
    registered = {
        str(version): str(source)
        for version, source in database.execute(
            "SELECT version, source FROM model_versions WHERE name = ? AND current_stage != ?", (name, _MARKED)
        )
    }
    kept_models = {registered[version].removeprefix("models:/") for version in registered.keys() & forgot}
    kept_runs = {run for version in registered.keys() & forgot for run in _runs_of(database, name, version)}
    experiment = "experiment_id IN (SELECT experiment_id FROM experiments WHERE name = ?)"
    models = _column(database, f"SELECT model_id FROM logged_models WHERE {experiment}", [name]) - kept_models
    runs = _column(database, f"SELECT run_uuid FROM runs WHERE {experiment}", [name]) - kept_runs
    return _with_marked(database, [(name, version) for version in sorted(registered.keys() - forgot)], models, runs)


def _with_marked(database: sqlite3.Connection, versions: list[tuple[str, str]], models: set[str], runs: set[str]) -> _Chosen:
    """What was chosen, with whatever was marked as deleted before."""
    marked = database.execute(
        "SELECT name, version FROM model_versions WHERE current_stage = ? AND source != ''", (_MARKED,)
    ).fetchall()
    return _Chosen(
        [*versions, *((str(of), str(version)) for of, version in marked)],
        models | _column(database, "SELECT model_id FROM logged_models WHERE lifecycle_stage = 'deleted'"),
        runs | _column(database, "SELECT run_uuid FROM runs WHERE lifecycle_stage = 'deleted'"),
    )


def _nameless(root: Path, name: str) -> list[Path]:
    """The folders of a benchmark's artifacts that no row names, as a kill between rows and files leaves them."""
    folder = store.database(root).parent / "artifacts" / name.removeprefix("aru-")
    with closing(sqlite3.connect(f"{store.database(root).as_uri()}?mode=ro", uri=True)) as database:
        named = _column(database, "SELECT run_uuid FROM runs") | _column(database, "SELECT model_id FROM logged_models")
    return [path for path in sorted([*folder.glob("*"), *folder.glob("models/*")]) if path.name not in named | {"models"}]


def _delete(database: sqlite3.Connection, chosen: _Chosen) -> tuple[Purged, list[Path]]:
    """Delete the rows; returns the counts, and the folders whose files are to follow."""
    versions, models, runs = chosen.versions, chosen.models, chosen.runs
    folders = _folders(database, "SELECT artifact_location FROM logged_models WHERE model_id IN", models)
    folders += [folder.parent for folder in _folders(database, "SELECT artifact_uri FROM runs WHERE run_uuid IN", runs)]
    for table in ("registered_model_aliases", "model_version_tags"):
        database.executemany(f"DELETE FROM {table} WHERE name = ? AND version = ?", versions)
    database.executemany(f"UPDATE model_versions SET {_EMPTIED} WHERE name = ? AND version = ?", versions)
    _delete_where(
        database,
        "input_tags",
        "input_uuid",
        _column(
            database,
            f"SELECT input_uuid FROM inputs WHERE source_id IN {_marks(runs | models)} "
            f"OR destination_id IN {_marks(runs | models)}",
            [*(runs | models), *(runs | models)],
        ),
    )
    for end in ("source_id", "destination_id"):
        _delete_where(database, "inputs", end, runs | models)
    for table in (*_OF_RUNS, "runs"):
        _delete_where(database, table, "run_uuid", runs)
    _delete_where(database, "logged_model_metrics", "run_id", runs)
    for table in (*_OF_MODELS, "logged_models"):
        _delete_where(database, table, "model_id", models)
    unused = _column(
        database,
        "SELECT dataset_uuid FROM datasets WHERE dataset_uuid NOT IN "
        "(SELECT source_id FROM inputs WHERE source_type = 'DATASET')",
    )
    _delete_where(database, "datasets", "dataset_uuid", unused)
    return Purged(len(versions), len(models), len(runs), len(unused)), folders


def _unregistered_models(database: sqlite3.Connection, name: str, version: str) -> set[str]:
    """Logged models with the version's weights that no version refers to: of flows that failed before they registered one."""
    return _column(
        database,
        "SELECT t.model_id FROM logged_model_tags t "
        "JOIN model_version_tags w ON w.key = 'weights_md5' AND w.value = t.tag_value "
        "WHERE t.tag_key = 'weights_md5' AND w.name = ? AND w.version = ? "
        "AND 'models:/' || t.model_id NOT IN (SELECT source FROM model_versions WHERE source IS NOT NULL)",
        [name, version],
    )


def _runs_of(database: sqlite3.Connection, name: str, version: str) -> set[str]:
    """The flows that registered or measured these weights, those that failed before or whose version of them was deleted
    since, audits of them, and the runs below."""
    made = _column(
        database,
        "SELECT a.run_uuid FROM tags a JOIN tags b ON a.run_uuid = b.run_uuid WHERE a.key = 'model_name' "
        "AND a.value = ? AND b.key = 'model_version' AND b.value = ?",
        [name, version],
    )
    audits = _column(
        database,
        "SELECT a.run_uuid FROM tags a JOIN tags b ON a.run_uuid = b.run_uuid "
        "JOIN model_version_tags w ON w.key = 'weights_md5' AND w.value = b.value "
        "WHERE a.key = 'kind' AND a.value = 'audit' AND b.key = 'weights_md5' AND w.name = ? "
        "AND w.version = ?",
        [name, version],
    )
    unfinished = _column(
        database,
        "SELECT parent.value FROM tags weights "
        "JOIN tags model ON model.run_uuid = weights.run_uuid AND model.key = 'model' AND model.value = 'unlearned' "
        "JOIN tags parent ON parent.run_uuid = weights.run_uuid AND parent.key = 'mlflow.parentRunId' "
        "JOIN model_version_tags w ON w.key = 'weights_md5' AND w.value = weights.value "
        "WHERE weights.key = 'weights_md5' AND w.name = ? AND w.version = ? "
        "AND parent.value NOT IN (SELECT a.run_uuid FROM tags a JOIN tags b ON a.run_uuid = b.run_uuid JOIN model_versions v "
        "ON v.name = a.value AND CAST(v.version AS TEXT) = b.value AND v.current_stage != ? "
        "WHERE a.key = 'model_name' AND b.key = 'model_version')",
        [name, version, _MARKED],
    )
    found = made | audits | unfinished
    below = f"SELECT run_uuid FROM tags WHERE key = 'mlflow.parentRunId' AND value IN {_marks(found)}"
    return found | _column(database, below, list(found))


def _show_newest(root: Path, benchmark: str) -> None:
    """Let the experiment's view of the newest flow's models show the newest one that is left."""
    experiment = store.find_experiment(root, benchmark)
    if experiment is None:
        return
    for key, value in models_tag(models_filter(last_run(root, benchmark) or "")).items():
        store.client(root).set_experiment_tag(experiment.experiment_id, key, value)


def _folders(database: sqlite3.Connection, query: str, ids: set[str]) -> list[Path]:
    places = _column(database, f"{query} {_marks(ids)}", list(ids))
    return [path for place in sorted(places) if (path := store.local_path(place)) is not None]


def _delete_where(database: sqlite3.Connection, table: str, column: str, values: Iterable[str]) -> None:
    database.executemany(f"DELETE FROM {table} WHERE {column} = ?", [(value,) for value in values])


def _column(database: sqlite3.Connection, query: str, values: Iterable[str] = ()) -> set[str]:
    return {str(row[0]) for row in database.execute(query, list(values))}


def _marks(values: Iterable[str]) -> str:
    return f"({', '.join('?' for _ in values)})"


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m flows.tracking.purge", description=__doc__.partition("\n")[0])
    parser.add_argument("name", help="the registered model, as aru-faces")
    parser.add_argument("version", help="its version, as 3")
    parser.add_argument("--prefect", action="store_true", help="Prefect's records of all flows, too")
    options = parser.parse_args(arguments)
    try:
        root = find_project(Path.cwd())
        purged = purge(root, options.name, options.version)
        if options.prefect:
            purge_prefect(root)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(
        f"gone, with their files: {purged.versions} versions, {purged.models} logged models, {purged.runs} runs, "
        f"{purged.data_sets} data sets"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
