"""The floors of the house: `aru` knows nothing of the operation, and each tool has its own rooms in `flows`."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MLFLOW_ROOMS = {
    "store.py",
    "runs.py",
    "lineage.py",
    "registry.py",
    "main_runs.py",
    "comparison_runs.py",
    "audit_runs.py",
    "exports.py",
    "gate.py",
}
IMPORT_ALL = """
import importlib, pkgutil, sys
import aru
for module in pkgutil.walk_packages(aru.__path__, "aru."):
    importlib.import_module(module.name)
print(*sorted({name.partition(".")[0] for name in sys.modules} & {"prefect", "mlflow", "dvc", "flows"}))
print(sum(name.startswith("aru.") for name in sys.modules))
"""


def test_importing_all_of_aru_imports_no_prefect_mlflow_or_dvc() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORT_ALL], cwd=ROOT, capture_output=True, text=True, check=True)
    foreign, count = done.stdout.splitlines()
    assert foreign == ""
    assert int(count) > 20


@pytest.mark.parametrize("tool, rooms", [("mlflow", MLFLOW_ROOMS), ("dvc", {"versioning.py"})])
def test_each_tool_is_imported_in_its_own_rooms_only(tool: str, rooms: set[str]) -> None:
    importers = {path.name for path in (ROOT / "flows").rglob("*.py") if tool in imported(path)}
    assert importers == rooms


def test_a_flow_that_computes_nothing_does_not_import_pytorch() -> None:
    script = (
        "import sys, flows.pipeline.unlearn; print(*{'torch', 'torchvision', 'sklearn', 'matplotlib'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "", "it takes seconds, while the user waits"


def imported(path: Path) -> set[str]:
    """The top-level packages that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module.partition(".")[0])
    return found
