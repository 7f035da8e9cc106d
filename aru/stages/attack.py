"""Original model and forget set -> one noise tensor an image."""

import torch

from aru.core.files import save_tensors, write_json
from aru.core.seeds import generator
from aru.data.images import ImageSet
from aru.methods.aru import attack as attacking
from aru.stages.inputs import read_model, read_sets
from aru.stages.job import Job
from aru.train.loop import correct


def attack(job: Job) -> int:
    """Write noise/noise.safetensors (N, 3, H, W) and what it does to accuracy; returns the number of images."""
    forget, model = read_sets(job).forget, read_model(job, "original")
    noise = attacking.attack(
        model,
        forget,
        job.config.attack,
        compute=job.compute,
        progress=job.progress,
        generator=generator(job.config.runtime.seed, "attack"),
    )
    write_json(
        job.work / "noise" / "attack.json",
        {
            "forget_accuracy_before": _accuracy(job, model, forget, torch.zeros_like(noise)),
            "forget_accuracy_after": _accuracy(job, model, forget, noise),
            "largest_absolute_noise": round(noise.abs().max().item(), 6),
            "images": len(forget),
        },
    )
    save_tensors(job.work / "noise" / "noise.safetensors", {"noise": noise})
    return len(forget) * max(1, job.config.attack.steps)


def _accuracy(job: Job, model: torch.nn.Module, data: ImageSet, noise: torch.Tensor) -> float:
    """Accuracy on image + noise."""
    right = 0.0
    job.compute.place(model).eval()
    with torch.no_grad(), job.compute.autocast():
        for positions in torch.arange(len(data)).split(256):
            images, targets = data.batch(positions, job.compute.device)
            right += correct(model(images + noise[positions].to(images.device)), targets).item()
    return round(right / len(data), 6)
