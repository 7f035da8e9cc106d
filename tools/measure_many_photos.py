"""Time and memory of the steps from many photos to three evaluated models: what docs/data.md reports under "How many photos".

    python tools/measure_many_photos.py 200000 work/many

Makes that many photos of 64 px, some of them planted copies of others, in FOLDER/COUNT, imports them by the source `table` and
runs the stages, each step in a process of its own. `figures.json` there is written after each step, and steps that it has are
not repeated, so an interrupted run goes on.
"""

import argparse
import csv
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import pandas as pd
import yaml
from PIL import Image, ImageOps

from aru.core.files import read_json, write_json
from aru.data.census import census
from aru.data.evidence import merge_evidence
from aru.data.manifest import read_manifest
from aru.data.own_photos import convert
from aru.data.sources.found import Columns

SIDE, PHOTOS_OF_ONE, CLASSES = 64, 10, 4
PLANTED = 10  # of so many people one has a copy of his first photo as his second one
STAGES = ("prepare", "train", "retrain", "attack", "mask", "finetune", "evaluate")
PARAMETERS = {
    "data": {"layout": "table", "task": "kind", "resolution": SIDE, "protocol": "clean", "forget": {"draw": 100}},
    "model": {"name": "shufflenet_v2_x0_5"},
    "train": {"epochs": 1, "augment": False, "batch_size": 256},
    "finetune": {"epochs": 1, "augment": False, "batch_size": 256},
}


