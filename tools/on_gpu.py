"""Measurements on a borrowed GPU machine that has PyTorch and no network: packed here, run there in two calls, merged here.

    here    python tools/on_gpu.py pack mufac           work/gpu/first and work/gpu/second, each below 64 MiB
    there   python tools/on_gpu.py first                wheels, the first half, nvidia-smi, the tests marked gpu
    there   python tools/on_gpu.py second mufac official --minutes 7    decodes, measures the pace, runs a plan
    here    python tools/on_gpu.py merge mufac FOLDER   results into the stores
    here    python tools/on_gpu.py publish mufac official    tables and page from what is there

The plans are official, clean, tuned, networks and shadows (tools/gpu_plans.py), one a call of `second`; each ends within its
minutes, and goes on when it is called again, also on another machine: pack carries what is known, without logits and weights.

The first call carries work/gpu/first, the second work/gpu/second; both keep what they carry in a folder outside the project
(--keep), which has to be there still when the second comes. Results are written into the folder that OUT names. What is
carried are photos of people: they are to be sent to machines alone that may have them. All steps are given in the project's
folder.
"""

import argparse
import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zlib
from collections.abc import Container, Sequence
from pathlib import Path

CODE, ROOT = Path(__file__).resolve().parents[1], Path.cwd()
sys.path.insert(0, str(CODE))

from tools import gpu_plans  # noqa: E402 - found by the line above

CARRIED = ROOT / "work" / "gpu"
KEEP = Path(tempfile.gettempdir()) / "aru-gpu"
WHEELS = ("pydantic", "pydantic-core", "annotated-types", "typing-inspection")
FOR_TUNING = ("optuna", "alembic", "colorlog", "greenlet", "mako", "sqlalchemy", "tqdm")
_COUNTS = ("seeds", "draws", "trials", "models")
_RESULT_BYTES = 15 << 20
_STORES = ("comparison/cells", "comparison/stopped", "shadows/models", "shadows/unlearned")
"""Folders of results by content, below the folder of the benchmark."""
_WEIGHTS = "model.safetensors"


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
    second.add_argument("plan", choices=gpu_plans.PLANS)
    second.add_argument("--minutes", type=float, default=7.0, help="begin nothing after so many")
    second.add_argument("--workers", type=int, default=4, help="processes that share the card")
    _add_changes(second)
    second.add_argument("--pace-seconds", type=float, default=8.0, help="for each figure of the pace")
    second.add_argument("--compiled", action="store_true", help="measure the pace through torch.compile, too: takes minutes")
    merging = steps.add_parser("merge")
    merging.add_argument("benchmark")
    merging.add_argument("folder", type=Path)
    publishing = steps.add_parser("publish")
    publishing.add_argument("benchmark")
    publishing.add_argument("plan", choices=gpu_plans.PLANS)
    publishing.add_argument("--device", default="cuda", choices=("cuda", "cpu"), help="where the results were computed")
    _add_changes(publishing)
    options = parser.parse_args(arguments)
    from aru.core.errors import InputError

    try:
        {"pack": _pack, "first": _first, "second": _second, "merge": _merge, "publish": _publish}[options.step](options)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _add_changes(parser: argparse.ArgumentParser) -> None:
    for name in ("methods", "networks", *_COUNTS):
        parser.add_argument(f"--{name}", help="instead of the plan's")


