"""Sources of own photos by name, those of other packages included."""

import re
import sys
import tomllib
from pathlib import Path

import pytest

from aru.core.errors import InputError, explained
from aru.data.own_photos import convert
from aru.data.sources.found import ENTRY_POINTS, Columns, check_options, finder
from tests.helpers.archives import write_zip
from tests.helpers.own_photos import folder, photos

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "data.md"


def documented() -> dict[str, str]:
    """The last blocks of code of the document, by language: a package that adds a source."""
    blocks = re.findall(r"```(toml|python)\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    return dict(blocks)


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a package of one module: its code and its dist-info on the path, as pip leaves them."""

    def place(module: str, code: str, points: dict[str, str]) -> None:
        site = tmp_path / f"site_{module}"
        info = site / f"{module}-1.0.dist-info"
        info.mkdir(parents=True)
        (site / f"{module}.py").write_text(code, encoding="utf-8")
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n", encoding="utf-8")
        lines = [f"[{ENTRY_POINTS}]", *(f"{name} = {value}" for name, value in points.items())]
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        monkeypatch.syspath_prepend(str(site))

    yield place
    for name in ("albums", "broken_source"):
        sys.modules.pop(name, None)


def test_the_documented_package_adds_its_source(tmp_path, install):
    code = documented()
    points = tomllib.loads(code["toml"])["project"]["entry-points"][ENTRY_POINTS]
    assert points == {"albums": "albums:find"} and code["python"].count("\n") <= 15
    install("albums", code["python"], points)
    album = "\n".join(f"{name.split('/')[0]}: {name} {name.split('/')[1][:3]}" for name in photos())
    own, out = folder(tmp_path / "own", photos() | {"albums.txt": album.encode()}), tmp_path / "out.zip"
    read = convert("albums", own, out, Columns())
    assert read.rows["person"].nunique() == 5 and dict(read.classes) == {"label": ("cat", "dog")}
    assert "20 photos in albums.txt." in read.notes
    faulty = folder(tmp_path / "faulty", photos() | {"albums.txt": (album + "\nno album\n").encode()})
    with pytest.raises(InputError, match="1 x is no line of an album"):
        convert("albums", faulty, out, Columns())
    for other in (folder(tmp_path / "other", photos()), write_zip(tmp_path / "other.zip", photos())):
        with pytest.raises(InputError) as refused:
            convert("albums", other, out, Columns())
        assert "lacks a file that its layout has (albums.txt)" in explained(refused.value)


def test_a_source_that_does_not_keep_to_the_interface_is_refused(tmp_path, install):
    install("broken_source", "def nothing(archive, columns, faults):\n    return []\n", {
        "nothing": "broken_source:nothing", "lost": "broken_source:lost", "gone": "no_such_module:find",
    })  # fmt: skip
    own, out = folder(tmp_path / "own", photos()), tmp_path / "out.zip"
    with pytest.raises(InputError, match="'nothing' .*gives no Found"):
        convert("nothing", own, out, Columns())
    for name in ("lost", "gone"):
        with pytest.raises(InputError, match=f"'{name}' .*cannot be loaded"):
            finder(name)
    with pytest.raises(InputError, match="the sources are mufac, mucac, table, folder, (.*, )?nothing, lost, gone"):
        finder("albums")


@pytest.mark.parametrize(
    ("source", "columns", "message"),
    [
        ("folder", Columns(person="who"), "--person-column is an option of the source table"),
        ("table", Columns(pattern="person"), "--pattern is an option of the source folder"),
        ("mufac", Columns(ignore_exif=True), "mufac is read as it is published"),
    ],
)
def test_options_of_another_source_are_refused(source, columns, message):
    with pytest.raises(InputError, match=message):
        check_options(source, columns)
    check_options(source, Columns())
