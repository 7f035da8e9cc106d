"""Audits of the project's own models, and of any other weights for the same benchmark."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from aru.audit import quick
from aru.audit.audit_file import AuditRecord
from aru.audit.audited_model import AuditedModel
from aru.audit.case import AUDITED, Case, make_case
from aru.audit.criteria import KNOWN
from aru.audit.levels import measure
from aru.audit.record import audit_record
from aru.audit.references import other_references
from aru.audit.standard import GROUPS
from aru.audit.texts import imported_note
from aru.audit.thresholds import THRESHOLDS_FILE, Level, read_thresholds
from aru.comparison.choices import parse_choice
from aru.comparison.draws import Draw
from aru.compute.device import make_compute
from aru.core.config import Config, load_config
from aru.core.errors import InputError
from aru.core.files import file_md5, load_tensors, read_json
from aru.core.names import ORIGINAL, RETRAINED, SETS, UNLEARNED
from aru.core.progress import Progress, silent
from aru.data.classes import read_classes
from aru.data.images import load_sets
from aru.data.manifest import read_manifest
from aru.methods.chosen import text_of, title
from aru.metrics.people.subgroups import named_group
from aru.nets.models import load_model


def project_record(
    benchmark: str,
    name: str,
    weights: Path,
    level: Level,
    *,
    root: Path,
    interclass: bool = False,
    progress: Progress = silent,
) -> AuditRecord:
    """Audit the model of a safetensors file; the content of audit.json.

    `name` is what it is called. The retrained model is the reference where the project has one. Everything that can be
    wrong is found before work starts, as an InputError.
    """
    config, work, limits = load_config(root / "params.yaml", benchmark), root / "work" / benchmark, root / THRESHOLDS_FILE
    thresholds = read_thresholds(limits, KNOWN).on(benchmark)
    paths = {AUDITED: Path(weights), ORIGINAL: model_path(work, ORIGINAL)}
    if config.evaluate.retrained and model_path(work, RETRAINED).is_file():
        paths[RETRAINED] = model_path(work, RETRAINED)
    official = (
        config.evaluate.retrained and config.data.protocol == "official"
    )  # a comparison's clean draws are of fewer people
    references = other_references(benchmark, config, work, Draw("official")) if official else []
    case = _case(paths, config, work, quick.QUICK_SETS if level == "quick" else SETS, references)
    audited = AuditedModel(name, benchmark, config, work, _method(paths[AUDITED], work), interclass)
    found, details = measure(case, level, audited, progress=progress)
    if GROUPS in details.get("further", {}):
        classes, groups = read_classes(work / "prepared"), dict[str, Any](details["further"][GROUPS])
        named = {named_group(group, classes): figures for group, figures in groups.items()}
        details = {**details, "further": {**details["further"], GROUPS: named}}
    made_from = {f"{which} model, MD5": file_md5(path) for which, path in paths.items()} | {
        "thresholds, MD5": file_md5(limits)
    }
    made_from |= imported_note(config.model.original, level, reference=RETRAINED in paths)
    if audited.method is not None:
        choice = parse_choice(audited.method, config)
        made_from |= {"method": title(choice.method), "parameters": text_of(choice.parameters)}
    return audit_record(
        case, thresholds, level, found, details, {"benchmark": benchmark, "model": name, "made_from": made_from}
    )


def model_path(work: Path, which: str) -> Path:
    """The weights of one of the project's own models."""
    return Path(work) / which / "model.safetensors"


def _case(
    paths: dict[str, Path], config: Config, work: Path, roles: Sequence[str], references: Sequence[Mapping[str, torch.Tensor]]
) -> Case:
    sets = load_sets(work / "prepared", config.data.task)
    for path in paths.values():
        _check_fit(path, sets.retain.outputs, config.data.resolution)
    models = {which: load_model(path) for which, path in paths.items()}
    return make_case(
        models,
        sets,
        read_manifest(work / "prepared" / "manifest.csv"),
        compute=make_compute(config.runtime),
        resamples=config.evaluate.resamples,
        seed=config.runtime.seed,
        roles=roles,
        references=references,
    )


def _method(weights: Path, work: Path) -> str | None:
    """What made the project's own unlearned model, by its history, as `parse_choice` reads it; None where that is not known.

    ARU's parameters are those of the benchmark.
    """
    own, history = model_path(work, UNLEARNED), model_path(work, UNLEARNED).with_name("history.json")
    if not own.is_file() or not history.is_file() or file_md5(own) != file_md5(weights):
        return None
    made = read_json(history)
    changes = ",".join(f"{name}={json.dumps(value)}" for name, value in made.get("parameters", {}).items())
    return f"{made['method']}{{{changes}}}" if changes else made.get("method")


def _check_fit(path: Path, outputs: int, resolution: int) -> None:
    """The model must be of this benchmark: no figure of another would mean anything."""
    meta = load_tensors(path)[1]
    for key, wanted in (("outputs", outputs), ("resolution", resolution)):
        if meta.get(key) != wanted:
            raise InputError(
                f"{path} holds a model whose {key} is {meta.get(key)}, the benchmark's is {wanted}: name the "
                "benchmark that it was trained on with --benchmark"
            )
