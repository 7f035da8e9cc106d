"""What params.yaml says for a batch: its photos, the model in production as the original, the parameters of an escalation."""

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aru.core.config import load_config
from aru.core.files import atomic_path, file_md5
from aru.core.folders import FOLDERS
from flows.project import versioning
from flows.project.params import PARAMS_FILE, Edit, load, propose, section
from flows.project.private import private_folder, write_private
from flows.project.sparse_params import default
from flows.tracking.production import Production
from flows.tracking.registry import fetch_weights

_MODELS = "models"
RETRAIN = "retrain"
"""The method that trains again, without everyone forgotten."""
Settings = Sequence[tuple[str, Any]]


def batch_originals(benchmark: str) -> tuple[str, str]:
    """The files that batches make the original: the model that the project has trained, then the one in production."""
    return f"{_MODELS}/{benchmark}-trained.safetensors", f"{_MODELS}/{benchmark}-production.safetensors"


def forget_settings(files: Sequence[str]) -> list[tuple[str, Any]]:
    """The settings that forget these photos, by their paths in the archive."""
    return [("data.forget.files", sorted(set(files)))]


def original_settings(root: Path, benchmark: str, name: str, production: Production | None) -> list[tuple[str, Any]]:
    """The settings that make the version in production the original, whose weights are brought to models/ and tracked by DVC.

    None where nothing is in production: the original stays what it is.
    """
    if production is None:
        return []
    file = batch_originals(benchmark)[1]
    target = Path(root) / file
    target.parent.mkdir(exist_ok=True)
    if not target.is_file() or file_md5(target) != production.weights_md5:
        with tempfile.TemporaryDirectory() as folder, atomic_path(target) as temporary:
            shutil.copyfile(fetch_weights(root, name, production.version, Path(folder))[1], temporary)
    versioning.track(root, file)
    return [("model.original", file), ("model.original_md5", production.weights_md5)]


def trained_original_settings(root: Path, benchmark: str) -> list[tuple[str, Any]]:
    """The settings that make the model that the project has trained its original, as a file in models/ that DVC tracks.

    For a first batch: what the suppression list takes along, as somebody's photo that looks like one of theirs, changes the
    training data, and the batch would begin by training another original. None where the original is a file already, or none
    was trained.
    """
    trained = Path(root) / "work" / benchmark / FOLDERS["train"] / "model.safetensors"
    if load_config(root / PARAMS_FILE, benchmark).model.original is not None or not trained.is_file():
        return []
    file = batch_originals(benchmark)[0]
    target = Path(root) / file
    target.parent.mkdir(exist_ok=True)
    with atomic_path(target) as temporary:
        shutil.copyfile(trained, temporary)
    versioning.track(root, file)
    return [("model.original", file), ("model.original_md5", file_md5(target))]


def retraining(root: Path, benchmark: str) -> dict[str, Any]:
    """The settings that train again by the benchmark's own recipe; a retrained reference beside it would be the same model."""
    recipe = load_config(root / PARAMS_FILE, benchmark).train.model_dump(mode="json")
    return {**{f"unlearn.{RETRAIN}.{name}": value for name, value in recipe.items()}, "evaluate.retrained": False}


def propose_batch(root: Path, benchmark: str, settings: Settings, step: Mapping[str, Any]) -> Edit:
    """The change of params.yaml for a batch: `settings`, and in place of an earlier escalation's parameters those of `step`.

    Parameters that an earlier step set, and that nobody has changed since, go back to what they were before it.
    """
    path = root / PARAMS_FILE
    earlier = [
        (name, before) for name, (before, tried) in _tried(root, benchmark).items() if _now(path, benchmark, name) == tried
    ]
    return propose(path, benchmark, [*earlier, *step.items(), *settings])


def remember_step(root: Path, benchmark: str, step: Mapping[str, Any]) -> None:
    """Note what the parameters of a step are now, before it is written, for the batch after it to take back."""
    path, earlier = root / PARAMS_FILE, _tried(root, benchmark)
    kept = {}
    for name, value in step.items():
        before, tried = earlier.get(name, [None, None])
        now = _now(path, benchmark, name)
        kept[name] = [before if name in earlier and now == tried else now, value]
    write_private(_note(root, benchmark), json.dumps(kept).encode())


def _tried(root: Path, benchmark: str) -> dict[str, list[Any]]:
    path = _note(root, benchmark)
    return json.loads(path.read_bytes()) if path.is_file() else {}


def _note(root: Path, benchmark: str) -> Path:
    return private_folder(root) / f"escalation-{benchmark}.json"


def _now(path: Path, benchmark: str, name: str) -> Any:
    """A parameter as the file has it, by its dotted name; its default where the file has none."""
    value: Any = section(load(path), benchmark, path)
    for part in name.split("."):
        if not isinstance(value, dict) or part not in value:
            return default(name)
        value = value[part]
    return value
