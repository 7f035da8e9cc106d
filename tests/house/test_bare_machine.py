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
import yaml

from aru.__main__ import _parser
from aru.comparison.cell import open_store
from aru.core.errors import InputError
from aru.core.files import file_md5
from aru.data.manifest import read_manifest
from aru.data.packing import decode_packed, pack
from tests.helpers.tuned import make
from tools import gpu_plans, on_gpu

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
    pace = json.loads((tmp_path / "out" / "pace.json").read_text())
    figures = pace["images_per_second"]
    assert len(figures) == 6 and min(figures.values()) > 0 and "written out" in pace["plain attack"]
    assert pace["factors"]["attack"] == pytest.approx(figures["attack"] / figures["attack, plain"], abs=0.01)
    assert "complete" in said
    with tarfile.open(tmp_path / "out" / "results-1.tar.gz") as tar:
        names = tar.getnames()
    assert sum(name.endswith("record.json") for name in names) == 4 and not any("model" in name for name in names)
    assert "4 results are new" in here("merge", "toy", str(tmp_path / "out"))
    assert "0 results are new" in here("merge", "toy", str(tmp_path / "out"))
    assert len(list(open_store(checkout / "work" / "toy").keys())) == 4
    published = here("publish", "toy", "official", "--methods", "nothing,ssd", "--seeds", "1", "--device", "cpu")
    assert "3 of 3 results" in published  # the retrained model is always among them
    assert "ssd" in (checkout / "work" / "toy" / "comparison" / "gpu" / "official-own" / "results.md").read_text()


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


def record(work: Path, store: str, key: str, device: str, protocol: str = "clean") -> Path:
    """A result with all its files."""
    folder = work / store / key[:2] / key
    folder.mkdir(parents=True)
    (folder / "record.json").write_text(json.dumps({"device": device, "protocol": protocol}))
    for name in ("figures-1.json", "logits.safetensors", "model.safetensors"):
        (folder / name).write_bytes(b"1" * 50)
    return folder


def test_what_a_gpu_computed_before_travels_without_weights_and_comes_back_once(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    record(here, "comparison/cells", "aa11", "cuda")
    record(here, "comparison/cells", "bb22", "cpu")
    record(here, "comparison/stopped", "cc33", "cuda")
    on_gpu.pack_known(here, tmp_path / "known.tar.gz")
    with tarfile.open(tmp_path / "known.tar.gz") as tar:
        known = set(tar.getnames())
        tar.extractall(there, filter="data")
    cell = "comparison/cells/aa/aa11"
    assert known == {f"{cell}/figures-1.json", f"{cell}/record.json", "comparison/stopped/cc/cc33/record.json"}
    for store in ("comparison/cells", "shadows/models"):
        record(there, store, "dd44", "cuda")
    other = tmp_path / "other"
    record(other, "comparison/cells", "ee55", "cuda")
    (there / "audit" / "aru-full").mkdir(parents=True)
    (there / "audit" / "aru-full" / "audit.json").write_text("{}")
    (only,) = on_gpu.pack_results([there, other], tmp_path, known={"aa11", "cc33"})
    with tarfile.open(only) as tar:
        back = tar.getnames()
    assert {Path(name).parent.name for name in back} == {"dd44", "ee55", "aru-full"} and len(back) == 3 * 3 + 1
    assert not any("model.safetensors" in name for name in back)
    record(tmp_path / "trials", "comparison/cells", "ff66", "cuda", "tuning")
    (only,) = on_gpu.pack_results([tmp_path / "trials"], tmp_path)
    with tarfile.open(only) as tar:
        assert sorted(Path(name).name for name in tar.getnames()) == ["figures-1.json", "record.json"]


def test_results_are_split_below_the_limit_of_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr(on_gpu, "_RESULT_BYTES", 9000)
    for number in range(5):
        record(tmp_path / "work", "comparison/cells", f"aa{number}", "cuda")
    files = on_gpu.pack_results([tmp_path / "work"], tmp_path)
    assert [file.name for file in files] == ["results-1.tar.gz", "results-2.tar.gz", "results-3.tar.gz"]


@pytest.mark.parametrize("plan", gpu_plans.PLANS)
def test_every_plan_gives_its_commands_what_they_take_and_ends_with_its_minutes(plan, tmp_path, monkeypatch):
    base, called = tmp_path / "project", []
    (base / "work" / "toy" / "prepared").mkdir(parents=True)
    (base / "params.yaml").write_text("benchmarks: {toy: data/toy.zip}\ntoy: {model: {name: resnet18}}\n")

    def aru(command: list[str]) -> int:
        options = vars(_parser(command).parse_args(command))
        called.append((options, Path.cwd().name))
        return 4 if command[0] == "audit-model" else 0

    def tune(command: list[str]) -> int:
        called.append(({"command": "tune", "workers": 3, "trials": command[command.index("--trials") + 1]}, Path.cwd().name))
        return 0

    monkeypatch.setattr("aru.__main__.main", aru)
    monkeypatch.setattr("flows.experiments.plain_tuning.main", tune)
    steps = gpu_plans.steps_of(plan, methods="scrub,aru", trials="7", seeds="2")
    assert gpu_plans.run_plan(steps, "toy", base, minutes=5, workers=3)
    assert [options["command"] for options, _ in called] == {
        "official": ["compare"],
        "clean": ["compare"],
        "tuned": ["tune", "compare"],
        "networks": ["tune", "compare", "tune", "compare"],
        "shadows": ["shadows", "compare", "audit-model", "audit-model"],
    }[plan]
    for options, _ in called:
        if "workers" in options:
            assert options["workers"] == 3
        if options["command"] == "compare":
            assert options["seeds"] == 2 and options["methods"].endswith("scrub,aru") and 4 < options["budget_minutes"] <= 5
            assert (options["parameters"] == "tuned") == (plan in ("tuned", "networks"))
        if options["command"] == "tune":
            assert options["trials"] == "7"
    places = [place for _, place in called]
    own = [f"project-{gpu_plans.slug(network)}" for network in gpu_plans.NETWORKS for _ in range(2)]
    assert places == (own if plan == "networks" else ["project"] * len(called))
    if plan == "networks":
        content = yaml.safe_load((tmp_path / "project-resnet50" / "params.yaml").read_text())
        assert content["toy"]["model"] == {"name": "resnet50"}
        assert (tmp_path / "project-resnet50" / "work" / "toy" / "prepared").resolve() == base / "work" / "toy" / "prepared"
    called.clear()
    assert not gpu_plans.run_plan(steps, "toy", base, minutes=0, workers=3) and not called
