"""Original model, forget set and noises -> scores and a boolean mask per layer."""

from aru.core.files import save_tensors, write_json
from aru.core.names import ORIGINAL
from aru.methods.aru.masking import mask as make_mask
from aru.stages.inputs import read_model, read_noise, read_sets
from aru.stages.job import Job


def mask(job: Job) -> int:
    """Write mask/mask.safetensors (`score/LAYER` float32, `mask/LAYER` bool) and counts; returns passes over images."""
    sets, model = read_sets(job), read_model(job, ORIGINAL)
    noise = read_noise(job, sets)
    scores, marked = make_mask(
        model,
        sets.forget,
        noise,
        job.config.mask,
        seed=job.config.runtime.seed,
        compute=job.compute,
        retain=sets.retain,
        progress=job.progress,
    )
    tensors = {f"score/{name}": score for name, score in scores.items()}
    tensors |= {f"mask/{name}": part for name, part in marked.items()}
    save_tensors(job.work / "mask" / "mask.safetensors", tensors, {"unit": job.config.mask.unit})
    write_json(
        job.work / "mask" / "mask.json",
        {"layers": {name: {"units": part.numel(), "reset": int(part.sum())} for name, part in marked.items()}},
    )
    return (3 if job.config.mask.normalise == "retain" else 2) * len(sets.forget)
