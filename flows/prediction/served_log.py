"""`.aru/served.jsonl`: which version answered from when on. A certificate takes from it since when nobody was answered by a
model that knew the person."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict

from flows.project.private import private_folder

_FILE = "served.jsonl"


class Served(TypedDict):
    """A version of a registered model that a server took up: when (UTC, ISO 8601), its weights, its last batch of requests."""

    at: str
    model: str
    version: str
    weights_md5: str
    batch: int


def log_served(root: Path, model: str, version: str, weights_md5: str, batch: int) -> Served:
    """Add that a server answers with this version from now on. The line is on the disk when this returns."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    entry = Served(at=now, model=model, version=version, weights_md5=weights_md5, batch=batch)
    path = private_folder(root) / _FILE
    cut_off = path.is_file() and not path.read_bytes().endswith(b"\n") and path.stat().st_size > 0
    target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with open(target, "a", encoding="utf-8") as file:
        file.write("\n" * cut_off + json.dumps(entry) + "\n")
        file.flush()
        os.fsync(file.fileno())
    return entry


def read_served(root: Path, model: str) -> list[Served]:
    """All entries of a model in order; a line that a kill or a full disk cut off is left out."""
    path = private_folder(root) / _FILE
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").rpartition("\n")[0].splitlines()
    return [entry for line in lines if line.endswith("}") and (entry := json.loads(line))["model"] == model]


def forgotten_since(root: Path, model: str, batch: int) -> str | None:
    """When this project's server took up a version that has forgotten a batch, after which no older one was taken up again;
    None where no server has, or an older one answers."""
    since = None
    for entry in read_served(root, model):
        if entry["batch"] < batch:
            since = None
        elif since is None:
            since = entry["at"]
    return since