def main() -> None:
    """Read the command line and do what is not done yet."""
    parser = argparse.ArgumentParser(description="Measure the steps on many made photos.")
    parser.add_argument("count", type=int)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--until", choices=STEPS, default=STAGES[-1], help="the last step that is measured")
    parser.add_argument("--one", choices=STEPS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    root: Path = options.folder / str(options.count)
    root.mkdir(parents=True, exist_ok=True)
    if options.one:
        measure(options.one, options.count, root)
        return
    names = list(STEPS)
    for name in names[: names.index(options.until) + 1]:
        if name not in _figures(root):
            subprocess.run([sys.executable, __file__, str(options.count), str(options.folder), "--one", name], check=True)
        print(name, _figures(root)[name], flush=True)


def measure(name: str, count: int, root: Path) -> None:
    """Do one step and add its figures: seconds of the clock and of the CPU, the greatest memory of this process in MiB.

    `anonymous` is what the process allocated (RssAnon of /proc/self/status, looked at 20 times a second), `resident` has the
    pages of mapped files, too, which the system can take back (VmHWM). `start` is anonymous memory before the step.
    """
    stop, anonymous, before = Event(), [0], _status("RssAnon")

    def watch() -> None:
        while not stop.wait(0.05):
            anonymous[0] = max(anonymous[0], _status("RssAnon"))

    watching = Thread(target=watch, daemon=True)
    watching.start()
    start, used = time.perf_counter(), time.process_time()
    result = STEPS[name](count, root)
    seconds, used = time.perf_counter() - start, time.process_time() - used
    stop.set()
    watching.join()
    figures = {
        "seconds": round(seconds, 1),
        "cpu_seconds": round(used, 1),
        "photos_per_cpu_second": round(count / used),
        "start_mib": before >> 10,
        "resident_mib": _status("VmHWM") >> 10,
        "anonymous_mib": anonymous[0] >> 10,
        **result,
    }
    write_json(root / "figures.json", _figures(root) | {name: figures})


def make(count: int, root: Path) -> dict[str, Any]:
    """The photos: smooth random fields, of each person one, with others of each photo; and the planted copies."""
    folder, rng = root / "photos", np.random.default_rng(0)
    folder.mkdir(exist_ok=True)
    with (folder / "people.csv").open("w") as table, (root / "planted.csv").open("w") as planted:
        rows, pairs = csv.writer(table), csv.writer(planted)
        rows.writerow(["file", "person", "kind"])
        pairs.writerow(["one", "other", "edit"])
        for person in range(-(-count // PHOTOS_OF_ONE)):
            part = folder / f"{person // 100:05d}"
            part.mkdir(exist_ok=True)
            fields = _fields(rng, PHOTOS_OF_ONE + 1)
            pixels = np.clip(128 + 45 * (0.6 * fields[:1] + 0.8 * fields[1:]), 0, 255).astype(np.uint8)
            pictures = [Image.fromarray(picture) for picture in pixels[: count - person * PHOTOS_OF_ONE]]
            names = [f"{part.name}/{person:07d}_{number}.jpg" for number in range(len(pictures))]
            edits = dict(zip(names, ["jpeg"] * len(names), strict=True))
            if person % PLANTED == 0:
                edit = list(EDITS)[person // PLANTED % len(EDITS)]
                edits[names[1]], pictures[1] = edit, pictures[0]
                pairs.writerow([names[0], names[1], edit])
            for (name, edit), picture in zip(edits.items(), pictures, strict=True):
                rows.writerow([name, f"person {person}", f"kind {person % CLASSES}"])
                EDITS.get(edit, lambda image: image)(picture).save(
                    folder / name, quality=50 if edit == "second compression" else 90
                )
    return {}


def _fields(rng: np.random.Generator, count: int) -> np.ndarray:
    """Random colour fields (count, SIDE, SIDE, 3) of variance 1, amplitude 1/frequency^1.5: smooth, as photographs are."""
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None])
    amplitude = np.where(frequency > 0, np.maximum(frequency, 1 / SIDE) ** -1.5, 0)[None, :, :, None]
    shape = (count, SIDE, SIDE // 2 + 1, 3)
    fields = np.fft.irfft2((rng.normal(size=shape) + 1j * rng.normal(size=shape)) * amplitude, s=(SIDE, SIDE), axes=(1, 2))
    return fields / fields.std(axis=(1, 2, 3), keepdims=True)


def imported(count: int, root: Path) -> dict[str, Any]:
    """The archive, as `aru data import table` writes it; how long each part took; which planted copies are one photo then."""
    clock = _Clock()
    rows = convert("table", root / "photos" / "people.csv", root / "data" / "many.zip", Columns(), progress=clock).rows
    photo = dict(zip(rows["path"].str.removeprefix("photos/"), rows["photo"], strict=True))
    planted = pd.read_csv(root / "planted.csv")
    planted["found"] = planted["one"].map(photo) == planted["other"].map(photo)
    others = len(rows) - int(rows["photo"].nunique()) - int(planted["found"].sum())
    found = planted.groupby("edit")["found"].agg(["size", "sum"])
    (root / "params.yaml").write_text(yaml.safe_dump({"benchmarks": {"many": "data/many.zip"}, "many": PARAMETERS}))
    return {
        "cpu_seconds_of_parts": clock.seconds,
        "planted": {str(edit): f"{right} of {size}" for edit, size, right in found.itertuples()},
        "other_pairs": others,
    }


def counted(count: int, root: Path) -> dict[str, Any]:
    """The census and the people by name, as `aru data audit` shows them."""
    manifest = read_manifest(root / "work" / "many" / "prepared" / "manifest.csv")
    found = census(manifest)
    return {"people": found["counts"]["people"], "merged": len(merge_evidence(manifest)["merges"])}


def stage(name: str) -> Callable[[int, Path], dict[str, Any]]:
    """A stage of the project folder."""

    def measured(count: int, root: Path) -> dict[str, Any]:
        from aru.stages.runner import run  # imports PyTorch, which an import and the census do without

        clock = _Clock()
        run(name, "many", root=root, progress=clock)
        return {"cpu_seconds_of_parts": clock.seconds}

    return measured


class _Clock:
    """A `Progress` that adds up the CPU seconds of each part: what is used between two reports is the second one's."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.process_time()

    def __call__(self, done: int, total: int, text: str) -> None:
        now = time.process_time()
        self.seconds[text] = round(self.seconds.get(text, 0) + now - self._last, 2)
        self._last = now


def _status(field: str) -> int:
    """A field of this process's status, KiB (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


def _figures(root: Path) -> dict[str, Any]:
    path = root / "figures.json"
    return dict(read_json(path)) if path.exists() else {}


EDITS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "second compression": lambda image: image,
    "half the size": lambda image: image.resize((SIDE // 2, SIDE // 2), Image.Resampling.BILINEAR),
    "mirrored": ImageOps.mirror,
    "cropped by 5 %": lambda image: image.crop((3, 3, SIDE - 3, SIDE - 3)),
}
STEPS: dict[str, Callable[[int, Path], dict[str, Any]]] = {
    "make": make,
    "import": imported,
    "prepare": stage("prepare"),
    "census": counted,
    **{name: stage(name) for name in STAGES[1:]},
}

if __name__ == "__main__":
    main()
