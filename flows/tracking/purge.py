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
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from aru.core.errors import InputError
from flows.project.folder import find_project, project_lock
from flows.servers.local_servers import running_api
from flows.tracking import store
from flows.tracking.links import last_run, models_filter
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


def purge(root: Path, name: str, version: str) -> Purged:
    """Take out a version: all but its number, with its aliases and tags, its logged model, every run that made, measured or
    audited it and what lies below these, their artifacts, and the data sets that no run refers to any more.

    Flows of the same weights that failed before they had a version go, too, and what they had stored of the model.

    Raises InputError for a version that is not there, for a store that is not the project's own file or is in use, and where
    files could not be removed.
    """
    root = Path(root).resolve()
    if not store.is_local(root):
        raise InputError("MLFLOW_TRACKING_URI names another store: unset it, or purge there with that server's own means")
    with project_lock(root):
        store.ensure_store(root)
        path = store.database(root)
        try:
            with closing(sqlite3.connect(path)) as database, database:
                database.execute("PRAGMA secure_delete = ON")
                purged, folders = _delete(database, name, version)
        except sqlite3.OperationalError as error:  # all of it was rolled back
            raise InputError(
                f"{path} is in use ({error}): stop `aru ui` and whatever else reads it; nothing was purged"
            ) from error
        # The rows that name the files are gone: whatever fails from here on, the files follow at once.
        left = _remove([*folders, path.parent / "server.log"])
        _show_newest(root, name.removeprefix("aru-"))
        _rewrite(path)
        _refuse_leftovers(left)
    return purged


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


def _delete(database: sqlite3.Connection, name: str, version: str) -> tuple[Purged, list[Path]]:
    """Delete the rows; returns the counts, and the folders whose files are to follow."""
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
    models |= _column(database, "SELECT model_id FROM logged_models WHERE lifecycle_stage = 'deleted'")
    runs = _runs_of(database, name, version) | _column(database, "SELECT run_uuid FROM runs WHERE lifecycle_stage = 'deleted'")
    folders = _folders(database, "SELECT artifact_location FROM logged_models WHERE model_id IN", models)
    folders += [folder.parent for folder in _folders(database, "SELECT artifact_uri FROM runs WHERE run_uuid IN", runs)]
    versions = [
        (name, version),
        *database.execute(
            "SELECT name, version FROM model_versions WHERE current_stage = ? AND source != ''", (_MARKED,)
        ).fetchall(),
    ]
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
