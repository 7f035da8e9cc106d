"""`aru doctor`: what a project stands on, checked one by one without a network, each finding with its remedy."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal, NamedTuple

from aru.core.config import load_params
from aru.core.errors import InputError
from aru.core.source_code import PACKAGE
from aru.stages.code_record import INSTALLED, code_source, installed_code
from flows.project import versioning
from flows.project.folder import lock_holder
from flows.project.git import identity, top_folder
from flows.project.new_project import is_outdated
from flows.project.params import PARAMS_FILE
from flows.project.plan import absent_data
from flows.project.shipped import shipped
from flows.servers.local_servers import check_port, running_api

PORTS = {5000: "--mlflow-port", 4200: "--prefect-port"}
_PYTHONS = ((3, 11), (3, 13))
_LEAST_GIB, _FEW_GIB = 1, 10
_WRITTEN = ("", "work", "mlruns", ".prefect", ".aru", "data", ".dvc/cache")
"""Folders of a project that commands write, where they are there."""


class Finding(NamedTuple):
    """One thing that was checked; `remedy` is empty where all is well."""

    what: str
    state: Literal["ok", "warn", "fail"]
    found: str
    remedy: str = ""


def examine(root: Path | None, folder: Path) -> list[Finding]:
    """All findings for the project `root`; of the machine alone, and of the present folder's disk, where it is None."""
    checks: list[Callable[[], Iterator[Finding]]] = [_python, _packages, _device, lambda: _disk(root or folder)]
    if root is None:
        checks.append(_no_project)
    else:
        for check in (_ports, _repository, _remotes, _versions, _parameters, _locks, _rights):
            checks.append(lambda check=check: check(root))  # type: ignore[misc]  # mypy infers no type for the default
    return [finding for check in checks for finding in check()]


def _no_project() -> Iterator[Finding]:
    yield Finding("project", "warn", "this folder is in none", "`aru init` makes it one")


def _python() -> Iterator[Finding]:
    now, (first, last) = sys.version_info[:2], _PYTHONS
    supported = first <= now <= last
    yield Finding(
        "Python",
        "ok" if supported else "fail",
        ".".join(map(str, sys.version_info[:3])),
        "" if supported else f"make an environment with Python {first[0]}.{first[1]} to {last[0]}.{last[1]}",
    )
    found, own = shutil.which("python"), Path(sys.executable).parent
    if found is None or Path(found).parent.resolve() != own.resolve():
        remedy = f"before `dvc repro`: export PATH={own}:$PATH (`aru run` needs no such thing)"
        yield Finding("python of dvc.yaml", "warn", f"{found or 'no python on PATH'}, and aru is installed in {own}", remedy)
    else:
        yield Finding("python of dvc.yaml", "ok", found)


def _packages() -> Iterator[Finding]:
    """The packages that aru needs: missing, or of another release than was tested."""
    tested = _tested()
    needed = [line for line in requires(PACKAGE) or [] if "extra ==" not in line]
    names = ["".join(_name_part(line)).lower().replace("_", "-") for line in needed]
    others, missing = [], []
    for name in names:
        try:
            now = version(name)
        except PackageNotFoundError:
            missing.append(name)
            continue
        if name in tested and _release(now) != _release(tested[name]):
            others.append(f"{name} {now} (tested: {tested[name]})")
    install = f"pip install --constraint {shipped('constraints.txt')} aru"
    if missing:
        yield Finding("packages", "fail", f"missing: {', '.join(missing)}", install)
    if others:
        yield Finding("packages", "warn", f"not as tested: {', '.join(others)}", f"{install}, should anything fail")
    if not missing and not others:
        yield Finding("packages", "ok", f"{len(names)} as tested, torch {version('torch')}")


def _tested() -> dict[str, str]:
    lines = shipped("constraints.txt").read_text(encoding="utf-8").splitlines()
    return {name.lower().replace("_", "-"): at for name, sign, at in (line.partition("==") for line in lines) if sign}


def _name_part(line: str) -> Iterator[str]:
    for character in line:
        if not (character.isalnum() or character in "-_."):
            return
        yield character


def _release(text: str) -> list[str]:
    """The first two numbers of a version: what the bounds of a package are about."""
    return text.partition("+")[0].split(".")[:2]


def _device() -> Iterator[Finding]:
    import torch

    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        yield Finding("GPU", "ok", ", ".join(names))
    elif shutil.which("nvidia-smi"):
        remedy = "install the torch that fits the driver, or set runtime.device to cpu"
        yield Finding("GPU", "warn", f"a driver is here, and torch {torch.__version__} finds no CUDA device", remedy)
    else:
        yield Finding("GPU", "ok", f"none: {os.cpu_count()} CPU cores compute")


