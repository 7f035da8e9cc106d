"""Measurements on a borrowed GPU machine that has PyTorch and no network: packed here, run there in two calls, merged here.

    here    python tools/on_gpu.py pack mufac           work/gpu/first and work/gpu/second, each below 64 MiB
    there   python tools/on_gpu.py first                wheels, the first half, nvidia-smi, the tests marked gpu
    there   python tools/on_gpu.py second mufac official --minutes 7    decodes, measures the pace, runs a plan
    here    python tools/on_gpu.py merge mufac FOLDER   results into the comparison's store

The first call carries work/gpu/first, the second work/gpu/second; both keep what they carry in a folder outside the project
(--keep), which has to be there still when the second comes. Results are written into the folder that OUT names. What is
carried are photos of people: they are to be sent to machines alone that may have them. All steps are given in the project's
folder.
"""

import argparse
import contextlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

CODE, ROOT = Path(__file__).resolve().parents[1], Path.cwd()
sys.path.insert(0, str(CODE))

CARRIED = ROOT / "work" / "gpu"
KEEP = Path(tempfile.gettempdir()) / "aru-gpu"
WHEELS = ("pydantic", "pydantic-core", "annotated-types", "typing-inspection")
PLANS = {
    "official": [
        "--methods",
        "nothing,retrain,aru,aru:vitmul,aru:best,random-mask,peers",
        "--protocol",
        "official",
        "--seeds",
        "5",
    ],
    "clean": [
        "--methods",
        "nothing,retrain,aru,aru:best,random-mask,peers",
        "--protocol",
        "clean",
        "--seeds",
        "5",
        "--draws",
        "3",
    ],
}
"""Arguments of `python -m aru compare`, in the order in which they are wanted; whole seeds first."""
_RESULT_BYTES = 15 << 20


def main(arguments: list[str] | None = None) -> int:
    """One of the steps above."""
    parser = argparse.ArgumentParser(
        prog="python tools/on_gpu.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--keep", type=Path, default=KEEP, help="the folder outside the project")
    steps = parser.add_subparsers(dest="step", required=True)
    packing = steps.add_parser("pack")
    packing.add_argument("benchmark")
    packing.add_argument("--limit", type=int, default=60 << 20, metavar="BYTES", help="of each half")
    packing.add_argument("--no-wheels", action="store_true", help="where the other machine has pydantic")
    steps.add_parser("first")
    second = steps.add_parser("second")
    second.add_argument("benchmark")
    second.add_argument("plan", choices=PLANS)
    second.add_argument("--minutes", type=float, default=7.0, help="begin nothing after so many")
    second.add_argument("--workers", type=int, default=4, help="processes that share the card")
    second.add_argument("--methods", help="instead of the plan's")
    second.add_argument("--seeds", help="instead of the plan's")
    second.add_argument("--pace-seconds", type=float, default=8.0, help="for each of the six figures of the pace")
    merging = steps.add_parser("merge")
    merging.add_argument("benchmark")
    merging.add_argument("folder", type=Path)
    options = parser.parse_args(arguments)
    from aru.core.errors import InputError

    try:
        {"pack": _pack, "first": _first, "second": _second, "merge": _merge}[options.step](options)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _pack(options: argparse.Namespace) -> None:
    """Both halves: files of the archive as received, the manifest, the wheels that are missing there."""
    from aru.core.config import load_archive
    from aru.data.manifest import read_manifest
    from aru.data.packing import pack

    prepared = ROOT / "work" / options.benchmark / "prepared"
    manifest = read_manifest(prepared / "manifest.csv")
    first, second = CARRIED / "first", CARRIED / "second"
    for folder in (first, second):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    archive = ROOT / load_archive(ROOT / "params.yaml", options.benchmark)
    parts = pack(archive, manifest, CARRIED, parts=2, limit=options.limit)
    for part, folder in zip(parts, (first, second), strict=True):
        part.replace(folder / part.name)
    shutil.copy(prepared / "manifest.csv", second)
    if not options.no_wheels:
        platforms = [option for number in (28, 27, 17) for option in ("--platform", f"manylinux_2_{number}_x86_64")]
        pins = [
            line
            for line in (ROOT / "constraints.txt").read_text().splitlines()
            if line.partition("==")[0].replace("_", "-") in WHEELS
        ]
        subprocess.run(
            [
                sys.executable,
                "-m",
                "pip",
                "download",
                "--quiet",
                "--no-deps",
                "--only-binary=:all:",
                "--python-version",
                "3.12",
                "--implementation",
                "cp",
                *platforms,
                "--platform",
                "manylinux2014_x86_64",
                "--dest",
                str(first / "wheels"),
                *pins,
            ],
            check=True,
        )
    for folder in (first, second):
        print(f"{folder.relative_to(ROOT)}: {sum(file.stat().st_size for file in folder.rglob('*') if file.is_file())} bytes")


def _first(options: argparse.Namespace) -> None:
    """Keep the first half, install what is missing, say what machine this is, run the tests marked gpu."""
    options.keep.mkdir(parents=True, exist_ok=True)
    for file in (CARRIED / "first").glob("part-*.zip"):
        shutil.copy(file, options.keep)
    wheels = sorted((CARRIED / "first" / "wheels").glob("*.whl"))
    if wheels:
        subprocess.run(
            [
                sys.executable,
                "-m",
                "pip",
                "install",
                "--quiet",
                "--no-index",
                "--no-deps",
                "--no-cache-dir",
                "--upgrade",
                "--target",
                str(options.keep / "site"),
                *map(str, wheels),
            ],
            check=True,
        )
    if shutil.which("nvidia-smi"):
        subprocess.run(["nvidia-smi"], check=False)
    report = _out() / "gpu-tests.txt"
    with open(report, "w", encoding="utf-8") as log:
        # Without conftest.py, whose fixtures want the operation's packages.
        command = [
            sys.executable,
            "-m",
            "pytest",
            "--noconftest",
            "-p",
            "no:cacheprovider",
            "-m",
            "gpu",
            "-rs",
            "tests/compute/test_gpu.py",
        ]
        done = subprocess.run(
            command, cwd=ROOT, env=_environment(options.keep), stdout=log, stderr=subprocess.STDOUT, check=False
        )
    print(report.read_text(encoding="utf-8")[-4000:])
    print(f"tests marked gpu: exit code {done.returncode}")


