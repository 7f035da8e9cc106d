"""Own photos by the command `aru`, in a project of one's own: every source imported, audited, and asked to forget."""

import json
import shutil
import stat
import sys
import unicodedata
import zipfile
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from aru.core.files import file_md5
from aru.core.progress import silent
from aru.data.sources.found import Columns
from aru.faces.generate import generate
from flows.cli import run
from flows.project import versioning
from flows.project.data_import import import_photos
from flows.project.new_project import make_project
from flows.tracking.main_runs import ARTIFACTS
from tests.helpers.archives import jpeg, mucac_files, mucac_folder, write_zip
from tests.helpers.command_line import Call, caller
from tests.helpers.own_photos import as_csv, folder, photos
from tests.helpers.project import change_param, shell

PATTERN = "{person}/{label}_{n}.jpg"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("own") / "project"
    make_project(root)
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "project", symlinks=True))


@pytest.fixture
def call(root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture) -> Call:
    """Call `aru` in the project; returns exit code, stdout and stderr."""
    monkeypatch.chdir(root)
    return caller(capfd)


def by_class() -> dict[str, bytes]:
    """Sixteen photos in a folder for each of two classes, of nobody known."""
    return {f"{kind}/{number}.jpg": jpeg(20 * place + number) for place, kind in enumerate("ab") for number in range(8)}


SOURCES = {
    "table": (photos() | {"t.csv": as_csv(";", "\r\n").encode("utf-8-sig")}, ()),
    "pattern": (photos(), ("--pattern", PATTERN)),
    "person": (photos(), ("--pattern", "person")),
    "class": (by_class(), ()),
}


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_is_imported_and_audited_under_both_protocols(
    call: Call, root: Path, tmp_path: Path, source: str
) -> None:
    files, options = SOURCES[source]
    own = str(folder(tmp_path / "own", files))
    kind = source if source == "table" else "folder"
    code, shown, error = call("data", "import", kind, own, "--name", "own", *options)
    assert code == 0, error
    assert "aru run --benchmark own" in shown and "two names: 0." in shown
    for protocol in ("clean", "official"):
        change_param(root, "protocol: clean", f"protocol: {protocol}")
        code, shown, error = call("data", "audit", "--json", "audit.json")
        found = json.loads((root / "audit.json").read_text())
        assert code == 0 and all(found["sets"][role]["images"] for role in ("forget", "retain", "test", "unseen"))
        assert found["counts"]["rows"] == len([name for name in files if name.endswith(".jpg")])
        assert found["counts"]["families"] == 0 and found["same_photo"] == {"in_all": 0, "pairs": []}
        assert ("counts as a person of its own" in shown) == (source == "class")
        assert ("People are the classes" in shown) == (source == "person")
    assert (root / "data" / "own.zip.dvc").is_file() and not shell(root, "dvc", "status", "-q", "data/own.zip.dvc")


def test_mucacs_folder_is_audited_in_a_project_of_ones_own(call: Call, root: Path, tmp_path: Path) -> None:
    numbers = [base + person for base in (0, 190, 1250, 4855) for person in range(4) for _ in range(3)]
    mucac_folder(tmp_path / "mucac", mucac_files(numbers=numbers))
    code, _, error = call("data", "import", "mucac", str(tmp_path / "mucac"))
    assert code == 0, error
    code, shown, _ = call("data", "audit")
    assert code == 0 and "| families | 0 |" in shown and "two names: 0." in shown


def test_copies_under_other_names_are_shown_to_the_owner_alone(call: Call, root: Path, tmp_path: Path) -> None:
    files = photos()
    files["Zed/cat_7.jpg"], files["Zed/dog_8.jpg"] = files["Ann/cat_0.jpg"], jpeg(99)
    own, page = str(folder(tmp_path / "own", files)), root / "work" / "own" / "copies" / "copies.html"
    arguments = ("data", "import", "folder", own, "--name", "own", "--pattern", PATTERN, "--yes")
    code, shown, error = call(*arguments)
    assert code == 0, error
    line = "| photos/Ann/cat_0.jpg | Ann (S00000) | photos/Zed/cat_7.jpg | Zed (S00005) | bytes | 1.0000 |"
    assert line in shown and not page.exists()
    code, shown, _ = call("data", "audit", "--page")
    assert code == 0 and line in shown and "work/own/copies/copies.html" in shown
    assert "data:image/jpeg" in page.read_text() and stat.S_IMODE(page.stat().st_mode) == 0o600
    (root / ".gitignore").write_text("")
    shell(root, "git", "add", "-A")
    assert "copies" not in shell(root, "git", "ls-files"), "git passes over it whatever the project's own .gitignore says"
    assert not any("copies" in out for stage in versioning.declared(root) for out in stage.outs)
    assert not any("copies" in name for name in ARTIFACTS)
    assert call(*arguments)[0] == 0 and not page.exists(), "it showed the archive before"


NAMES = ("Zo\u00eb", "Bo Li", "Cy;Dee", "007", "42", "F1", "D'Arcy, Jr.", "last")


