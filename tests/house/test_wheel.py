"""The wheel is complete: it works beside its dependencies and without the checkout that it was built from."""

import os
import subprocess
import sys
import zipfile
from email.parser import HeaderParser
from pathlib import Path
from shutil import copy2

import pytest

ROOT = Path(__file__).resolve().parents[2]
BESIDE = ("constraints.txt", "dvc.yaml", "params.yaml", "prefect.yaml", "work-pool.json", "thresholds.yaml")
"""Files of the repository that a new project is made from."""
USE = """
import importlib, sys
from pathlib import Path
for name in ("aru", "aru.methods.registry", "aru.stages.runner", "flows.cli.program"):
    place = Path(importlib.import_module(name).__file__)
    assert place.is_relative_to(sys.argv[1]), place
from aru.methods.registry import METHODS
assert "aru" in METHODS
from aru.audit.criteria import KNOWN
from aru.audit.thresholds import find_thresholds, read_thresholds
limits = find_thresholds(Path("/"))
assert limits.is_relative_to(sys.argv[1]) and read_thresholds(limits, KNOWN).criteria, limits
from flows.project.new_project import make_project
from flows.project.shipped import shipped
from flows.project.versioning import declared
project = make_project(Path("own")).root
assert [stage.deps for stage in declared(project)] == [("code.json",)], "no benchmark is active yet"
assert limits.read_bytes() == (project / "thresholds.yaml").read_bytes()
assert all(shipped(name).is_relative_to(sys.argv[1]) for name in ("constraints.txt", "docs/operation.md", "prefect.yaml"))
from importlib.metadata import version
print(version("aru"))
sys.argv[1:] = ["--help"]
from flows.cli.program import main
main()
"""


def run(*command: str, folder: Path, **environment: str) -> str:
    """The standard output of a command that succeeds."""
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | environment
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tracked files of the project alone: what lies beside them in a checkout is not in a release."""
    folder = tmp_path_factory.mktemp("source")
    for name in run("git", "ls-files", "-z", folder=ROOT).split("\0"):
        if (ROOT / name).is_file() and name.startswith(
            ("aru/", "flows/", "tests/", "tools/", "docs/", "pyproject", "setup.py", "README", "LICENSE", *BESIDE)
        ):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            copy2(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of these files."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(folder), ".", folder=source)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_all_files_of_its_packages_and_nothing_else(source: Path, wheel: Path) -> None:
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    files = {path.relative_to(source).as_posix() for floor in ("aru", "flows") for path in (source / floor).rglob("*")}
    expected = {name for name in files if (source / name).is_file() and "__pycache__" not in name}
    assert len(expected) > 200
    pages = {f"flows/project/shipped/docs/{page.name}" for page in (source / "docs").glob("*.md")}
    copies = {f"flows/project/shipped/{name}" for name in BESIDE if name != "thresholds.yaml"}
    assert held == expected | {"aru/audit/thresholds.yaml"} | pages | copies


def test_the_wheel_says_its_version_and_carries_its_license(source: Path, wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        fields = HeaderParser().parsestr(archive.read(metadata).decode())
        license_text = archive.read(metadata.replace("METADATA", "licenses/LICENSE"))
    assert license_text == (source / "LICENSE").read_bytes()
    assert (fields["License-Expression"], fields["License-File"]) == ("Apache-2.0", "LICENSE")
    assert f"aru-{fields['Version']}-" in wheel.name


def test_the_installed_wheel_imports_its_own_files_and_shows_its_commands(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "installed"
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(target), str(wheel))
    run(*pip, folder=tmp_path)
    assert not (target / "tests").exists() and (target / "bin" / "aru").exists()
    # PYTHONPATH comes before the site-packages, where this checkout may be installed as editable.
    said = run(sys.executable, "-P", "-c", USE, str(target), folder=tmp_path, PYTHONPATH=str(target))
    assert said.splitlines()[0] in wheel.name
    assert {"run", "status", "benchmark", "audit"} <= set(said.split())
