"""A project as a flow leaves it, with made-up figures: what tracking reads, without training anything."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from aru.core.config import Config, parse_config
from aru.core.files import file_md5, save_tensors, write_json
from aru.core.names import SETS
from aru.nets.models import build, save_model
from flows.project.plan import StageResult
from flows.project.versioning import Stage

SIDE, OUTPUTS, MODEL = 32, 8, "squeezenet1_1"
EXPOSED = "S00001"
FIGURES = {"original": (0.70, 0.60, 0.71), "unlearned": (0.68, 0.55, 0.54), "retrained": (0.69, 0.54, 0.52)}
STAGES = {
    "prepare": "prepared",
    "train": "original",
    "attack": "noise",
    "mask": "mask",
    "finetune": "unlearned",
    "retrain": "retrained",
    "evaluate": "evaluation",
    "audit": "audit",
    "report": "report",
}


def make(root: Path, *, seed: int = 0, commit: bool = True) -> Path:
    """Fill an empty folder with a finished benchmark `faces`; returns the folder."""
    config = {"data": {"resolution": SIDE, "forget": {"rows": 4}}, "model": {"name": MODEL}, "train": {"epochs": 3}}
    _write(root / "params.yaml", json.dumps({"benchmarks": {"faces": "data/faces.zip"}, "faces": config}))
    _write(root / "dvc.yaml", "stages: {}\n")
    _write(root / "dvc.lock", "schema: '2.0'\n")
    _write(root / "data" / "faces.zip", f"archive {seed}")
    _write(root / ".gitignore", "/work/\n/.prefect/\n/mlruns/\n/data/\n")
    _fill(root / "work" / "faces", seed)
    if commit:
        _git(root, "init", "-q")
        _git(root, "add", ".")
        _git(root, "commit", "-q", "-m", "Begin")
    return root


def config(release: str = "pass") -> Config:
    """The benchmark's parameters."""
    return parse_config(
        {
            "data": {"resolution": SIDE, "forget": {"rows": 4}},
            "model": {"name": MODEL},
            "train": {"epochs": 3},
            "audit": {"release": release},
        },
        where="test",
    )


def results(root: Path) -> list[StageResult]:
    """Results of all stages: train and retrain computed, the others from a cache."""
    return [_result(root, name, folder) for name, folder in STAGES.items()]


def metrics(seed: int = 0) -> dict:
    """metrics.json with made-up figures."""
    models = {model: _figures(*figures) for model, figures in FIGURES.items()}
    reference = models["retrained"]
    gaps = {
        model: {f"gap/{key}": round(value - reference[key], 6) for key, value in models[model].items()}
        for model in ("original", "unlearned")
    }
    return {
        "benchmark": "faces",
        "protocol": "official",
        "task": "age",
        "seed": seed,
        "models": models,
        "gaps": gaps,
        "counts": {"forget": 4, "retain": 8, "test": 3, "unseen": 4},
        "intervals": {},
        "per_class": {},
    }


def audit(verdict: str = "pass") -> dict:
    """audit.json with made-up figures, as far as tracking reads it; a failed one fails by its attacks."""
    about = {
        "level": "quick",
        "measured": "made up",
        "sides": "one-sided",
        "limit": [None, 0.6],
        "silent": "all else",
        "calibration": "none",
        "calibrated_on": "faces",
        "interval": None,
        "exact": "made up",
        "power": None,
    }
    rows = [
        {"name": "forgetting", "required": True, "verdict": "pass", "figure": 0.51},
        {"name": "attacks", "required": True, "verdict": verdict, "figure": 0.7},
        {"name": "retain_accuracy", "required": False, "verdict": "fail", "figure": 0.2},
        {"name": "tow", "required": True, "verdict": None, "not_run": "no retrained model"},
    ]
    exposed = [{"rank": 1, "id": EXPOSED, "score": 0.99, "maximum": 1.0, "photos": 2, "drawn": 2}]
    return {
        "model": "unlearned",
        "benchmark": "faces",
        "level": "quick",
        "verdict": verdict,
        "thresholds_version": 1,
        "criteria": [about | row for row in rows],
        "not_asked": [],
        "images": {"forget": 4},
        "unseen_left_out": 0,
        "made_from": {},
        "details": {"attacks": {}, "people": {"forgotten": 2, "unseen": 2, "most_exposed": exposed}},
    }


def track(root: Path, *, state: str = "a" * 64, seed: int = 0, verdict: str = "pass", release: str = "pass") -> str:
    """What the main flow does at its end; returns the run's id."""
    from flows.tracking import main_runs as tracking

    work = root / "work" / "faces"
    tracking.ensure_store(root)
    run_id = begin(root, state=state, seed=seed)
    for result in results(root):
        tracking.log_stage(root, run_id, result, work)
    tracking.log_models(root, run_id, metrics=metrics(seed))
    tracking.log_audit(root, run_id, audit(verdict))
    tracking.log_artifacts(root, run_id, work)
    tracking.register(
        root, run_id, benchmark="faces", work=work, metrics=metrics(seed), config=config(release), audit=audit(verdict)
    )
    tracking.finish_run(root, run_id)
    return run_id


