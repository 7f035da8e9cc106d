"""An unlearning from Python (`aru.unlearn`) in MLflow: the run, figures and registered version that a flow leaves."""

import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from aru.audit.audit_file import AuditRecord
from aru.audit.case import AUDITED
from aru.core.config import Release
from aru.core.cost_record import StageSeconds
from aru.core.errors import InputError
from aru.core.files import json_text
from aru.core.folders import PEER_STAGES
from aru.core.names import ARU, MODELS, ORIGINAL, RETRAINED, UNLEARNED
from aru.library.audits import AuditVerdict
from aru.library.evaluation import Figures
from aru.library.saved import WEIGHTS, save_weights, weights_md5
from aru.library.unlearning import Unlearning
from aru.methods.chosen import flat
from aru.metrics.people.exposure import ExposedPerson
from aru.nets.adapted import Adapted, adapt
from aru.train.history import ModelHistory
from flows.project.pseudonyms import Pseudonyms, pseudonym_key
from flows.tracking import audit_runs, registry, runs, store
from flows.tracking.command_runs import source_tags
from flows.tracking.descriptions import library_note, model_note, model_run_note
from flows.tracking.exports import Export
from flows.tracking.metric_keys import TRAINED_ON, model_figures
from flows.tracking.model_runs import begin_run, finish, log_model_run, log_verdict
from flows.tracking.runs import NOTE

_COMMAND = "aru.unlearn"
_STAGE_OF_STEP = {"attack": "attack", "mask": "mask", "reset": "finetune", "finetune": "finetune"}
"""ARU's steps in `Unlearning.cost` -> the stage of a flow that does them."""
_UNFIT = frozenset("'\"`/:\\%")
"""What MLflow refuses in a name, or a search for one cannot hold."""


@dataclass(frozen=True)
class Logged:
    """run_id: of the unlearning's run. version: of the registered model; None where none was asked for."""

    run_id: str
    version: str | None


def log_unlearned(
    result: Unlearning,
    verdict: AuditVerdict,
    *,
    figures: Figures,
    experiment: str,
    registered_model: str | None = None,
    retrain_seconds: float | None = None,
    release: Release = "pass",
    root: str | Path = ".",
) -> Logged:
    """Write an unlearning into MLflow as a flow does: its run, a run for each model below it, verdict, and a version.

    figures: what `aru.evaluate` gave of the same networks, people given. experiment, registered_model: names; without the
    second the run alone is written. retrain_seconds: what training the retrained network took, for the share of it that
    unlearning cost. release: verdicts that make the version the `candidate` (`audit.release`). root: the folder whose
    `mlruns/mlflow.db` is written, unless MLFLOW_TRACKING_URI names another store, and whose `.aru/` has the key of pseudonyms.

    People bear pseudonyms; no image and no noise is logged, and no weights but the unlearned network's, as safetensors and,
    exported by `torch.export`, as a model that MLflow loads without this package. Raises InputError, before anything is
    written, where figures or verdict are of other networks, for a name that cannot be one, and where the network cannot be
    exported.
    """
    for name in filter(None, (experiment, registered_model)):
        if not name.strip() or set(name) & _UNFIT:
            raise InputError(f"the name {name!r} is empty or has one of {' '.join(sorted(_UNFIT))}: MLflow cannot find it")
    root = Path(root)
    md5 = _same_networks(result, verdict, figures)
    with _export(result, wanted=registered_model is not None) as export:
        store.ensure_store(root)
        client = store.client(root)
        number = store.named_experiment_id(root, experiment, experiment, store.experiment_tags(experiment))
        runs.end_abandoned(client, number)
        tags = {
            "state": _digest(md5, result.settings, verdict.record),
            "benchmark": figures.content["benchmark"],
            "protocol": figures.content["protocol"],
            "seed": str(result.seed),
            "method": result.method,
            **source_tags(root, _COMMAND),
        }
        run_id = begin_run(client, number, params=_params(result), run_name=f"{experiment}-seed{result.seed}", tags=tags)
        try:
            record = _discreet(root, verdict.record)
            _log_figures(root, run_id, result, figures, retrain_seconds, md5)
            log_verdict(client, run_id, record)
            client.log_text(run_id, json_text(figures.content), "metrics.json")
            audit_runs.log_pages(client, run_id, record)
            version = None
            if registered_model is not None and export is not None:
                entry = registry.Entry(
                    name=registered_model,
                    benchmark=experiment,
                    metrics=figures.content,
                    costs=_costs(result, retrain_seconds),
                    method=result.method,
                    settings=_params(result),
                    parameters=", ".join(f"{name} {value}" for name, value in flat(result.settings)),
                    weights=md5,
                    note=model_note(experiment, registered_model, type(result.model).__name__),
                    further=lambda number: f'load_registered(".", "{registered_model}", "{number}", network=...)',
                    export=lambda: export,
                )
                version = registry.register_entry(root, run_id, entry, audit=record, release=release)
            finish(client, run_id)
        except BaseException:
            runs.end_failed(client, run_id)
            raise
    return Logged(run_id, version)


