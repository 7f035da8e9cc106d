"""What an import of many photos holds: a row of each, never its pixels; and its pairs grow nearly as the photos."""

import gc
import io
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aru.core.progress import Progress
from aru.data import copies, hashed_pairs, thumbnails
from aru.data.copies import SIDE
from aru.data.descriptors import VIEWS
from aru.data.hashed_pairs import Hashing, correlated_in_blocks
from aru.data.own_photos import convert
from aru.data.prepare import read_archive
from aru.data.sources.found import Columns

FEW, MANY, PIXELS = 30, 130, 32
COUNT = 1500  # pictures of the search
MOST_BYTES = 1500  # a photo; docs/data.md has what the process holds


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Photos of random cells, and a table of all and one of a few of them."""
    root = tmp_path_factory.mktemp("many")
    cells = np.random.default_rng(5).integers(0, 255, (MANY, 8, 8, 3), dtype=np.uint8)
    lines = ["file,person,kind"]
    for number, picture in enumerate(cells):
        buffer = io.BytesIO()
        Image.fromarray(picture).resize((PIXELS, PIXELS)).save(buffer, "JPEG")
        (root / f"{number:05d}.jpg").write_bytes(buffer.getvalue())
        lines.append(f"{number:05d}.jpg,person {number // 5},kind {number % 3}")
    (root / "many.csv").write_text("\n".join(lines))
    (root / "few.csv").write_text("\n".join(lines[: FEW + 1]))
    return root


def held(work: Callable[[Progress], object], parts: tuple[str, ...]) -> dict[str, int]:
    """The bytes that Python and NumPy hold when these parts of some work report that they are done."""
    found = {}

    def done(count: int, total: int, text: str) -> None:
        if count == total and text in parts:
            gc.collect()
            found[text] = tracemalloc.get_traced_memory()[0]

    gc.freeze()  # what other tests have imported need not be looked through for each part
    tracemalloc.start()
    try:
        work(done)
        return found
    finally:
        tracemalloc.stop()
        gc.unfreeze()


def test_an_import_and_its_reading_hold_rows_and_no_pixels(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(thumbnails, "IN_MEMORY", 1)
    monkeypatch.setattr(copies, "_candidates", lambda pictures, progress: iter(()))  # the search has a test of its own

    def imported(name: str, progress: Progress) -> None:
        convert("table", folder / f"{name}.csv", tmp_path / f"{name}.zip", Columns(), progress=progress)

    def read(name: str, progress: Progress) -> None:
        read_archive("table", tmp_path / f"{name}.zip", progress=progress)

    for step, parts in ((imported, ("check", "merge people", "write")), (read, ("read tables", "check"))):
        _, few, many = (held(partial(step, name), parts) for name in ("few", "few", "many"))  # some things are loaded once
        for part in parts:
            assert 100 < (many[part] - few[part]) / (MANY - FEW) < MOST_BYTES < PIXELS * PIXELS * 3


def test_compared_pairs_grow_nearly_as_the_pictures(monkeypatch):
    compared = 0
    matches = hashed_pairs._Table.matches

    def counted(table, keys):
        nonlocal compared
        for place, other in matches(table, keys):
            compared += len(place)
            yield place, other

    monkeypatch.setattr(hashed_pairs._Table, "matches", counted)
    fields = np.random.default_rng(2).normal(size=(COUNT, 8, 8)).repeat(SIDE // 8, axis=1).repeat(SIDE // 8, axis=2)
    assert sum(map(len, correlated_in_blocks((128 + 40 * fields).clip(0, 255).astype(np.uint8)))) == 0
    assert compared < planned(COUNT) < len(VIEWS) * COUNT**2
    growth = np.log10(planned(1_000_000) / planned(10_000)) / 2
    assert 1 < growth < 1.3  # of all pairs it is 2


def planned(count: int) -> float:
    """Comparisons that the keys for so many unlike pictures lead to, with one of another key in the slot."""
    hashing = Hashing.of(count, np.array([0.5]))
    return len(VIEWS) * count * hashing.keys * (2 + count * 0.5**hashing.signs)
