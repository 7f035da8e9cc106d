"""The packages of `aru` and `flows`: who imports whom, which names they use, and that their picture is up to date."""

import ast
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from tests.conftest import LONGEST
from tools.draw_house import DOORS, ORDER, PICTURE, ROOMS, ROOT, draw, imported_modules, room_imports

SAME_NAME = {
    "aru": {
        "attack": "the algorithm, and the stage that runs it on files",
        "false_alarms": "the measurement, and the command that prints it",
        "ensembles": "the figures, and the command that prints them",
        "finetune": "the peer method, and ARU's stage",
        "keys": "content keys: of files and code in compute, of a comparison's results in comparison",
        "known_bad": "the models, and the command that audits them",
        "page": "the page of an audit, of a comparison, of a run",
        "prepare": "the algorithm, and the stage that runs it on files",
        "registry": "what is found by name: the peer methods, and the sources of data",
        "report": "the page of a run, and the stage that writes it",
        "results": "the table of a run's results, and the command that writes a comparison's pages again",
        "retrain": "the peer method, and the stage that makes the reference",
        "side_by_side": "the table of all audits, and the command that prints it",
        "texts": "the fixed sentences of an audit, of a comparison",
    },
    "flows": {
        "audit": "the flow, and the commands that start it",
        "benchmark": "the flow, and the commands that start it",
        "production": "the alias, and the commands that move it and answer with its version",
        "shadows": "the flow, and the commands that start it",
    },
}
"""The base names that modules of one floor have in common, with what they mean in each."""
LIBRARY = ROOT / "aru" / "__init__.py"
NOT_A_ROOM = {"tests/flows", "tests/helpers", "tests/house"}
"""The folders of tests that belong to no one package."""
QUICKLY = "import gc, os, sys; gc.disable();"
"""How scripts begin that import much: looking for rubbish, and taking modules apart at the end, took a third of their time."""
END = "sys.stdout.flush(); os._exit(0)"
IMPORT_ALL = f"""
{QUICKLY}
import importlib, pkgutil
import aru, aru.core.errors
aru.methods, aru.audit
print("torch" in sys.modules)
import aru.methods.registry, aru.audit.verdicts
assert len(aru.methods()) > 20
import aru.methods.method as direct
print(direct.__name__, aru.audit.__name__, callable(aru.audit), callable(aru.unlearn))
for module in pkgutil.walk_packages(aru.__path__, "aru."):
    importlib.import_module(module.name)
print(*sorted({{name.partition(".")[0] for name in sys.modules}} & {{"prefect", "mlflow", "dvc", "flows"}}))
print(sum(name.startswith("aru.") for name in sys.modules))
{END}
"""


