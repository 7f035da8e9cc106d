"""The registered models: unlearned models under a name, a version, and an alias; ready to use and to train further."""

import json
import logging
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
from mlflow import MlflowClient
from mlflow.entities import LoggedModel, LoggedModelOutput, LoggedModelStatus, Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from aru.audit.audit_file import AuditRecord
from aru.core.config import Config, Release
from aru.core.cost_record import StageSeconds
from aru.core.errors import InputError
from aru.core.files import file_md5
from aru.core.names import UNLEARNED
from aru.methods.chosen import parameters, settings_of, text_of
from aru.reporting.run.results import read_costs
from flows.project.pseudonyms import load_pseudonyms
from flows.tracking import gate, lineage, runs, store
from flows.tracking.descriptions import model_note, version_note
from flows.tracking.gate import CANDIDATE
from flows.tracking.metric_keys import model_figures

if TYPE_CHECKING:
    from torch import nn

    from flows.tracking.exports import Export

_WEIGHTS_FILE = "model.safetensors"
WEIGHTS = f"extra_files/{_WEIGHTS_FILE}"
_FILES = ("MLmodel", "data/model.pt2", WEIGHTS)
_FIGURES = {
    "nomus": "nomus",
    "forgetting_score": "mia/forgetting_score",
    "test_accuracy": "test/accuracy",
    "balanced_accuracy": "test/balanced_accuracy",
}
_DATA = ("archive", "manifest", "forget", "retain")
_KEPT = ("method", "git_commit", "git_dirty", "aru_version", "aru_sha256", "state")
_ALIAS = "alias"
_GLOBAL_URI = threading.Lock()
log = logging.getLogger("aru")


def model_name(benchmark: str) -> str:
    """The registered model of a benchmark."""
    return f"aru-{benchmark}"


@dataclass(frozen=True, eq=False)
class Entry:
    """What the registry keeps of an unlearned model.

    name: of the registered model. settings: all parameters, without names of people; parameters: the method's, in one line.
    weights: by model, the MD5 of its file. note: the registered model's page; further: how a version is loaded to be trained,
    from its number. export: makes what is stored, only where it is not stored yet.
    """

    name: str
    benchmark: str
    metrics: Mapping[str, Any]
    costs: Mapping[str, StageSeconds]
    method: str
    settings: Mapping[str, Any]
    parameters: str
    weights: Mapping[str, str]
    note: str
    further: Callable[[str], str]
    export: "Callable[[], Export]"


def register(
    root: Path,
    run_id: str,
    *,
    benchmark: str,
    work: Path,
    metrics: Mapping[str, Any],
    config: Config,
    audit: AuditRecord,
) -> tuple[str, str]:
    """Register a flow's unlearned model (`register_entry`); returns (name, version)."""
    name, work = model_name(benchmark), Path(work)
    entry = Entry(
        name=name,
        benchmark=benchmark,
        metrics=metrics,
        costs=read_costs(work),
        method=config.method,
        settings=load_pseudonyms(root, benchmark).content(settings_of(config)),
        parameters=text_of(parameters(config)),
        weights={model: file_md5(work / model / _WEIGHTS_FILE) for model in metrics["models"]},
        note=model_note(benchmark, name),
        further=lambda version: f'load_registered(".", "{name}", "{version}")',
        export=lambda: _export(work, config),
    )
    return name, register_entry(root, run_id, entry, audit=audit, release=config.audit.release)


def register_entry(root: Path, run_id: str, entry: Entry, *, audit: AuditRecord, release: Release) -> str:
    """Register an unlearned model and let it through the gate (`flows.tracking.gate`); returns the version.

    Weights that are a version already are not registered again: the alias moves to that version. Files of it that were
    deleted or changed by hand are written again; a version whose model itself was deleted is left, and a new one made.
    """
    client, name = store.client(root), entry.name
    _ensure_model(client, entry)
    version = version_of(client, name, entry.weights[UNLEARNED])
    if version is not None and not _mended(root, client.get_model_version(name, version), entry):
        version = None
    if version is None:
        version = _new_version(root, run_id, entry)
    else:
        log.info("%s version %s has these very weights: not registered again", name, version)
        client.set_model_version_tag(name, version, "measured_again_by", run_id)
    _describe(client, client.get_run(run_id), version, entry)
    _connect(client, run_id, name, version)
    gate.assign_alias(client, name, version, audit, release)
    show_aliases(client, name)
    return version


