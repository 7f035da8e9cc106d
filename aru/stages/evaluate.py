"""Three models and four sets -> predictions and metrics."""

import torch

from aru.core.files import save_tensors, write_json
from aru.core.names import MODELS, RETRAINED, SETS
from aru.data.images import Sets
from aru.data.manifest import read_manifest
from aru.metrics.summary import summarise
from aru.stages.inputs import read_model, read_sets
from aru.stages.job import Job
from aru.train.loop import predict_joined


def evaluate(job: Job) -> int:
    """Write evaluation/metrics.json and evaluation/predictions.safetensors; returns the number of predictions."""
    sets, config = read_sets(job), job.config
    models = [which for which in MODELS if which != RETRAINED or config.evaluate.retrained]
    parts = [getattr(sets, role) for role in SETS]
    joined: dict[str, torch.Tensor] = {}
    for number, which in enumerate(models):
        model = read_model(job, which)
        joined[which] = predict_joined(model, parts, compute=job.compute)
        job.progress(number + 1, len(models) + 1, f"evaluate, {which}")
    counts = [len(part) for part in parts]
    logits = {which: dict(zip(SETS, values.split(counts), strict=True)) for which, values in joined.items()}
    subject = read_manifest(job.work / "prepared" / "manifest.csv")["subject"].to_numpy()
    metrics = summarise(
        logits,
        {role: getattr(sets, role).targets for role in SETS},
        groups={role: subject[getattr(sets, role).rows] for role in SETS},
        benchmark=job.benchmark,
        protocol=config.data.protocol,
        task=config.data.task,
        seed=config.runtime.seed,
        resamples=config.evaluate.resamples,
    )
    job.progress(len(models) + 1, len(models) + 1, "evaluate, intervals")
    _write_predictions(job, sets, joined)
    write_json(job.work / "evaluation" / "metrics.json", metrics)
    return len(models) * sum(len(getattr(sets, role)) for role in SETS)


def _write_predictions(job: Job, sets: Sets, logits: dict[str, torch.Tensor]) -> None:
    parts = [getattr(sets, role) for role in SETS]
    tensors = {f"{which}/logits": values for which, values in logits.items()}
    tensors["rows"] = torch.cat([torch.from_numpy(part.rows) for part in parts])
    tensors["role"] = torch.cat([torch.full((len(part),), code, dtype=torch.uint8) for code, part in enumerate(parts)])
    tensors["targets"] = torch.cat([part.targets for part in parts])
    save_tensors(job.work / "evaluation" / "predictions.safetensors", tensors, {"roles": list(SETS)})
