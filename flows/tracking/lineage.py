"""Which data a model saw: DVC's digests as MLflow data sets, from a run back to them and forward again."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from mlflow.entities import Dataset, DatasetInput, InputTag, Run

from aru.core.config import load_archive
from aru.core.errors import InputError
from aru.core.files import file_md5
from aru.core.names import ORIGINAL, SETS
from aru.data.manifest import read_manifest
from flows.project.digests import folder_md5
from flows.tracking import runs, store

_CONTEXT = "mlflow.data.context"
TRAINED, UNLEARNED, MEASURED, SOURCE = "trained on", "unlearned", "measured on", "source"
ELSEWHERE = "said to be trained on"
"""What an imported original did with forget and retain: it was trained elsewhere, and only its owner can know on what."""
_FILES = {"archive": SOURCE, "manifest": SOURCE, "images": SOURCE}
USES = {
    "original": {"forget": TRAINED, "retain": TRAINED, "test": MEASURED, "unseen": MEASURED} | _FILES,
    "unlearned": {"forget": UNLEARNED, "retain": TRAINED, "test": MEASURED, "unseen": MEASURED} | _FILES,
    "retrained": {"forget": MEASURED, "retain": TRAINED, "test": MEASURED, "unseen": MEASURED} | _FILES,
}
"""What each model did with each set; the contexts under which they appear in MLflow."""
_PAGE = 1000


@dataclass(frozen=True)
class ModelUse:
    """A model and what it did with the data; `version` where it is registered, `method` where it was unlearned by one."""

    benchmark: str
    model: str
    context: str
    dataset: str
    flow_run: str
    run_id: str
    version: str
    method: str


def uses(model: str, *, imported: bool) -> dict[str, str]:
    """{data set: what a model did with it}; `imported`: whether the original was trained elsewhere."""
    if not (imported and model == ORIGINAL):
        return USES[model]
    return {name: ELSEWHERE if context == TRAINED else context for name, context in USES[model].items()}


def data_sets(root: Path, benchmark: str) -> dict[str, Dataset]:
    """The archive, the manifest, the images and the four sets, by name.

    Files have DVC's md5. A set has the digest that DVC would give a folder of just its files: it changes when, and
    only when, the set's images do, whatever else is in the archive.
    """
    prepared = Path("work") / benchmark / "prepared"
    files = {
        "archive": load_archive(Path(root) / "params.yaml", benchmark),
        "manifest": prepared / "manifest.csv",
        "images": prepared / "images.npy",
    }
    manifest = read_manifest(Path(root) / files["manifest"])
    found = {name: _data_set(name, file_md5(Path(root) / path), path, _profile(manifest)) for name, path in files.items()}
    for name in SETS:
        rows = manifest[manifest["role"] == name]
        digest = folder_md5(dict(zip(rows["path"], rows["digest"], strict=True)))
        found[name] = _data_set(name, digest, files["manifest"], _profile(rows))
    return found


def inputs(found: dict[str, Dataset], contexts: dict[str, str]) -> list[DatasetInput]:
    """Data sets as a run takes them, each with what it was used for."""
    return [DatasetInput(found[name], [InputTag(_CONTEXT, context)]) for name, context in contexts.items()]


def logged(run: Run) -> dict[str, Dataset]:
    """The data sets of a run, by name."""
    return {item.dataset.name: item.dataset for item in run.inputs.dataset_inputs} if run.inputs else {}


def models_of_digest(root: Path, digest: str) -> list[ModelUse]:
    """Every model that saw the data of this digest, newest flow first.

    The digest is an archive's, a manifest's, images.npy's, or a set's (36 characters, ending in ``.dir``): as the
    pages show it, or as dvc.lock has it.
    """
    if not 32 <= len(digest) <= 36 or not set(digest.removesuffix(".dir")) <= set("0123456789abcdef"):
        raise InputError(f"{digest!r} is not a digest: give the 32 hex digits of dvc.lock or of an MLflow data set")
    found = [use for run in _runs_with(root, digest) for use in _uses_in(run, digest)]
    if not found:
        return []
    client = store.client(root)
    numbers = {use.flow_run: runs.number(client.get_run(use.flow_run)) for use in found}
    return sorted(found, key=lambda use: numbers[use.flow_run], reverse=True)


def _runs_with(root: Path, digest: str) -> Iterator[Run]:
    store.ensure_store(root)
    client = store.client(root)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    token = None
    while True:
        page = client.search_runs(
            experiments, f"dataset.digest = '{digest}' AND tags.kind = 'model'", max_results=_PAGE, page_token=token
        )
        yield from page
        token = page.token
        if not token:
            return


def _uses_in(run: Run, digest: str) -> Iterator[ModelUse]:
    tags = run.data.tags
    for item in run.inputs.dataset_inputs if run.inputs else []:
        if item.dataset.digest == digest:
            context = next((tag.value for tag in item.tags if tag.key == _CONTEXT), "")
            yield ModelUse(
                tags["benchmark"],
                tags["model"],
                context,
                item.dataset.name,
                tags["mlflow.parentRunId"],
                run.info.run_id,
                tags.get("model_version", ""),
                tags.get("method", ""),
            )


def _data_set(name: str, digest: str, path: Path, profile: dict[str, int]) -> Dataset:
    return Dataset(
        name=name,
        digest=digest,
        source_type="local",
        source=json.dumps({"uri": Path(path).as_posix()}),
        schema=None,
        profile=json.dumps(profile),
    )


def _profile(rows: pd.DataFrame) -> dict[str, int]:
    return {"images": len(rows), "photos": rows["photo"].nunique(), "people": rows["subject"].nunique()}