def _steps(options: argparse.Namespace) -> list[gpu_plans.Step]:
    counts = {name: getattr(options, name) for name in _COUNTS}
    return gpu_plans.steps_of(options.plan, methods=options.methods, networks=options.networks, **counts)


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
    pack_known(ROOT / "work" / options.benchmark, second / "known.tar.gz")
    if (CARRIED / "tuned").is_dir():
        shutil.copytree(CARRIED / "tuned", second / "tuned")
    if not options.no_wheels:
        platforms = [option for number in (28, 27, 17) for option in ("--platform", f"manylinux_2_{number}_x86_64")]
        pins = [
            line
            for line in (ROOT / "constraints.txt").read_text().splitlines()
            if line.partition("==")[0].replace("_", "-").lower() in (*WHEELS, *FOR_TUNING)
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
            gpu_pace.main(options.benchmark, options.pace_seconds, compiled=options.compiled)
        (out / "pace.json").write_text(said.getvalue(), encoding="utf-8")
        print(said.getvalue())
    steps = _steps(options)
    works = []
    for network in dict.fromkeys(step.network for step in steps):
        project_here = gpu_plans.project_of(project, network)
        works.append(project_here / "work" / options.benchmark)
        _take_known(project_here, options.benchmark)
    try:
        gpu_plans.run_plan(steps, options.benchmark, project, minutes=options.minutes, workers=options.workers)
    finally:
        for file in pack_results(works, out, known=_names(CARRIED / "second" / "known.tar.gz")):
            print(f"{file.name}: {file.stat().st_size} bytes")
        for network in dict.fromkeys(step.network for step in steps):
            for tuned in gpu_plans.project_of(project, network).glob("tuned/*.yaml"):
                shutil.copy(tuned, out / f"tuned-{tuned.name}")


def make_project(keep: Path, benchmark: str) -> Path:
    """A project folder beside the checkout in which the benchmark is active, whether it is in params.yaml or not."""
    import yaml

    project = keep / "project"
    project.mkdir(parents=True, exist_ok=True)
    content = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    content["benchmarks"] = {benchmark: f"data/{benchmark}.zip"}
    (project / "params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    for name in ("dvc.yaml", "suppression.jsonl", "thresholds.yaml"):
        if (ROOT / name).is_file():
            shutil.copy(ROOT / name, project)
    return project


def pack_known(work: Path, path: Path) -> None:
    """Records and figures of what was computed on a GPU before, so that it is not computed again; no logits, no weights."""
    with tarfile.open(path, "w:gz") as tar:
        for record in sorted(work.glob("comparison/cells/*/[!.]*/record.json")):
            if str(json.loads(record.read_text(encoding="utf-8"))["device"]).startswith("cpu"):
                continue
            for file in sorted(record.parent.glob("*.json")):
                tar.add(file, arcname=file.relative_to(work).as_posix())
        for record in sorted(work.glob("comparison/stopped/*/[!.]*/record.json")):
            tar.add(record, arcname=record.relative_to(work).as_posix())


def _take_known(project: Path, benchmark: str) -> None:
    """Into a project on the other machine, but over nothing that is there."""
    known, work = CARRIED / "second" / "known.tar.gz", project / "work" / benchmark
    if known.is_file():
        with tarfile.open(known) as tar:
            tar.extractall(work, [member for member in tar.getmembers() if not (work / member.name).exists()], filter="data")
    for tuned in (CARRIED / "second" / "tuned").glob("*.yaml"):
        target = project / "tuned" / tuned.name
        if not target.is_file():
            target.parent.mkdir(exist_ok=True)
            shutil.copy(tuned, target)


def _names(archive: Path) -> set[str]:
    """The keys that an archive of `pack_known` has."""
    if not archive.is_file():
        return set()
    with tarfile.open(archive) as tar:
        return {Path(name).parent.name for name in tar.getnames()}


def pack_results(works: Sequence[Path], out: Path, *, known: Container[str] = ()) -> list[Path]:
    """What is new in tar files below 16 MiB, none of it weights: models that saw the forget set are personal data.

    Of a trial of tuning its figures are enough, and the logits of thousands of trials too much.

    works: folders of one benchmark, of several projects. known: keys of results that were carried here.
    """
    folders = {
        folder.relative_to(work): folder
        for work in works
        for store in (*(f"{name}/*" for name in _STORES), "audit")
        for folder in sorted(work.glob(f"{store}/[!.]*"))
        if folder.is_dir() and folder.name not in known
    }
    volumes: list[list[tuple[Path, str]]] = []
    size = _RESULT_BYTES
    for name, folder in folders.items():
        left_out = {_WEIGHTS, *(["logits.safetensors"] if _is_trial(folder) else [])}
        members = [file for file in sorted(folder.rglob("[!.]*")) if file.is_file() and file.name not in left_out]
        needed = sum(len(zlib.compress(file.read_bytes(), 1)) + 1024 for file in members)
        if size + needed > _RESULT_BYTES:
            volumes.append([])
            size = 0
        volumes[-1] += [(file, (name / file.relative_to(folder)).as_posix()) for file in members]
        size += needed
    files = [out / f"results-{number}.tar.gz" for number in range(1, len(volumes) + 1)]
    for path, volume in zip(files, volumes, strict=True):
        with tarfile.open(path, "w:gz", compresslevel=1) as tar:
            for file, arcname in volume:
                tar.add(file, arcname=arcname)
    return files


def _is_trial(folder: Path) -> bool:
    record = folder / "record.json"
    return record.is_file() and json.loads(record.read_text(encoding="utf-8")).get("protocol") == "tuning"


def _merge(options: argparse.Namespace) -> None:
    """Put results into the stores that are not there yet; each folder is moved in whole."""
    from aru.core.errors import InputError

    archives = sorted(options.folder.glob("results-*.tar.gz"))
    if not archives:
        raise InputError(
            f"{options.folder} has no results-1.tar.gz: name the folder that the second call's files came back to"
        )
    work = ROOT / "work" / options.benchmark
    new = 0
    with tempfile.TemporaryDirectory(dir=work) as opened:
        for path in archives:
            with tarfile.open(path) as tar:
                tar.extractall(opened, filter="data")
        for pattern in (*(f"{name}/*/*" for name in _STORES), "audit/*"):
            for folder in sorted(Path(opened).glob(pattern)):
                target = work / folder.relative_to(opened)
                if not target.exists():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    folder.rename(target)
                    new += 1
    for tuned in sorted(options.folder.glob("tuned-*.yaml")):
        (CARRIED / "tuned").mkdir(parents=True, exist_ok=True)
        shutil.copy(tuned, CARRIED / "tuned" / tuned.name.removeprefix("tuned-"))
    print(f"{new} results are new in {work.relative_to(ROOT)}")


def _publish(options: argparse.Namespace) -> None:
    """Tables and page of every comparison of a plan, from what is in the store; the keys are those of the other machine."""
    import torch

    from aru.comparison.cell import open_store
    from aru.comparison.choices import parse_choices
    from aru.comparison.collect import records_of
    from aru.comparison.draws import draws_of
    from aru.comparison.plan import make_plan
    from aru.comparison.tuning import tuned_parameters
    from aru.compute.device import Compute, make_compute
    from aru.core.config import load_config
    from aru.core.errors import InputError
    from aru.reporting.comparison.page import write_results

    benchmark, work = options.benchmark, ROOT / "work" / options.benchmark
    own = load_config(ROOT / "params.yaml", benchmark)
    dtype = torch.float32 if own.runtime.precision == "fp32" else torch.bfloat16
    on_gpu = Compute(torch.device("cuda"), dtype, compile=own.runtime.compile)
    there = on_gpu if options.device == "cuda" else make_compute(own.runtime)
    for step in _steps(options):
        if step.command != "compare":
            continue
        config = own
        if step.network is not None:
            config = own.model_copy(update={"model": own.model.model_validate({"name": step.network})})
        tuned = tuned_parameters(CARRIED, benchmark, config, work) if step.tuned else None
        plan = make_plan(
            benchmark,
            config,
            work / "prepared",
            parse_choices(step.options["methods"], config, tuned),
            draws_of(step.options["protocol"], int(step.options.get("draws", 1))),
            seeds=int(step.options["seeds"]),
            compute=there,
            keep_weights="keep-weights" in step.options,
        )
        records = records_of(plan.cells, config, work)
        if not records:
            raise InputError(
                f"no result of plan {options.plan} ({gpu_plans.slug(step.network)}) is in {open_store(work).folder}, computed "
                f"on {options.device} in {there.precision} by this code and these parameters: merge the results first"
            )
        folder = work / "comparison" / "gpu" / f"{options.plan}-{gpu_plans.slug(step.network)}"
        title = f"Unlearning methods compared on {benchmark}, {options.device}, {there.precision}"
        for path in write_results(records, folder, title=title):
            print(path.relative_to(ROOT))
        print(f"{len(records)} of {len(plan.cells)} results")


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