def assign_alias(root: Path, name: str, version: str, *, config: Config, audit: AuditRecord) -> None:
    """Let a version that is registered already through the gate again: it may be the one to which a rollback returns."""
    client = store.client(root)
    gate.assign_alias(client, name, version, audit, config.audit.release)
    show_aliases(client, name)


def aliases(root: Path, name: str, version: str) -> tuple[str, ...]:
    """The aliases that the registry holds for a version, sorted."""
    held = store.client(root).get_registered_model(name).aliases
    return tuple(sorted(alias for alias, of in held.items() if str(of) == version))  # an integer from SQLite


def registered(root: Path, run_id: str) -> tuple[str, str] | None:
    """(name, version) that a flow's run registered; None where it did not, or the version or its files were deleted since."""
    client = store.client(root)
    tags = client.get_run(run_id).data.tags
    if "model_version" not in tags:
        return None
    try:
        found = client.get_model_version(tags["model_name"], tags["model_version"])
    except MlflowException as error:
        store.check_absent(error)
        return None
    return (found.name, str(found.version)) if is_whole(root, found) else None


def version_of(client: MlflowClient, name: str, digest: str) -> str | None:
    """The newest version that has weights of this digest; None where none has."""
    found = client.search_model_versions(f"name = '{name}' AND tags.weights_md5 = '{digest}'")
    return max((str(version.version) for version in found), key=int, default=None)


def load_registered(
    root: Path, name: str, alias_or_version: str = CANDIDATE, network: "nn.Module | None" = None
) -> "nn.Module":
    """A registered model from its safetensors, in evaluation mode: it can be trained and unlearned further.

    network: of the kind that was unlearned, needed for a model that `log_unlearned` registered; it is not changed.
    """
    from aru.library.saved import load
    from aru.nets.models import load_model

    with tempfile.TemporaryDirectory() as folder:
        weights = fetch_weights(root, name, alias_or_version, Path(folder))[1]
        return load_model(weights) if network is None else load(weights.parent, network)


def fetch_weights(root: Path, name: str, alias_or_version: str, folder: Path) -> tuple[str, Path]:
    """The version that is meant, and its safetensors, brought to `folder`."""
    version = find_version(store.client(root), name, alias_or_version)
    return str(version.version), Path(_download(root, version, WEIGHTS, str(folder)))


def weights_file(root: Path, name: str, version: str) -> Path | None:
    """Where the project's own store keeps a version's weights; None where they are elsewhere."""
    client = store.client(root)
    folder = store.local_path(client.get_logged_model(_model_id(find_version(client, name, version))).artifact_location)
    return folder / WEIGHTS if folder is not None else None


def version_tags(root: Path, name: str, version: str) -> dict[str, str]:
    """What the registry says of a version: digests, code, figures."""
    return dict(find_version(store.client(root), name, version).tags)


def names(root: Path) -> list[str]:
    """The registered models of the project; none where it has no store yet."""
    if store.is_local(root) and not store.database(root).is_file():
        return []
    return sorted(model.name for model in store.client(root).search_registered_models())


def find_version(client: MlflowClient, name: str, alias_or_version: str) -> ModelVersion:
    """A version by its number or an alias; InputError where there is none."""
    try:
        if alias_or_version.isdecimal():
            return client.get_model_version(name, alias_or_version)
        return client.get_model_version_by_alias(name, alias_or_version)
    except MlflowException as error:
        store.check_absent(error)
        known = ", ".join(model.name for model in client.search_registered_models()) or "none"
        raise InputError(
            f"no registered model {name!r} with version or alias {alias_or_version!r} (registered: {known}): {error.message}"
        ) from error


