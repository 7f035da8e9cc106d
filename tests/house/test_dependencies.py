"""What the code imports is declared in pyproject.toml: another package's dependencies may change with its next release."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {
    "PIL": "pillow",
    "google": "protobuf",
    "in_toto_attestation": "in-toto-attestation",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
    "ruamel": "ruamel.yaml",
}
OWN = {"aru", "flows", "tests", "tools"}
BESIDE = {"imagehash", "pdqhash", "perception"}
"""What `python -m tests.helpers.copied --libraries` measures ours against, where whoever starts it has installed them."""


def imported(folder: str) -> set[str]:
    """The packages from elsewhere that the modules of a folder import."""
    found = set()
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return {PACKAGES.get(name, name).lower() for name in found - OWN - BESIDE - set(sys.stdlib_module_names)}


def declared(*extras: str) -> set[str]:
    """The names of the packages that pyproject.toml lists, and of some of its extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *(line for extra in extras for line in project["optional-dependencies"][extra])]
    return {re.match(r"[\w.-]+", line)[0].lower() for line in lines}


@pytest.mark.parametrize(
    "folder, extras",
    [
        ("aru", ("timm", "parquet", "detection")),
        ("flows", ("dask",)),
        ("tests", ("dask", "s3", "timm", "parquet", "detection", "dev")),
    ],
)
def test_what_is_imported_is_declared(folder, extras):
    assert imported(folder) - declared(*extras) == set()


def test_everything_declared_is_pinned_in_the_constraints():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {line.partition("==")[0].lower().replace("_", "-") for line in lines if "==" in line}
    names = declared("dask", "s3", "timm", "parquet", "detection", "dev")
    assert {name.replace("_", "-") for name in names} - {"aru"} - pinned == set()
