"""ARU on segmentation and detection of the embedded benchmark's parts: what docs/tasks.md reports.

    python tools/measure_tasks.py segmentation work/tasks/segmentation
    python tools/measure_tasks.py detection work/tasks/detection --network fasterrcnn_mobilenet_v3_large_320_fpn

Draws faces with part masks and boxes, trains an original and a retrained model, unlearns the forgotten people by ARU, and
writes `figures.json` in the folder after each model. Models that lie there are read, so an interrupted run goes on.
`python -m tools.page_tables FOLDER ...` puts the figures of folders into docs/tasks.json and its table into docs/tasks.md.
"""

import argparse
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import nn
from torchvision.models import get_model

from aru.compute.device import Compute
from aru.core.config import TrainConfig
from aru.core.files import load_tensors, save_tensors, write_json
from aru.core.names import SETS
from aru.core.seeds import draw_seed, generator, seeded
from aru.data.images import ImageSet, Sets
from aru.data.prepare import build_manifest
from aru.data.structured import structured_sets
from aru.faces.generate import generate, labels_path
from aru.faces.parts import BOXED, PARTS
from aru.methods.aru.pipeline import NAMED, unlearn
from aru.methods.aru.presets import AruConfig
from aru.metrics.task_scores import mean_average_precision, mean_iou
from aru.nets.models import batchnorms
from aru.stats.intervals import draw_counts, interval
from aru.stats.roc import auc, auc_interval
from aru.train.loop import fit
from aru.train.tasks import DETECTION, SEGMENTATION, Task, sample_losses

RESAMPLES, RESAMPLES_OF_BOXES = 1000, 200
TASKS = {"segmentation": SEGMENTATION, "detection": DETECTION}
NETWORKS = {
    "segmentation": ("lraspp_mobilenet_v3_large", "fcn_resnet50"),
    "detection": ("ssdlite320_mobilenet_v3_large", "fasterrcnn_mobilenet_v3_large_320_fpn"),
}
"""Task -> names of torchvision's networks, the first one unless another is named."""


def main() -> None:
    """Read the command line, then draw, train, unlearn, measure."""
    parser = argparse.ArgumentParser(description="Measure ARU on segmentation or detection of faces.")
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--network", choices=[name for names in NETWORKS.values() for name in names])
    parser.add_argument("--families", type=int, default=30)
    parser.add_argument("--photos", type=int, default=6)
    parser.add_argument("--side", type=int, default=64, help="of the images, pixels")
    parser.add_argument("--forget", type=int, default=12, help="people")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--finetune-epochs", type=int, default=5)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.network = options.network or NETWORKS[options.task][0]
    if options.network not in NETWORKS[options.task]:
        parser.error(f"{options.network} is no network for {options.task}; choose from {', '.join(NETWORKS[options.task])}")
    torch.set_num_threads(1)
    options.folder.mkdir(parents=True, exist_ok=True)
    archive = options.folder / "faces.zip"
    if not archive.exists():
        generate(archive, seed=options.seed, families=options.families, photos=options.photos, labels=("parts", "boxes"))
    manifest = build_manifest("mufac", archive, protocol="clean", forget={"draw": options.forget}, seed=options.seed)
    measure(options, manifest, read_sets(archive, manifest, options.task, options.side))


def measure(options: argparse.Namespace, manifest: pd.DataFrame, sets: Sets) -> None:
    """Make the three models, each with its figures."""
    task, compute = TASKS[options.task], Compute(torch.device("cpu"))
    training = TrainConfig(
        epochs=options.epochs,
        batch_size=16,
        optimiser="adamw",
        lr=options.lr,
        weight_decay=0.01,
        schedule="onecycle",
        augment=False,
    )
    finetune = {"optimiser": "adamw", "lr": options.lr / 2, "epochs": options.finetune_epochs, "batch_size": 16}
    preset = NAMED["paper"].model_dump()
    config = AruConfig.model_validate(preset | {"finetune": preset["finetune"] | finetune | {"augment": False}})

    def trained(data: ImageSet, purpose: str) -> nn.Module:
        model = build(options, draw_seed(options.seed, f"{purpose}/init"))
        fit(model, data, training, generator=generator(options.seed, purpose), compute=compute, task=task, progress=_printed)
        return model

    original = _made(options, "original", lambda: trained(sets.train, "train"))
    models = {
        "original": lambda: original,
        "unlearned": lambda: (
            unlearn(original, sets, config, seed=options.seed, compute=compute, task=task, progress=_printed).model
        ),
        "retrained": lambda: trained(sets.retain, "retrain"),
    }
    figures: dict[str, Any] = {
        "settings": {name: str(value) for name, value in vars(options).items() if name != "folder"},
        "images": {name: len(getattr(sets, name)) for name in SETS},
        "people": {name: int(manifest.subject[manifest.role == name].nunique()) for name in SETS},
    }
    for name, make in models.items():
        model = _made(options, name, make)
        figures[name] = {
            "test": UTILITY[options.task](model, sets.test, _people(manifest, "test"), task),
            "attack": attacked(model, sets, manifest, task, compute),
        }
        write_json(options.folder / "figures.json", figures)
        print(name, figures[name], flush=True)