def _download(root: Path, version: ModelVersion, path: str, folder: str) -> str:
    try:
        location = store.client(root).get_model_version_download_uri(version.name, str(version.version))
        return mlflow.artifacts.download_artifacts(
            artifact_uri=f"{location}/{path}", dst_path=folder, tracking_uri=store.tracking_uri(root)
        )
    except (MlflowException, OSError) as error:
        raise InputError(
            f"version {version.version} of {version.name} has no {path}: it was not registered by `aru run`, or "
            "its files were deleted. Name another version, or the weights as a .safetensors file"
        ) from error


def _model_id(version: ModelVersion) -> str:
    return str(version.source).removeprefix("models:/")


def show_aliases(client: MlflowClient, name: str) -> None:
    """Let every flow's run say in its tag `alias` which aliases its version has now: a column of the runs table."""
    held: dict[str, list[str]] = {}
    for alias, version in sorted(client.get_registered_model(name).aliases.items()):
        held.setdefault(str(version), []).append(alias)
    for run in runs.search_all(client, f"tags.kind = 'flow' AND tags.model_name = '{name}'"):
        now = ", ".join(held.get(run.data.tags.get("model_version", ""), []))
        if now and now != run.data.tags.get(_ALIAS):
            client.set_tag(run.info.run_id, _ALIAS, now)
        elif not now and _ALIAS in run.data.tags:
            client.delete_tag(run.info.run_id, _ALIAS)


def _ensure_model(client: MlflowClient, entry: Entry) -> None:
    known = client.search_registered_models(f"name = '{entry.name}'")
    if not known:
        client.create_registered_model(entry.name, tags={"benchmark": entry.benchmark}, description=entry.note)
    elif known[0].description != entry.note:
        client.update_registered_model(entry.name, description=entry.note)


def _new_version(root: Path, run_id: str, entry: Entry) -> str:
    client = store.client(root)
    flow = client.get_run(run_id)
    tags = _version_tags(flow, entry)
    model_id = _log_model(root, flow, entry, tags)
    figures = model_figures(entry.metrics, entry.costs, UNLEARNED)
    runs.log(client, flow, metrics=runs.points(flow, figures, data=lineage.logged(flow), model_id=model_id))
    with global_uri(store.tracking_uri(root)):
        made = client.create_model_version(
            entry.name, source=f"models:/{model_id}", run_id=run_id, tags=tags, model_id=model_id
        )
    return str(made.version)


def _describe(client: MlflowClient, flow: Run, version: str, entry: Entry) -> None:
    """Write a version's page, and the version on its logged model's.

    Where the flow that registered it did not finish, the next one with these weights does, and the version leads back to that.
    """
    name = entry.name
    made, run_id = client.get_model_version(name, version), flow.info.run_id
    if made.description and _is_finished(client, made.tags["flow_run"]):
        return
    note = version_note(
        entry.metrics,
        entry.costs,
        method=entry.method,
        parameters=entry.parameters,
        run=flow.info.run_name,
        run_id=run_id,
        further=entry.further(version),
    )
    if made.tags["flow_run"] != run_id:
        client.set_model_version_tag(name, version, "flow_run", run_id)
    client.set_logged_model_tags(_model_id(made), {"mlflow.modelVersions": json.dumps([{"name": name, "version": version}])})
    client.update_model_version(name, version, note)  # last: its description says that the rest is done


def _is_finished(client: MlflowClient, run_id: str) -> bool:
    try:
        return client.get_run(run_id).info.status == "FINISHED"
    except MlflowException as error:  # removed by `mlflow gc`
        store.check_absent(error)
        return False