def _second(options: argparse.Namespace) -> None:
    """Join the halves, decode by the carried manifest, measure the pace, run the plan, and pack up what is new.

    All in this process: PyTorch takes seconds to be imported, and the machine is lent for minutes.
    """
    os.environ |= _environment(options.keep)
    sys.path[1:1] = os.environ["PYTHONPATH"].split(os.pathsep)  # the packages that were carried
    project = make_project(options.keep, options.benchmark)
    out = _out().resolve()
    for file in (CARRIED / "second").glob("part-*.zip"):
        shutil.copy(file, options.keep)
    prepared = project / "work" / options.benchmark / "prepared"
    prepared.mkdir(parents=True, exist_ok=True)
    shutil.copy(CARRIED / "second" / "manifest.csv", prepared)
    parts = [str(path) for path in sorted(options.keep.glob("part-*.zip"))]
    if not (prepared / "images.npy").is_file():
        _run(["unpack", options.benchmark, *parts], project)
    if options.pace_seconds > 0:
        from tools import gpu_pace

        said = io.StringIO()
        with contextlib.chdir(project), contextlib.redirect_stdout(said):
            gpu_pace.main(options.benchmark, options.pace_seconds)
        (out / "pace.json").write_text(said.getvalue(), encoding="utf-8")
        print(said.getvalue())
    arguments = list(PLANS[options.plan])
    for name in ("methods", "seeds"):
        if value := getattr(options, name):
            arguments[arguments.index(f"--{name}") + 1] = value
    try:
        _run(
            [
                "compare",
                options.benchmark,
                *arguments,
                "--workers",
                str(options.workers),
                "--budget-minutes",
                str(options.minutes),
            ],
            project,
        )
    finally:
        for file in pack_results(project / "work" / options.benchmark / "comparison" / "cells", out):
            print(f"{file.name}: {file.stat().st_size} bytes")


def make_project(keep: Path, benchmark: str) -> Path:
    """A project folder beside the checkout in which the benchmark is active, whether it is in params.yaml or not."""
    import yaml

    project = keep / "project"
    project.mkdir(parents=True, exist_ok=True)
    content = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    content["benchmarks"] = {benchmark: f"data/{benchmark}.zip"}
    (project / "params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    for name in ("dvc.yaml", "suppression.jsonl"):
        shutil.copy(ROOT / name, project)
    return project


def pack_results(cells: Path, out: Path) -> list[Path]:
    """All results of a store in tar files below 16 MiB, none of them with weights: original models are personal data."""
    volumes: list[list[Path]] = []
    size = _RESULT_BYTES
    for folder in sorted(cells.glob("*/[!.]*")):
        members = [file for file in sorted(folder.glob("[!.]*")) if file.name != "model.safetensors"]
        needed = sum(file.stat().st_size + 1024 for file in members)
        if size + needed > _RESULT_BYTES:
            volumes.append([])
            size = 0
        volumes[-1] += members
        size += needed
    files = [out / f"cells-{number}.tar" for number in range(1, len(volumes) + 1)]
    for path, members in zip(files, volumes, strict=True):
        with tarfile.open(path, "w") as tar:
            for file in members:
                tar.add(file, arcname=file.relative_to(cells).as_posix())
    return files


def _merge(options: argparse.Namespace) -> None:
    """Put results into the store that are not there yet; each folder is moved in whole."""
    from aru.comparison.cell import open_store
    from aru.core.errors import InputError

    archives = sorted(options.folder.glob("cells-*.tar"))
    if not archives:
        raise InputError(f"{options.folder} has no cells-1.tar: name the folder that the second call's files came back to")
    store = open_store(ROOT / "work" / options.benchmark)
    store.folder.mkdir(parents=True, exist_ok=True)
    new = 0
    with tempfile.TemporaryDirectory(dir=store.folder.parent) as opened:
        for path in archives:
            with tarfile.open(path) as tar:
                tar.extractall(opened, filter="data")
        for folder in sorted(Path(opened).glob("*/*")):
            if (folder / "record.json").is_file() and not store.has(folder.name):
                store.at(folder.name).parent.mkdir(parents=True, exist_ok=True)
                folder.rename(store.at(folder.name))
                new += 1
    print(f"{new} results are new in {store.folder.relative_to(ROOT)}")


def _run(command: list[str], project: Path) -> None:
    from aru.__main__ import main as aru

    began = time.monotonic()
    with contextlib.chdir(project):
        code = aru(command)
    print(f"aru {command[0]}: exit code {code}, {time.monotonic() - began:.0f} s", flush=True)
    if code:
        raise SystemExit(code)


def _environment(keep: Path) -> dict[str, str]:
    paths = [str(CODE), *([str(keep / "site")] if (keep / "site").is_dir() else [])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}


def _out() -> Path:
    out = Path(os.environ.get("OUT") or CARRIED / "results")
    out.mkdir(parents=True, exist_ok=True)
    return out


if __name__ == "__main__":
    sys.exit(main())