def _log_figures(
    root: Path,
    run_id: str,
    result: Unlearning,
    figures: Figures,
    retrain_seconds: float | None,
    md5: Mapping[str, str],
) -> None:
    """A run for each model, and the unlearned one's figures under the run itself, with its page."""
    client, content, costs = store.client(root), figures.content, _costs(result, retrain_seconds)
    parent = client.get_run(run_id)
    for model in (name for name in MODELS if name in content["models"]):
        found = model_figures(content, costs, model)
        tags = {
            "trained_on": TRAINED_ON[model],
            "weights_md5": md5[model],
            NOTE: model_run_note(model, found.get("cost/seconds"), result.method),
        }
        history: ModelHistory | None = None
        if model == UNLEARNED:
            tags |= {"method": result.method}
            history = {"epochs": result.history}
        log_model_run(client, parent, model, found, tags=tags, history=history)
    runs.log(client, parent, metrics=runs.points(parent, model_figures(content, costs, UNLEARNED)))
    client.set_tag(run_id, NOTE, library_note(content, costs, result.method))


def _same_networks(result: Unlearning, verdict: AuditVerdict, figures: Figures) -> dict[str, str]:
    """The MD5 of each network's weights; InputError where figures or verdict are of others."""
    found, audited = dict(figures.weights_md5), verdict.record["made_from"]
    checks = [("figures=", UNLEARNED, found[UNLEARNED], weights_md5(result.model))]
    checks += [
        ("the verdict", model, audited[f"{which} model, MD5"], found.get(model, "not given to aru.evaluate"))
        for which, model in ((AUDITED, UNLEARNED), (ORIGINAL, ORIGINAL), (RETRAINED, RETRAINED))
        if f"{which} model, MD5" in audited
    ]
    for source, model, one, other in checks:
        if one != other:
            raise InputError(
                f"{source} and this result differ in the {model} network (MD5 {one}, {other}): evaluate and audit the same "
                "ones"
            )
    return found


@contextmanager
def _export(result: Unlearning, *, wanted: bool) -> Iterator[Export | None]:
    """The unlearned network as it is registered: inputs in [0, 1] in, logits out, on the CPU in float32."""
    if not wanted:
        yield None
        return
    bounds, preprocessing = result.inputs.bounds, result.inputs.preprocessing
    network = _Answers(adapt(result.model, preprocessing=preprocessing, bounds=bounds)).cpu().eval()
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / WEIGHTS
        save_weights(weights, result.model)
        export = Export(network, weights, result.inputs.shape, _read(result.inputs.dtype))
        _try(export, type(result.model).__name__)
        yield export


class _Answers(nn.Module):
    """The logits of an adapted network, and no more of it than `torch.export` needs."""

    def __init__(self, adapted: Adapted) -> None:
        super().__init__()
        self.adapted = adapted

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.adapted(inputs)
        return logits


def _try(export: Export, kind: str) -> None:
    """Raise InputError where `torch.export` does not take the network, of any number of inputs."""
    batch = torch.export.Dim("batch")
    try:
        torch.export.export(export.model, (export.zeros(2),), dynamic_shapes=({0: batch},))
    except Exception as error:  # PyTorch has no common class for what it cannot export
        raise InputError(
            f"{kind} cannot be exported by torch.export ({type(error).__name__}: {str(error).partition(chr(10))[0]}): leave "
            "registered_model= out, and keep the weights by result.save(folder)"
        ) from error


def _read(dtype: torch.dtype) -> torch.dtype:
    """Bytes reach a network as floats."""
    return dtype if dtype == torch.int64 else torch.float32


def _costs(result: Unlearning, retrain_seconds: float | None) -> dict[str, StageSeconds]:
    """The seconds by stage, as a flow's cost.json files have them."""
    found: dict[str, StageSeconds] = {}
    for step, seconds in result.cost.seconds.items():
        stage = _STAGE_OF_STEP[step] if result.method == ARU else PEER_STAGES[0]
        found[stage] = {"seconds": (found[stage]["seconds"] if stage in found else 0.0) + seconds}
    if retrain_seconds is not None:
        found["retrain"] = {"seconds": retrain_seconds}
    return found


def _params(result: Unlearning) -> dict[str, Any]:
    """Parameters under the names that params.yaml gives them."""
    cost = result.cost
    runtime = {"seed": result.seed, "device": cost.device, "precision": cost.precision, "threads": cost.threads}
    own = dict(result.settings) if result.method == ARU else {"unlearn": dict(result.settings)}
    return own | {"method": result.method, "runtime": runtime}


def _discreet(root: Path, record: AuditRecord) -> AuditRecord:
    """A verdict's record with pseudonyms for the people whom it names."""
    names, people = Pseudonyms(pseudonym_key(root), ()), record["details"]["people"]
    exposed: list[ExposedPerson] = [{**one, "id": names.of(one["id"])} for one in people["most_exposed"]]
    return {**record, "details": {**record["details"], "people": {**people, "most_exposed": exposed}}}


def _digest(*content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
