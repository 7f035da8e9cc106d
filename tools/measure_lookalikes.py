"""Where the right person stands in the list of look-alikes, for a photo that the model never saw.

    python -m tools.measure_lookalikes faces --people 200

Of each of so many drawn people of the training photos one photo is taken out, with all its copies; a model is trained by the
benchmark's recipe on the others; then the photo is looked for among all that is left. The same is asked about people whom no
model was trained on, by a photo of theirs among their others. Beside it stand the features of the same network before its
training, the pixels themselves, and what a blind order gives. Wants work/BENCHMARK/prepared/ (`python -m aru prepare`).
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.nn.functional import adaptive_avg_pool2d

from aru.compute.device import make_compute
from aru.core.config import load_config
from aru.data.images import ImageSet, load_images, load_training
from aru.data.manifest import read_manifest
from aru.metrics.representation.activations import penultimate
from aru.metrics.representation.alike import Gallery
from aru.nets.configured import build_configured
from aru.stats.roc import clopper_pearson
from aru.train.from_scratch import fit_from_scratch

FIRST = (1, 5, 10)
"""Lengths of the list, in people."""
_SEED, _CELLS = 0, 12


@dataclass(frozen=True)
class Drawn:
    """The gallery and the queries: positions of one file a photo in the manifest, and the person of each."""

    gallery: np.ndarray
    people: np.ndarray
    queries: np.ndarray
    asked: np.ndarray


def draw(manifest: pd.DataFrame, splits: tuple[str, ...], count: int) -> np.ndarray:
    """Photos of different people of these splits, one each of those who have three there: positions in the manifest."""
    photos = manifest.drop_duplicates("photo")
    chosen = photos[photos["split"].isin(splits)]
    enough = chosen.groupby("subject")["photo"].transform("size") >= 3
    shuffled = chosen[enough].sample(frac=1, random_state=_SEED)
    return np.sort(shuffled.drop_duplicates("subject").index.to_numpy()[:count])


def ranks(features: torch.Tensor, drawn: Drawn) -> np.ndarray:
    """The rank of the right person for every query, from 1. features: (rows of the manifest, K)."""
    gallery, found = Gallery(features[drawn.gallery], drawn.people), []
    for query, person in zip(drawn.queries, drawn.asked, strict=True):
        order = [ranked.person for ranked in gallery.rank(features[int(query)])]
        found.append(1 + order.index(person))
    return np.asarray(found)


def figures(found: np.ndarray) -> dict[str, Any]:
    """Of ranks: median, and recall: length of the list -> share found, 95 % interval (Clopper-Pearson)."""
    counts = {first: int((found <= first).sum()) for first in FIRST}
    recall = {first: [count / len(found), *clopper_pearson(count, len(found))] for first, count in counts.items()}
    return {"queries": len(found), "median rank": float(np.median(found)), "recall": recall}


def measure(root: Path, benchmark: str, people: int) -> dict[str, Any]:
    """Train without the drawn photos and look for them: group -> what is compared -> figures of `figures`."""
    config, prepared = load_config(root / "params.yaml", benchmark), root / "work" / benchmark / "prepared"
    manifest = read_manifest(prepared / "manifest.csv")
    images = load_images(prepared / "images.npy", len(manifest))
    groups = {
        "people trained on": draw(manifest, ("train",), people),
        "people never trained on": draw(manifest, ("val", "test"), people),
    }
    taken = manifest["photo"].isin(manifest["photo"].iloc[np.concatenate(list(groups.values()))])
    gallery = manifest[~taken].drop_duplicates("photo")
    compute, training, seed = make_compute(config.runtime), load_training(prepared, config.data.task), config.runtime.seed
    kept = np.flatnonzero(~taken.to_numpy()[training.rows])
    model, _ = fit_from_scratch(training.take(kept), config, "train", seed=seed, compute=compute)
    untrained = build_configured(config.model, training.outputs, resolution=config.data.resolution, seed=seed).eval()
    everything = ImageSet(images, np.arange(len(manifest)), torch.zeros(len(manifest), dtype=torch.int64), training.outputs)
    compared = {
        "the model": penultimate(model, everything, compute=compute),
        "before training": penultimate(untrained, everything, compute=compute),
        "pixels": _cells(images),
    }
    found: dict[str, Any] = {"gallery": {"people": int(gallery["subject"].nunique()), "photos": len(gallery)}}
    for group, queries in groups.items():
        drawn = Drawn(
            gallery.index.to_numpy(), gallery["subject"].to_numpy(), queries, manifest["subject"].to_numpy()[queries]
        )
        found[group] = {name: figures(ranks(features, drawn)) for name, features in compared.items()}
    return found


def _cells(images: np.ndarray) -> torch.Tensor:
    """The means of 12 x 12 cells of every image: (N, 432)."""
    parts = [torch.from_numpy(images[start : start + 1024].copy()) for start in range(0, len(images), 1024)]
    return torch.cat([adaptive_avg_pool2d(part.permute(0, 3, 1, 2).float(), _CELLS).flatten(1) for part in parts])


def table(found: dict[str, Any]) -> str:
    """The figures as Markdown."""
    lines = ["| photo of | by | median rank | " + " | ".join(f"among the first {first}" for first in FIRST) + " |"]
    lines.append("|---|---|---:|" + "---|" * len(FIRST))
    for group, compared in found.items():
        for name, one in compared.items() if group != "gallery" else ():
            shares = [f"{share:.3f} ({low:.3f} to {high:.3f})" for share, low, high in one["recall"].values()]
            lines.append(f"| {one['queries']} {group} | {name} | {one['median rank']:g} | " + " | ".join(shares) + " |")
    people = found["gallery"]["people"]
    blind = " | ".join(f"{first / people:.3f}" for first in FIRST)
    return "\n".join([*lines, f"| anybody | a blind order | {(people + 1) / 2:g} | {blind} |"])


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("benchmark")
    parser.add_argument("--people", type=int, default=200, help="the most that are drawn of each group")
    options = parser.parse_args()
    print(table(measure(Path("."), options.benchmark, options.people)))


if __name__ == "__main__":
    main()
