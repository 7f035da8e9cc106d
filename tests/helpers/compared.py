"""Made-up records of a comparison: every figure is drawn about a level of its method, nothing was trained."""

from typing import Any

import numpy as np

LEVELS = {  # method: test accuracy, forget accuracy, F, class-matched AUC, share of retraining's cost
    "nothing": (0.46, 0.92, 0.20, 0.80, 0.0),
    "retrain": (0.465, 0.40, 0.045, 0.46, 1.0),
    "finetune": (0.47, 0.88, 0.18, 0.75, 0.07),
    "scrub": (0.44, 0.55, 0.08, 0.55, 0.08),
    "ssd": (0.36, 0.40, 0.06, 0.52, 0.01),
    "aru": (0.45, 0.42, 0.04, 0.49, 0.15),
    "random-mask": (0.452, 0.41, 0.042, 0.485, 0.12),
}
REFERENCE = {
    "label_only/accuracy": 0.6055,
    "matched_forget_share": 1.0,
    "null/forgetting_score_mean": 0.0103,
    "null/forgetting_score_p95": 0.0231,
}


def made_record(
    method: str, *, seed: int = 0, draw: int = 0, repeat: int = 0, noise: float = 0.01, **changes: Any
) -> dict[str, Any]:
    """One record; the same arguments give the same figures, of which those in `changes` are not a part."""
    accuracy, forget, score, auc, share = LEVELS.get(method, (0.42, 0.6, 0.1, 0.6, 0.1))
    shared = np.random.default_rng([seed, draw, 7]).normal(0, noise, 4)
    own = np.random.default_rng([seed, draw, repeat, sum(map(ord, method))]).normal(0, noise / 2, 4)
    accuracy, forget, score, auc = np.array([accuracy, forget, score, auc]) + shared + own
    score = abs(float(score))
    figures = {
        "test/accuracy": accuracy,
        "forget/accuracy": forget,
        "retain/accuracy": 0.9,
        "unseen/accuracy": 0.5,
        "mia/accuracy": 0.5 + score,
        "mia/forgetting_score": score,
        "nomus": (accuracy + 1 - 2 * score) / 2,
        "mia_matched/auc": auc,
    }
    seconds = 4000 * share * (1 + 0.05 * seed)
    place = {"protocol": "official", "draw": draw, "train_seed": seed, "unlearn_seed": seed + 1000 * repeat}
    record = {
        "benchmark": "mufac",
        **place,
        "method": method,
        "variant": "default",
        "config": {},
        "figures": {name: round(float(value), 6) for name, value in figures.items()},
        "reference": dict(REFERENCE),
        "counts": {"forget": 1500, "retain": 8525, "test": 1539, "unseen": 1504},
        "seconds": seconds,
        "cpu_seconds": 0.98 * seconds,
        "device": "cpu",
        "precision": "bf16",
        "threads": 1,
        "torch": "2.15.0",
        "resolution": 64,
        "model": "resnet18",
    } | changes
    name = [record[part] for part in ("method", "variant", "protocol", "train_seed", "draw", "unlearn_seed", "model")]
    return {"key": "-".join(map(str, name))} | record


def made_records(
    *, methods: tuple[str, ...] = tuple(LEVELS), seeds: int = 3, draws: int = 1, repeats: int = 1, **changes: Any
) -> list[dict[str, Any]]:
    """A whole grid; the original and the retrained model are there once for each training seed and draw."""
    return [
        made_record(method, seed=seed, draw=draw, repeat=repeat, **changes)
        for method in methods
        for seed in range(seeds)
        for draw in range(draws)
        for repeat in range(1 if method in ("nothing", "retrain") else repeats)
    ]