@pytest.fixture(scope="module")
def all_imported() -> list[str]:
    """What a process says that imports the library's door, uses it, and then imports all of `aru`."""
    done = subprocess.run([sys.executable, "-c", IMPORT_ALL], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def modules(floor: str) -> list[Path]:
    """The files with code of a floor, without packages' `__init__`."""
    return [path for path in sorted((ROOT / floor).rglob("*.py")) if path.name != "__init__.py"]


def packages(folder: str) -> set[str]:
    """The folders directly in another one that hold Python files, as paths from the project's folder."""
    return {path.relative_to(ROOT).as_posix() for path in (ROOT / folder).iterdir() if any(path.glob("*.py"))}


def test_a_package_imports_only_packages_above_it() -> None:
    imports = room_imports()
    assert len(imports) > 60
    unknown = {room for pair in imports for room in pair} - set(ORDER)
    assert unknown == set(), "a new package: add it to ROOMS in tools/draw_house.py, where it belongs in the order"
    downwards = sorted(f"{source} imports {target}" for source, target in imports if ORDER.index(target) > ORDER.index(source))
    assert downwards == []


@pytest.mark.parametrize("floor", ROOMS)
def test_all_packages_are_in_the_order_and_nothing_stands_beside_them(floor: str) -> None:
    assert packages(floor) == {f"{floor}/{room}" for room in ROOMS[floor]}
    beside = {path.stem for path in (ROOT / floor).glob("*.py")} - {"__init__"}
    assert beside <= set(DOORS.get(floor, ()))


def test_the_picture_is_of_the_imports_as_they_are() -> None:
    assert PICTURE.read_text(encoding="utf-8") == draw(room_imports()), "run tools/draw_house.py and commit the picture"


@pytest.mark.parametrize("floor", ROOMS)
def test_the_document_lists_the_packages_in_their_order(floor: str) -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert re.findall(rf"^\| `{floor}/(\w+)` \|", text, flags=re.MULTILINE) == list(ROOMS[floor])


@pytest.mark.parametrize("floor", ROOMS)
def test_no_two_modules_of_a_floor_share_a_name_without_a_reason(floor: str) -> None:
    places = defaultdict(list)
    for path in modules(floor):
        places[path.stem].append(path.relative_to(ROOT / floor).as_posix())
    shared = {name: paths for name, paths in places.items() if len(paths) > 1}
    assert shared.keys() == SAME_NAME[floor].keys(), shared


def test_no_module_has_the_name_of_one_in_the_standard_library() -> None:
    names = {path.stem for floor in (*ROOMS, "tests", "tools") for path in modules(floor)}
    packaged = {path.parent.name for floor in (*ROOMS, "tests") for path in (ROOT / floor).rglob("__init__.py")}
    assert (names | packaged) & set(sys.stdlib_module_names) == set()


def test_packages_hold_a_docstring_and_no_code() -> None:
    """Importing a module runs the `__init__` of its packages: code there would be a dependency that dvc.yaml does not list.

    `flows.tracking` offers a function to notebooks; no stage imports anything of flows.
    """
    doors = {LIBRARY, ROOT / "flows" / "tracking" / "__init__.py"}
    found = [path for floor in ROOMS for path in (ROOT / floor).rglob("__init__.py") if path not in doors]
    assert len(found) > 25
    for path in found:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert ast.get_docstring(tree) and len(tree.body) == 1, path.relative_to(ROOT)


def test_the_librarys_door_imports_nothing_until_a_name_is_used(all_imported: list[str]) -> None:
    """aru/__init__.py is the one with code: `import aru` offers functions. It names no module of `aru`."""
    assert {module for module in imported_modules(LIBRARY) if module.partition(".")[0] == "aru"} == set()
    assert all_imported[0] == "False", "PyTorch is imported"
    assert all_imported[1].split() == ["aru.methods.method", "aru.audit", "True", "True"]


def test_tests_stand_in_folders_of_the_packages_names() -> None:
    expected = {f"tests/{room}" for room in ROOMS["aru"]} | {f"tests/flows/{room}" for room in ROOMS["flows"]}
    assert packages("tests") - NOT_A_ROOM | packages("tests/flows") == expected
    for folder in expected:
        assert list((ROOT / folder).rglob("test_*.py")), f"{folder} has no tests"


def test_the_files_that_a_run_begins_with_are_there() -> None:
    assert [name for name in LONGEST if not (ROOT / "tests" / name).is_file()] == []


def test_importing_all_of_aru_imports_no_prefect_mlflow_or_dvc(all_imported: list[str]) -> None:
    foreign, count = all_imported[2:]
    assert foreign == ""
    assert int(count) >= len(modules("aru"))


def importers(tool: str) -> set[str]:
    """The modules of `flows` that import a tool, wherever in them."""
    return {
        path.relative_to(ROOT).as_posix()
        for path in modules("flows")
        if any(module.partition(".")[0] == tool for module in imported_modules(path))
    }


def test_mlflow_is_imported_in_its_own_package_only() -> None:
    found = importers("mlflow")
    assert len(found) > 5
    assert {path for path in found if not path.startswith("flows/tracking/")} == set()


def test_dvc_is_imported_in_one_module_only() -> None:
    assert importers("dvc") == {"flows/project/versioning.py"}


def test_a_flow_that_computes_nothing_does_not_import_pytorch() -> None:
    script = (
        f"{QUICKLY} import flows.pipeline.unlearn;"
        f"print(*{{'torch', 'torchvision', 'sklearn', 'matplotlib'}} & sys.modules.keys()); {END}"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "", "it takes seconds, while the user waits"
