"""Sources of own photos by name, those of other packages included."""

from importlib.metadata import EntryPoint

import pytest

from aru.core.errors import InputError
from aru.data.own_photos import convert
from aru.data.sources import found
from aru.data.sources.found import Columns, Found, Photo, check_options, finder
from tests.helpers.own_photos import folder, photos


def by_album(archive, columns, faults) -> Found:
    """A source of another package: the file names it wants, by person."""
    return Found([Photo(name, person=name.split("/")[0]) for name in archive.names()], (), ("Albums are people.",))


def nothing(archive, columns, faults) -> list[Photo]:
    return []


def test_an_installed_package_can_add_a_source(tmp_path, monkeypatch):
    points = [EntryPoint(name, f"{__name__}:{name}", "aru.sources") for name in ("by_album", "nothing", "lost")]
    monkeypatch.setattr(found, "entry_points", lambda group: points if group == "aru.sources" else [])
    own, out = folder(tmp_path / "own", photos()), tmp_path / "out.zip"
    read = convert("by_album", own, out, Columns())
    assert read.rows["person"].nunique() == 5 and "Albums are people." in read.notes
    with pytest.raises(InputError, match="'nothing' .*gives no Found"):
        convert("nothing", own, out, Columns())
    with pytest.raises(InputError, match="'lost' .*cannot be loaded"):
        finder("lost")
    with pytest.raises(InputError, match="the sources are mufac, mucac, table, folder, by_album"):
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