def _disk(folder: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(folder).free / 2**30
    state: Literal["ok", "warn", "fail"] = "fail" if free < _LEAST_GIB else "warn" if free < _FEW_GIB else "ok"
    remedy = "" if state == "ok" else "free some: `dvc gc -w` removes old versions, work/*/shadows and mlruns/ may be large"
    yield Finding("disk", state, f"{free:.1f} GiB free", remedy)


def _ports(root: Path) -> Iterator[Finding]:
    if api := running_api(root):
        yield Finding("servers", "ok", f"Prefect runs at {api}")
        return
    for port, option in PORTS.items():
        try:
            check_port(port, option=option)
        except InputError as error:
            yield Finding("ports", "warn", f"port {port} is taken", str(error))
        else:
            yield Finding("ports", "ok", f"{port} is free")


def _repository(root: Path) -> Iterator[Finding]:
    if top_folder(root) is None:
        yield Finding("git", "fail", "no repository, or no git", "install git, and run `aru init`")
        return
    who = identity(root)
    remedy = 'git config --global user.name "NAME"; git config --global user.email MAIL'
    yield Finding("git", "ok" if who else "warn", who or "git does not know who commits", "" if who else remedy)


def _remotes(root: Path) -> Iterator[Finding]:
    """Which data can go where: what the stages write, and archives of photos, to `store` alone."""
    try:
        places = versioning.remotes(root)
    except InputError as error:
        yield Finding("DVC", "fail", str(error), "`aru init` adds what is missing")
        return
    if "" in places:
        remedy = "`dvc remote default --unset`: whatever you add to DVC yourself goes there unasked"
        yield Finding("DVC", "warn", f"the default remote is {places['']}", remedy)
    place = places.get(versioning.STORE)
    if place is None:
        yield Finding("DVC", "fail", "no remote `store`, to which the stages' outputs belong", "`aru init` adds it")
    elif place.endswith(versioning.NO_PLACE):
        yield Finding("DVC", "ok", "photos and models stay on this machine: the remote `store` has no place")
    else:
        yield Finding("DVC", "ok", f"`dvc push` copies photos and models to {place}")


def _versions(root: Path) -> Iterator[Finding]:
    """The installed code against what the project was last computed with, and the stages of both."""
    renew = "`aru init --renew` writes dvc.yaml anew"
    if is_outdated(root):
        yield Finding("stages", "warn", "dvc.yaml is not that of the installed aru", renew)
    else:
        yield Finding("stages", "ok", "dvc.yaml is that of the installed aru")
    if code_source(root) == INSTALLED:
        record = root / INSTALLED
        same = record.is_file() and record.read_text(encoding="utf-8") == installed_code()
        remedy = "" if same else "the next `aru run` computes anew what that changes; `aru code` before `dvc repro`"
        found = f"aru {version(PACKAGE)}" + ("" if same else f": {INSTALLED} is of another one")
        yield Finding("code", "ok" if same else "warn", found, remedy)
        return
    declared = next(
        (line.split('"')[1] for line in _lines(root / "pyproject.toml") if line.startswith("version = ")), version(PACKAGE)
    )
    same = declared == version(PACKAGE)
    remedy = "" if same else "`make install`, or pip install --editable ., renews what the environment knows of it"
    yield Finding("code", "ok" if same else "warn", f"aru {version(PACKAGE)}, the clone is {declared}", remedy)


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []


def _parameters(root: Path) -> Iterator[Finding]:
    try:
        active, absent = load_params(root / PARAMS_FILE), absent_data(root)
    except InputError as error:
        yield Finding("parameters", "fail", str(error), "correct params.yaml; `aru params` shows what is allowed")
        return
    if not active:
        yield Finding("parameters", "warn", "no benchmark is active", "`aru data import` brings data in")
    for benchmark in active:
        why = absent.get(benchmark)
        yield Finding(
            "data", "warn" if why else "ok", f"{benchmark}: {'not here' if why else 'its archive is here'}", why or ""
        )


def _locks(root: Path) -> Iterator[Finding]:
    holder = lock_holder(root)
    state: Literal["ok", "warn"] = "warn" if holder else "ok"
    yield Finding("at work", state, holder or "nobody", "wait until it ends, or stop it" if holder else "")


def _rights(root: Path) -> Iterator[Finding]:
    closed = [name or "." for name in _WRITTEN if (root / name).exists() and not os.access(root / name, os.W_OK | os.X_OK)]
    remedy = f"make them yours: chown -R {os.getuid()} {' '.join(closed)}"
    yield Finding(
        "rights",
        "fail" if closed else "ok",
        f"not writable: {', '.join(closed)}" if closed else "writable",
        remedy if closed else "",
    )