def _connect(client: MlflowClient, run_id: str, name: str, version: str) -> None:
    """Tie a flow's run, and its unlearned model's, to the version."""
    flow = client.get_run(run_id)
    client.log_outputs(run_id, [LoggedModelOutput(_model_id(client.get_model_version(name, version)), step=0)])
    for run in (flow, *_unlearned_runs(client, flow)):
        client.set_tag(run.info.run_id, "model_name", name)
        client.set_tag(run.info.run_id, "model_version", version)


def _log_model(root: Path, flow: Run, entry: Entry, tags: dict[str, str]) -> str:
    """Store the model among the experiment's models and check that what was stored loads; returns its id."""
    client = store.client(root)
    logged = client.create_logged_model(
        flow.info.experiment_id,
        name=UNLEARNED,
        source_run_id=flow.info.run_id,
        tags=tags,
        params=runs.flatten(entry.settings),
        model_type="image classifier",
    )
    try:
        _fill(root, logged, entry)
    except BaseException:  # MLflow would register the empty model all the same
        client.finalize_logged_model(logged.model_id, LoggedModelStatus.FAILED)
        raise
    client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
    return logged.model_id


def _mended(root: Path, version: ModelVersion, entry: Entry) -> bool:
    """Whether a version has its files, written again where they were not as they should be."""
    if is_whole(root, version):
        return True
    try:
        logged = store.client(root).get_logged_model(_model_id(version))
    except MlflowException as error:
        store.check_absent(error)
        return False
    log.info("the files of %s version %s are missing or damaged: written again", version.name, version.version)
    _fill(root, logged, entry)
    return True


def _fill(root: Path, logged: LoggedModel, entry: Entry) -> None:
    from flows.tracking import exports  # needs PyTorch, which takes seconds to import and is not needed where nothing is new

    exports.fill(root, logged, entry.export())


def _export(work: Path, config: Config) -> "Export":
    from flows.tracking import exports

    return exports.of_weights(work / UNLEARNED / _WEIGHTS_FILE, side=config.data.resolution)


def is_whole(root: Path, version: ModelVersion) -> bool:
    """Whether a version's files are there and its weights those that were registered; a server's own store is believed."""
    try:
        logged = store.client(root).get_logged_model(_model_id(version))
    except MlflowException as error:
        store.check_absent(error)
        return False
    folder = store.local_path(logged.artifact_location)
    if folder is None:
        return True
    return all((folder / name).is_file() for name in _FILES) and file_md5(folder / WEIGHTS) == version.tags["weights_md5"]


def _version_tags(flow: Run, entry: Entry) -> dict[str, str]:
    """From a version back to data, code and figures."""
    data, metrics = lineage.logged(flow), entry.metrics
    weights = {f"{model}_weights_md5": digest for model, digest in entry.weights.items() if model != UNLEARNED}
    weights |= {
        key: value for key, value in flow.data.tags.items() if key in ("original", "original_file", "original_file_md5")
    }
    kept = {key: flow.data.tags[key] for key in _KEPT if key in flow.data.tags}
    ours = metrics["models"][UNLEARNED]
    figures = {name: f"{ours[key]:.4f}" for name, key in _FIGURES.items() if ours.get(key) is not None}
    return {
        **figures,
        "protocol": metrics["protocol"],
        "task": metrics["task"],
        "seed": str(metrics["seed"]),
        "flow_run": flow.info.run_id,
        **kept,
        "weights_md5": entry.weights[UNLEARNED],
        **weights,
        **{f"{name}_md5": data[name].digest for name in _DATA if name in data},
    }


def _unlearned_runs(client: MlflowClient, flow: Run) -> list[Run]:
    return [run for run in runs.children(client, flow) if run.data.tags.get("model") == UNLEARNED]


@contextmanager
def global_uri(uri: str) -> Iterator[None]:
    """For a block: MLflow resolves `models:/ID` by its global address even where a client has its own."""
    with _GLOBAL_URI:
        before = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
        mlflow.set_tracking_uri(uri)
        try:
            yield
        finally:
            mlflow.set_tracking_uri(before)  # type: ignore[arg-type]  # None unsets it, as in MLflow's own code
