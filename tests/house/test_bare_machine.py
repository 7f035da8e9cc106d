"""A borrowed machine with PyTorch and little else: what is packed here is decoded, compared and merged again."""

import importlib.metadata
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from aru.comparison.cell import open_store
from aru.core.errors import InputError
from aru.core.files import file_md5
from aru.data.manifest import read_manifest
from aru.data.packing import decode_packed, pack
from tests.helpers.tuned import make

ROOT = Path(__file__).resolve().parents[2]
THERE = (
    "torch",
    "torchvision",
    "numpy",
    "pandas",
    "PyYAML",
    "safetensors",
    "scikit-learn",
    "scipy",
    "matplotlib",
    "pillow",
    "typer",
    "rich",
    "filelock",
    "timm",
    "pytest",
    "pydantic",
)
"""What such a machine has, and pydantic, which is carried."""
BLOCKER = """
import sys
class Hiding:
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in {blocked} else self.finder.find_spec(name, path, target)
    def __getattr__(self, name):
        return getattr(self.finder, name)
sys.meta_path[:] = [Hiding(finder) for finder in sys.meta_path]
"""


def missing_there() -> set[str]:
    """The top-level modules of all packages here that are neither there nor needed by what is there."""
    kept, waiting = set(), [name.lower() for name in THERE]
    while waiting:
        name = waiting.pop()
        try:
            requires = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        if name not in kept:
            kept.add(name)
            waiting += [re.match(r"[\w.-]+", line)[0].lower() for line in requires if "extra ==" not in line]
    modules: dict[bool, set[str]] = {True: set(), False: set()}
    for module, packages in importlib.metadata.packages_distributions().items():
        modules[
            any(
                re.sub(r"[-_.]+", "-", package).lower() in {re.sub(r"[-_.]+", "-", name) for name in kept}
                for package in packages
            )
        ].add(module)
    return {name for name in modules[False] - modules[True] if not name.startswith("_")} - {"aru", "flows"}


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """The environment of a process that finds only what a bare machine has."""
    blocked = missing_there()
    assert {"prefect", "mlflow", "dvc", "optuna", "ruamel", "sqlalchemy"} <= blocked
    assert not {"torch", "pandas", "sklearn", "PIL", "pydantic", "yaml"} & blocked
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(BLOCKER.format(blocked=repr(blocked)))
    return os.environ | {"PYTHONPATH": f"{site}{os.pathsep}{ROOT}", "OUT": str(tmp_path / "out")}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small prepared benchmark."""
    return make(tmp_path_factory.mktemp("prepared"), "shufflenet_v2_x0_5")


def test_a_comparison_on_a_bare_machine_comes_back_into_the_store(prepared, bare, tmp_path, monkeypatch, capsys):
    checkout, keep = tmp_path / "checkout", tmp_path / "keep"
    checkout.mkdir()
    shutil.copy(ROOT / "dvc.yaml", checkout)
    shutil.copy(ROOT / "suppression.jsonl", checkout)
    shutil.copy(prepared / "params.yaml", checkout)
    shutil.copytree(prepared / "data", checkout / "data")
    shutil.copytree(prepared / "work" / "toy" / "prepared", checkout / "work" / "toy" / "prepared")
    monkeypatch.chdir(checkout)

    def here(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["on_gpu.py", "--keep", str(keep), *arguments])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(ROOT / "tools" / "on_gpu.py"), run_name="__main__")
        assert ended.value.code == 0
        return capsys.readouterr().out

    def there(*arguments: str) -> str:
        program = "import sys; sys.argv[0] = sys.argv.pop(1); import runpy; runpy.run_path(sys.argv[0], run_name='__main__')"
        command = [sys.executable, "-c", program, str(ROOT / "tools" / "on_gpu.py"), "--keep", str(keep), *arguments]
        done = subprocess.run(command, cwd=checkout, env=bare, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    here("pack", "toy", "--no-wheels")
    shutil.rmtree(checkout / "data")
    keep.mkdir()
    shutil.copy(checkout / "work" / "gpu" / "first" / "part-1.zip", keep)
    said = there(
        "second", "toy", "official", "--methods", "nothing,ssd", "--seeds", "1", "--workers", "1", "--pace-seconds", "0.1"
    )
    images = keep / "project" / "work" / "toy" / "prepared" / "images.npy"
    assert file_md5(images) == file_md5(prepared / "work" / "toy" / "prepared" / "images.npy")
    pace = json.loads((tmp_path / "out" / "pace.json").read_text())["images_per_second"]
    assert len(pace) == 6 and min(pace.values()) > 0
    assert "complete" in said
    with tarfile.open(tmp_path / "out" / "cells-1.tar") as tar:
        names = tar.getnames()
    assert sum(name.endswith("record.json") for name in names) == 4 and not any("model" in name for name in names)
    assert "4 results are new" in here("merge", "toy", str(tmp_path / "out"))
    assert "0 results are new" in here("merge", "toy", str(tmp_path / "out"))
    assert len(list(open_store(checkout / "work" / "toy").keys())) == 4


def test_files_travel_once_in_parts_that_keep_to_the_limit(prepared, tmp_path):
    manifest = read_manifest(prepared / "work" / "toy" / "prepared" / "manifest.csv")
    manifest.loc[1, "digest"] = manifest.loc[0, "digest"]
    archive = prepared / "data" / "toy.zip"
    parts = pack(archive, manifest, tmp_path, parts=3, limit=1 << 20)
    sizes = [part.stat().st_size for part in parts]
    assert max(sizes) < 1.2 * min(sizes)
    decode_packed(parts, manifest, 24, tmp_path / "images.npy")
    with pytest.raises(InputError, match="are in none of 2 parts: transfer all parts"):
        decode_packed(parts[:2], manifest, 24, tmp_path / "images.npy")
    with pytest.raises(InputError, match=r"do not fit into 2 parts of 40000: at least \d+ parts are needed"):
        pack(archive, manifest, tmp_path, parts=2, limit=40_000)