def begin(root: Path, *, state: str = "a" * 64, seed: int = 0) -> str:
    """Open a flow's run."""
    from flows.tracking import main_runs as tracking

    return tracking.start_run(
        root,
        benchmark="faces",
        params=config().model_dump(mode="json"),
        run_name=f"faces-official-seed{seed}",
        tags={"state": state, "protocol": "official", "seed": str(seed), "method": "aru"},
    )


def _fill(work: Path, seed: int) -> None:
    manifest(seed).to_csv(_folder(work / "prepared") / "manifest.csv", index=False)
    np.save(work / "prepared" / "images.npy", np.full((19, SIDE, SIDE, 3), seed, dtype=np.uint8))
    write_json(work / "prepared" / "audit.json", {"rows": 19, "family_person_keys": ["F0000/P1"]})
    for number, model in enumerate(FIGURES):
        save_model(
            work / model / "model.safetensors",
            build(MODEL, OUTPUTS, seed=10 * seed + number),
            name=MODEL,
            outputs=OUTPUTS,
            resolution=SIDE,
        )
        rows = [{"epoch": epoch, "loss": 2.0 / epoch, "accuracy": 0.2 * epoch, "lr": 0.01} for epoch in (1, 2, 3)]
        write_json(work / model / "history.json", {"epochs": rows})
    save_tensors(work / "noise" / "noise.safetensors", {"noise": torch.zeros(4, 3, SIDE, SIDE)})
    save_tensors(work / "mask" / "mask.safetensors", {"mask/a": torch.zeros(2, dtype=torch.bool)})
    save_tensors(work / "evaluation" / "predictions.safetensors", {"rows": torch.zeros(19)})
    write_json(work / "evaluation" / "metrics.json", metrics(seed))
    write_json(work / "audit" / "audit.json", audit())
    _write(work / "audit" / "audit.html", "<h1>audit</h1>")
    _write(work / "report" / "report.html", "<h1>report</h1>")
    _write(work / "report" / "results.md", "| results |")
    _write(work / "report" / "figures" / "roc.png", "png")
    _write(work / "report" / "figures" / "face.jpg", "a photograph that somebody left here")
    for stage, folder in STAGES.items():
        if stage not in ("prepare", "report"):
            before = {"before": [_cost("attack"), _cost("mask")]} if stage == "finetune" else {}
            write_json(work / folder / "cost.json", _cost(stage) | before)


def _cost(stage: str) -> dict[str, object]:
    return {
        "stage": stage,
        "seconds": 10.0,
        "images": 40,
        "images_per_second": 4.0,
        "peak_memory_mib": 100,
        "device": "cpu",
        "precision": "fp32",
        "threads": 1,
        "torch": "2",
    }


def manifest(seed: int = 0) -> pd.DataFrame:
    """Nineteen rows of nine people, in the manifest's columns."""
    roles = [role for role, count in metrics()["counts"].items() for _ in range(count)]
    rows = range(len(roles))
    return pd.DataFrame(
        {
            "row": rows,
            "path": [f"F{row // 4:04d}.MF.P1.{row}.jpg" for row in rows],
            "digest": [f"{seed:016x}{row:016x}" for row in rows],
            "photo": [f"P{row:06d}" for row in rows],
            "note": "",
            "subject": [f"S{row // 2:05d}" for row in rows],
            "family": [f"F{row // 4:04d}" for row in rows],
            "person": "P1",
            "split": "train",
            "role": roles,
            "age": [row % OUTPUTS for row in rows],
        }
    )


def _figures(accuracy: float, unseen: float, attack: float) -> dict[str, float]:
    score = round(abs(attack - 0.5), 6)
    figures = {
        f"{name}/{key}": accuracy if name != "unseen" else unseen
        for name in SETS
        for key in ("accuracy", "balanced_accuracy", "top2_accuracy", "loss")
    }
    return figures | {
        "mia/accuracy": attack,
        "mia/forgetting_score": score,
        "nomus": (accuracy + 1 - 2 * score) / 2,
        "mia_matched/auc": attack,
        "mia_matched/balanced_accuracy": attack,
        "mia_matched/tpr_at_1pct_fpr": 0.02,
    }


def _result(root: Path, name: str, folder: str) -> StageResult:
    paths = [path for path in sorted((root / "work" / "faces" / folder).iterdir()) if path.is_file()]
    outs = {path.relative_to(root).as_posix(): file_md5(path) for path in paths}
    params = {"params.yaml": {"faces.data.task": "age", "faces.train": {"epochs": 3, "milestones": [1, 2]}}}
    stage = Stage(
        name=name, address=f"{name}@faces", cmd=f"python -m aru {name} faces", deps=(), params=params, outs=tuple(outs)
    )
    computed = name in ("train", "retrain")
    return StageResult(stage, "0" * 63 + "1", not computed, "computed" if computed else "dvc.lock", outs, 1.5)


def _write(path: Path, text: str) -> None:
    _folder(path.parent)
    path.write_text(text, encoding="utf-8")


def _folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


def _git(root: Path, *arguments: str) -> None:
    author = ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(root), *author, *arguments], check=True, capture_output=True)
