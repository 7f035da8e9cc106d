"""Making MLflow stores; light to import, for processes that do nothing else."""

from multiprocessing.synchronize import Barrier
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname


def path_of(uri: str) -> Path:
    """The file or folder that a `file:` URI names."""
    assert uri.startswith("file:///")
    return Path(url2pathname(urlparse(uri).path))


def make_store(root: Path) -> None:
    """Make the MLflow store of a project, with an experiment."""
    from flows.tracking import store

    store.ensure_store(root)
    store.experiment_id(root, "faces")


def make_with_others(root: Path, barrier: Barrier) -> None:
    """Make it at the moment when all that wait at the barrier do."""
    barrier.wait()
    make_store(root)