def build(options: argparse.Namespace, seed: int) -> nn.Module:
    """A network with fresh weights."""
    with seeded(seed):
        classes = len(PARTS) if options.task == "segmentation" else len(BOXED) + 1
        model = get_model(options.network, weights=None, weights_backbone=None, num_classes=classes)
        if options.network.startswith("ssdlite"):
            model.transform.fixed_size = (options.side, options.side)
        elif options.network.startswith("fasterrcnn"):
            model.transform.min_size, model.transform.max_size = (options.side,), options.side
    for module in batchnorms(model):
        module.momentum = 0.1  # torchvision's 0.01 and 0.03 are for trainings of many thousand steps
    return model


def read_sets(archive: Path, manifest: pd.DataFrame, task: str, side: int) -> Sets:
    """The four sets of (image (3, side, side), mask or boxes)."""
    with zipfile.ZipFile(archive) as opened, zipfile.ZipFile(labels_path(archive)) as beside:
        boxes = pd.concat(
            pd.read_csv(io.BytesIO(beside.read(f"custom_{split}_boxes.csv"))).assign(split=split)
            for split in ("train", "val", "test")
        )

        def item(path: str) -> tuple[Image.Image, Any]:
            folder, name = path.split("/")
            picture = Image.open(io.BytesIO(opened.read(path))).convert("RGB")
            image = picture.resize((side, side), Image.Resampling.BILINEAR)
            if task == "segmentation":
                mask = Image.open(io.BytesIO(beside.read(f"{folder.replace('images', 'parts')}/{Path(name).stem}.png")))
                return image, np.array(mask.resize((side, side), Image.Resampling.NEAREST))
            own = boxes[(boxes.image_path == name) & (boxes.split == folder.split("_")[0])].drop_duplicates()
            corners = torch.tensor(own[["left", "top", "right", "bottom"]].to_numpy(), dtype=torch.float32)
            labels = torch.tensor([BOXED.index(part) + 1 for part in own.part])
            return image, {"boxes": corners * side / picture.width, "labels": labels}

        items = {name: [item(path) for path in manifest.path[manifest.role == name]] for name in SETS}
    outputs = len(PARTS) if task == "segmentation" else len(BOXED) + 1
    return structured_sets(*(items[name] for name in SETS), outputs=outputs)


def attacked(model: nn.Module, sets: Sets, manifest: pd.DataFrame, task: Task, compute: Compute) -> dict[str, Any]:
    """The loss attack: AUC of minus the loss, forgotten people against unseen ones; interval by a bootstrap over people."""
    forget, unseen = (-sample_losses(model, part, task, compute=compute).numpy() for part in (sets.forget, sets.unseen))
    people = _people(manifest, "forget"), _people(manifest, "unseen")
    return {
        "auc": auc(forget, unseen),
        "interval": auc_interval(forget, unseen, people=people, resamples=RESAMPLES, seed=0),
        "mean_loss": {"forget": -float(forget.mean()), "unseen": -float(unseen.mean())},
    }


def mean_iou_of(model: nn.Module, data: ImageSet, people: np.ndarray, task: Task) -> dict[str, Any]:
    """Mean over the parts of intersection over union, all pixels of the set together; interval over people."""
    predicted, masks = [], []
    for positions in torch.arange(len(data)).split(16):
        images, wanted = data.batch(positions, torch.device("cpu"))
        with torch.no_grad():
            predicted.append(task.predict(model, images))
        masks.append(wanted)
    figure = mean_iou(torch.cat(predicted), torch.cat(masks), classes=len(PARTS))
    counts = draw_counts(len(data), people, resamples=RESAMPLES, rng=np.random.default_rng(0))
    return {"mIoU": float(figure(np.ones((1, len(data))))[0]), "interval": interval(figure(counts))}


def mean_average_precision_of(model: nn.Module, data: ImageSet, people: np.ndarray, task: Task) -> dict[str, Any]:
    """COCO's mAP over IoU 0.5 to 0.95, and that at 0.5; the interval of the first over people."""
    found, annotated = [], []
    for positions in torch.arange(len(data)).split(16):
        batch: tuple[torch.Tensor, Any] = data.batch(positions, torch.device("cpu"))
        images, targets = batch
        with torch.no_grad():
            found += task.predict(model, images)
        annotated += targets
    figure, once = mean_average_precision(found, annotated), np.ones((1, len(data)))
    counts = draw_counts(len(data), people, resamples=RESAMPLES_OF_BOXES, rng=np.random.default_rng(0))
    at_half = mean_average_precision(found, annotated, key="map_50")
    return {"mAP": float(figure(once)[0]), "mAP50": float(at_half(once)[0]), "interval": interval(figure(counts))}


UTILITY = {"segmentation": mean_iou_of, "detection": mean_average_precision_of}


def _people(manifest: pd.DataFrame, role: str) -> np.ndarray:
    return manifest.subject[manifest.role == role].to_numpy(str)


def _made(options: argparse.Namespace, name: str, make: Callable[[], nn.Module]) -> nn.Module:
    """The model that lies in the folder, else a new one that is then put there; in evaluation mode."""
    path, model = options.folder / f"{name}.safetensors", build(options, 0)
    if not path.exists():
        save_tensors(path, {key: value.cpu() for key, value in make().state_dict().items()})
    model.load_state_dict(load_tensors(path)[0])
    return model.eval()


def _printed(done: int, total: int, text: str) -> None:
    if done % max(1, total // 20) == 0:
        print(f"{text}: {done} of {total}", flush=True)


if __name__ == "__main__":
    main()
