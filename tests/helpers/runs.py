"""The files of a small finished run, made up: what the report and the figures are made of."""

from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from aru.core.files import save_tensors, write_json
from aru.core.names import SETS
from aru.metrics.summary import summarise

SIZES = {"forget": 60, "retain": 90, "test": 70, "unseen": 64}
KNOWN = {"original": ("forget", "retain"), "unlearned": ("retain",), "retrained": ("retain",)}
LAYERS = {"conv1": 8, "layer1.0.conv1": 8, "layer1.0.conv2": 8, "layer2.0.conv1": 16}
STAGES = {
    "original": "train",
    "unlearned": "finetune",
    "retrained": "retrain",
    "evaluation": "evaluate",
}
SECONDS = {"train": 40.0, "attack": 3.0, "mask": 0.5, "finetune": 6.5, "retrain": 32.0, "evaluate": 2.0}


def made_logits(*, multi: bool = False, seed: int = 0) -> tuple[dict[str, dict[str, torch.Tensor]], dict[str, torch.Tensor]]:
    """Logits and targets of three models, surer of what they were trained on."""
    generator = torch.Generator().manual_seed(seed)
    targets: dict[str, torch.Tensor] = {}
    logits: dict[str, dict[str, torch.Tensor]] = {model: {} for model in KNOWN}
    for name, size in SIZES.items():
        targets[name] = torch.randint(0, 8, (size,), generator=generator)
        if multi:
            targets[name] = (torch.rand(size, 3, generator=generator) < 0.5).float()
        truth = targets[name] * 2 - 1 if multi else F.one_hot(targets[name], 8).float()
        for model, known in KNOWN.items():
            noise = torch.randn(truth.shape, generator=generator)
            logits[model][name] = noise + (4.0 if name in known else 1.0) * truth
    return logits, targets


def write_run(work: Path, *, benchmark: str = "toy", multi: bool = False) -> None:
    """Write every file that `report` reads into `work`."""
    logits, targets = made_logits(multi=multi)
    write_json(
        work / "evaluation" / "metrics.json",
        summarise(
            logits,
            targets,
            groups={name: np.arange(size) // 3 for name, size in SIZES.items()},
            benchmark=benchmark,
            protocol="clean",
            task="multilabel" if multi else "age",
            seed=0,
            resamples=100,
        ),
    )
    tensors = {f"{model}/logits": torch.cat([sets[name] for name in SETS]) for model, sets in logits.items()}
    tensors["targets"] = torch.cat([targets[name] for name in SETS])
    tensors["rows"] = torch.arange(sum(SIZES.values()))
    tensors["role"] = torch.cat([torch.full((SIZES[name],), code, dtype=torch.uint8) for code, name in enumerate(SETS)])
    save_tensors(work / "evaluation" / "predictions.safetensors", tensors, {"roles": list(SETS)})
    for model in KNOWN:
        epochs = [
            {"epoch": number, "loss": 2.0 / number, "accuracy": 1 - 0.8 / number, "lr": 0.1 / number} for number in (1, 2, 3)
        ]
        made = {"method": "aru", "layers": made_layers()} if model == "unlearned" else {}
        write_json(work / model / "history.json", {"epochs": epochs, **made})
    for folder, stage in STAGES.items():
        before = [_cost("attack"), _cost("mask")] if stage == "finetune" else []
        write_json(work / folder / "cost.json", _cost(stage) | ({"before": before} if before else {}))
    write_json(
        work / "prepared" / "audit.json",
        {
            "counts": {"rows": 284, "people": 95},
            "sets": {name: {"images": size, "people": size // 3} for name, size in SIZES.items()},
            "both_sides_of_forget_and_retain": {"people": 1, "family_person_keys": ["F0001/A"] * 30},
            "labels": {"age": {"counts": {name: {"0": 5, "7": 2} for name in SIZES}, "total_variation": 0.125}},
        },
    )


def made_layers() -> dict[str, dict[str, object]]:
    """What a mask did to each layer: half of the units are reset."""
    return {layer: {"units": units, "reset": units // 2, "scores": [0.1, 0.5, 0.9]} for layer, units in LAYERS.items()}


def _cost(stage: str) -> dict[str, object]:
    return {
        "stage": stage,
        "seconds": SECONDS[stage],
        "cpu_seconds": SECONDS[stage],
        "processes": 2 if stage == "retrain" else 1,
        "images": 1000,
        "images_per_second": 1000 / SECONDS[stage],
        "peak_memory_mib": 700,
        "device": "cpu",
        "precision": "fp32",
        "threads": 1,
        "torch": "2.0",
    }
