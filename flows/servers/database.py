"""The faults of the SQLite databases of MLflow and Prefect, each in one sentence.

MLflow's is looked at in a second, before the hours whose results it is to hold. Prefect's is its server's alone: what is wrong
with it stands in the server's log.
"""

import re
import shutil
import sqlite3
from contextlib import closing
from importlib.metadata import version as installed
from importlib.util import find_spec
from pathlib import Path

from aru.core.errors import InputError

_TAIL, _WAIT_SECONDS, _LEAST_FREE = 50_000, 1.0, 1 << 20
_PREFECT_FAULTS = {
    "disk is full": "cannot grow: the disk is full, free some space",
    "malformed": "is damaged",
    "file is not a database": "is damaged",
    "Can't locate revision": "is of another release of Prefect",
    "readonly database": "cannot be written by this user",
}
_BACKUP = "bring it back from a backup, or move it away, and a new one is begun"


def check_database(path: Path) -> None:
    """Raise InputError where the file is empty, damaged, not MLflow's, of another MLflow's schema, or cannot be written."""
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty, cut short by a full disk or an interrupted copy: {_BACKUP}")
    try:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=_WAIT_SECONDS)) as database:
            found = database.execute("PRAGMA quick_check(1)").fetchone()[0]
            if found != "ok":
                raise InputError(f"{path} is damaged ({found}): {_BACKUP}")
            row = database.execute("SELECT version_num FROM alembic_version").fetchone()
            database.execute("BEGIN")
            database.execute("UPDATE alembic_version SET version_num = version_num")
            database.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        if "locked" in str(error):  # somebody writes: it is in use, and whoever comes next waits
            return
        if "no such table" in str(error):
            raise InputError(f"{path} is no database of MLflow's ({error}): {_BACKUP}") from None
        raise InputError(
            f"{path} cannot be written ({error}): runs are recorded in it; make it and its folder writable for this user"
        ) from None
    except sqlite3.DatabaseError as error:
        raise InputError(f"{path} is damaged ({error}): {_BACKUP}") from None
    _check_schema(path, row[0] if row else "none")


def prefect_fault(root: Path, error: Exception) -> str | None:
    """What is wrong with the project's Prefect database, where that explains an error of its server; None otherwise."""
    folder = Path(root) / ".prefect"
    if not folder.is_dir() or not _from_server(error):
        return None
    logs = sorted(folder.glob("*.log"), key=lambda path: path.stat().st_mtime)
    said = logs[-1].read_text(encoding="utf-8", errors="replace")[-_TAIL:] if logs else ""
    fault = next((fault for words, fault in _PREFECT_FAULTS.items() if words in said), None)
    if shutil.disk_usage(folder).free < _LEAST_FREE:  # the log, on the same disk, could not say so
        fault = _PREFECT_FAULTS["disk is full"]
    if fault is None:
        return None
    return (
        f"Prefect's database in {folder} {fault}. Finished stages are kept; the folder holds records of runs alone and "
        "may be moved away while no server runs, a new one is then begun"
    )


def _from_server(error: BaseException | None) -> bool:
    """Whether an error, or what it came of, is that Prefect's server failed at a request or did not start."""
    if error is None:
        return False
    failed = getattr(getattr(error, "response", None), "status_code", 0) >= 500
    said = "500 Internal Server Error" in str(error) or "Prefect did not start" in str(error)
    return failed or said or _from_server(error.__cause__ or error.__context__)


def _check_schema(path: Path, found: str) -> None:
    revisions = _revisions()
    before = {revision for earlier in revisions.values() for revision in earlier}
    if found in revisions.keys() - before:
        return
    if found in revisions:
        raise InputError(
            f"{path} is of an older MLflow (schema {found}): copy it, then bring it up to date with "
            "`mlflow db upgrade sqlite:///mlruns/mlflow.db` in the project's folder"
        )
    raise InputError(
        f"{path} is of another MLflow, probably a newer one (its schema {found} is unknown to the installed "
        f"{installed('mlflow')}): install that one, or {_BACKUP}"
    )


def _revisions() -> dict[str, list[str]]:
    """The installed MLflow's schemas, each with those that it follows, read from the text of its migrations: Alembic would
    import all sixty of them, which takes as long as all else of the look at the database."""
    package = find_spec("mlflow")
    assert package is not None and package.origin is not None
    found = {}
    for file in Path(package.origin).parent.glob("store/db_migrations/versions/[!_]*.py"):
        lines = {
            line.partition(" = ")[0]: re.findall(r"[\"'](\w+)[\"']", line)
            for line in file.read_text(encoding="utf-8").splitlines()
            if re.match(r"(down_)?revision = ", line)
        }
        found[lines["revision"][0]] = lines["down_revision"]
    return found