@pytest.fixture(scope="module")
def odd(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with photos of people with odd names, all trained on but the last two, from a zip file that macOS made."""
    root = tmp_path_factory.mktemp("odd")
    split = dict.fromkeys(NAMES, "train") | {NAMES[-2]: "test", NAMES[-1]: "unseen"}
    files = {
        f"{split[name]}/{name}/{kind}_{number}.jpg": jpeg(100 * place + number)
        for place, name in enumerate(NAMES)
        for number, kind in enumerate(("cat", "dog", "cat"))
    }
    own = write_zip(root / "own.zip", {unicodedata.normalize("NFD", name): content for name, content in files.items()})
    project = Path(shutil.copytree(made, root / "project", symlinks=True))
    columns = Columns(pattern="{split}/{person}/{label}_{n}.jpg")
    quiet: Any = {"announce": lambda notes: None, "confirm": lambda chosen: None, "progress": lambda text: nullcontext(silent)}
    import_photos(project, "folder", own, "own", columns, **quiet)
    return project


@pytest.fixture
def asked(
    odd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> Callable[..., tuple[int, object, str]]:
    """`aru run` with a request; gives the exit code, what `data.forget` was set to, and standard error."""
    root = Path(shutil.copytree(odd, tmp_path / "project", symlinks=True))
    monkeypatch.chdir(root)
    section = []
    monkeypatch.setattr(
        run, "run_main_flow", lambda *given: section.append((root / "params.yaml").read_text()) or sys.exit(77)
    )

    def ask(*arguments: str, files: dict[str, str] | None = None) -> tuple[int, object, str]:
        for name, text in (files or {}).items():
            (root / name).write_text(text, encoding="utf-8")
        section.clear()
        code, _, error = caller(capfd)("run", "--quiet", *arguments)
        return code, yaml.safe_load(section[-1])["own"]["data"]["forget"] if section else None, error

    return ask


def test_people_with_odd_names_are_forgotten_by_any_way_of_naming_them(asked: Callable[..., tuple]) -> None:
    odd = list(NAMES[:5])
    wanted = (77, {"subjects": odd})
    assert asked("--forget", *odd)[:2] == wanted
    assert asked("--forget-people", "who.txt", files={"who.txt": "\r\n".join(odd)})[:2] == wanted
    rows = "".join(f'"{name}",x\n' for name in odd)
    assert asked("--forget-people", "who.csv", files={"who.csv": "person,note\n" + rows})[:2] == wanted
    decomposed = [unicodedata.normalize("NFD", name) for name in odd]
    code, forget, error = asked("--forget", *decomposed, "Zo\u00eb")
    assert code == 77 and "forget: 15 images of 15 photos, 5 people" in error, (forget, error)
    code, forget, error = asked("--forget", "7", "042")
    assert code == 2 and "'7' (did you mean '007'?), '042' (did you mean '42'?)" in error and forget is None


def test_files_with_odd_names_are_forgotten_by_their_paths(asked: Callable[..., tuple]) -> None:
    paths = [f"train/{name}/cat_0.jpg" for name in NAMES[:5]]
    for listed in (paths, [unicodedata.normalize("NFD", path) for path in paths], [path.replace("/", "\\") for path in paths]):
        code, _, error = asked("--forget-files", "which.txt", "--yes", files={"which.txt": "\n".join([*listed, listed[0]])})
        shown = ", ".join(f"1 photo of {name}" for name in sorted(NAMES[:5]))
        assert code == 77 and f"forget: by file {shown}, 5 images" in error
    table = "file_name;why\n" + "".join(f'"{path}";x\n' for path in paths)
    assert "1 photo of Zo\u00eb, 5 images" in asked("--forget-files", "w.csv", "--yes", files={"w.csv": table})[2]
    code, _, error = asked("--forget-files", "which.txt", files={"which.txt": paths[0]})
    assert code == 2 and "Zo\u00eb (2)" in error and "Say --yes" in error, "the whole person, under the clean protocol"


def test_nobody_everybody_strangers_and_the_untrained_are_refused_with_the_reason(asked: Callable[..., tuple]) -> None:
    def refused(*arguments: str, **files: dict[str, str]) -> str:
        code, forget, error = asked(*arguments, **files)
        assert code == 2 and forget is None and "Traceback" not in error
        return error

    assert "no training photo of \"D'Arcy, Jr.\", 'last': there is nothing to forget" in refused("--forget", *NAMES[-2:])
    assert "the retain set is empty" in refused("--forget", *NAMES[:6])
    assert "unknown subject 'Nobody'" in refused("--forget", "Nobody", "Bo Li")
    assert "names nothing to forget" in refused("--forget-people", "who.txt", files={"who.txt": "\n \n"})
    assert "names nothing to forget" in refused("--forget-files", "which.csv", files={"which.csv": "file_name\n"})
    assert "cannot be read" in refused("--forget-people", "none.txt")
    assert "unknown photo 'train/Zo\u00eb/cat_1.jpg'" in refused(
        "--forget-files", "f.txt", files={"f.txt": "train/Zo\u00eb/cat_1.jpg"}
    )
    assert "--forget" in refused("--forget")


def test_who_is_named_twice_is_forgotten_once(asked: Callable[..., tuple]) -> None:
    code, forget, error = asked("--forget", "007", "007", "--forget-people", "who.txt", files={"who.txt": "007\nBo Li\n007\n"})
    assert code == 77 and forget == {"subjects": ["007", "Bo Li"]} and "forget: 6 images of 6 photos, 2 people" in error


@pytest.mark.parametrize("name", ["make", "faces"])
def test_faces_are_drawn_with_their_labels_beside_the_same_archive(
    call: Call, root: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("aru.faces.generate.generate", partial(generate, families=6, photos=4))
    generate(root / "plain.zip", families=6, photos=4)
    code, out, _ = call("data", name, "--labels", "parts,boxes")
    assert code == 0 and "data/faces-labels.zip has the labels parts,boxes" in out
    assert file_md5(root / "data" / "faces.zip") == file_md5(root / "plain.zip")
    with zipfile.ZipFile(root / "data" / "faces-labels.zip") as labels:
        assert {"custom_train_boxes.csv"} < set(labels.namelist()) and len(labels.namelist()) > 20
    assert versioning.tracked_by(root, "data/faces-labels.zip") == "data/faces-labels.zip.dvc"
    code, _, error = call("data", name, "--labels", "ages")
    assert code == 2 and "labels: 'ages' is not drawn" in error
