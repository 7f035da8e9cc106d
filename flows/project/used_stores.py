"""Stores that a project has sent files to: a person's data have to be removed there, too (`aru store clean`)."""

import json
from pathlib import Path

from aru.core.files import json_text
from flows.project.private import private_folder, write_private

_NAME = "stores.json"


def used_stores(root: Path) -> dict[str, list[str]]:
    """The URLs of stores with the benchmarks of which they have files."""
    path = Path(root) / ".aru" / _NAME
    return json.loads(path.read_bytes()) if path.is_file() else {}


def remember_store(root: Path, url: str, benchmark: str) -> None:
    """Put a store on record, before anything of the benchmark goes there."""
    stores = used_stores(root)
    stores[url] = sorted({*stores.get(url, []), benchmark})
    _write(root, stores)


def forget_store(root: Path, url: str, benchmark: str) -> None:
    """Take a store off the record that has no files of the benchmark any more."""
    stores = used_stores(root)
    left = [name for name in stores.get(url, []) if name != benchmark]
    _write(root, {key: names for key, names in {**stores, url: left}.items() if names})


def _write(root: Path, stores: dict[str, list[str]]) -> None:
    write_private(private_folder(root) / _NAME, json_text(stores).encode())
