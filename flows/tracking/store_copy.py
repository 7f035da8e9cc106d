"""MLflow's store of one benchmark copied into another project, as it is at one moment, also while runs are written to it."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from flows.tracking import store


def copy_store(root: Path, target: Path, folder: str) -> None:
    """Give the project `target`, which has no store yet, a copy of the database of `root` and of the artifacts in `folder`.

    Files are copied, never linked, and the paths in the copied database lead to the copied files. Where `root` has no
    database of its own the store begins empty.
    """
    source, copy = store.database(root), store.database(target)
    if source.is_file():
        copy.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(source)) as database:
            database.execute("VACUUM INTO ?", (str(copy),))
        artifacts = source.parent / "artifacts" / folder
        if artifacts.is_dir():
            shutil.copytree(artifacts, copy.parent / "artifacts" / folder, copy_function=shutil.copyfile)
    store.ensure_store(target)
