"""Original model and forget set -> one noise tensor an image."""

import torch

from aru.core.files import save_tensors, write_json
from aru.core.names import ORIGINAL
from aru.methods.aru.attack import accuracy_with_noise
from aru.methods.aru.attack import attack as make_noise
from aru.stages.inputs import read_model, read_sets
from aru.stages.job import Job


def attack(job: Job) -> int:
    """Write noise/noise.safetensors (N, 3, H, W) and what it does to accuracy; returns the number of images."""
    forget, model, config = read_sets(job).forget, read_model(job, ORIGINAL), job.config
    noise = make_noise(model, forget, config.attack, seed=config.runtime.seed, compute=job.compute, progress=job.progress)
    before, after = (
        round(accuracy_with_noise(model, forget, added, compute=job.compute), 6) for added in (torch.zeros_like(noise), noise)
    )
    write_json(
        job.work / "noise" / "attack.json",
        {
            "forget_accuracy_before": before,
            "forget_accuracy_after": after,
            "largest_absolute_noise": round(noise.abs().max().item(), 6),
            "images": len(forget),
        },
    )
    save_tensors(job.work / "noise" / "noise.safetensors", {"noise": noise})
    return len(forget) * max(1, config.attack.steps)
