"""The comparisons of docs/: their pages are those that `python -m aru results` makes of their records."""

import re
import shutil
from pathlib import Path
from typing import Any

import matplotlib
import pytest
from matplotlib.figure import Figure
from PIL import Image

from aru.__main__ import main
from aru.core.files import read_json, write_json
from aru.reporting.comparison import plots
from tests.helpers.compared import made_records

DOCS = Path(__file__).resolve().parents[3] / "docs"
FOLDERS = sorted(path.parent.relative_to(DOCS).as_posix() for path in DOCS.rglob("records.json"))
PICTURE = re.compile(r"data:image/png;base64,[A-Za-z0-9+/=]+")


def without_plots(page: Path) -> str:
    """The page without the bytes of its plots, which differ with the version of matplotlib."""
    return PICTURE.sub("", page.read_text(encoding="utf-8"))


def test_there_are_published_comparisons() -> None:
    assert "mufac-32px-clean" in FOLDERS and "mufac-32px-clean/ablation" in FOLDERS


def white(figure: Figure, path: Path, **options: Any) -> None:
    """A picture of the figure's size."""
    across, down = figure.get_size_inches() * matplotlib.rcParams["savefig.dpi"]
    Image.new("L", (round(across), round(down)), "white").save(path)


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_published_pages_are_those_of_their_records(folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plots, "place_labels", lambda *arguments, **options: None)  # of the plots no byte is compared
    monkeypatch.setattr(plots.Figure, "savefig", white)
    for name in ("records.json", "results.html"):
        shutil.copy(DOCS / folder / name, tmp_path / name)
    published = without_plots(tmp_path / "results.html")
    assert len(PICTURE.findall((tmp_path / "results.html").read_text(encoding="utf-8"))) >= 1
    assert main(["results", str(tmp_path)]) == 0
    assert (tmp_path / "results.md").read_text(encoding="utf-8") == (DOCS / folder / "results.md").read_text(encoding="utf-8")
    assert without_plots(tmp_path / "results.html") == published
    assert sorted(path.name for path in tmp_path.iterdir()) == ["records.json", "results.html", "results.md"]


def test_records_of_several_comparisons_come_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    defaults, tuned = made_records(seeds=2), made_records(methods=("ssd",), seeds=2, variant="tuned")
    for name, records in (("one", defaults), ("two", [*tuned, *defaults])):
        (tmp_path / name).mkdir()
        write_json(tmp_path / name / "records.json", records)
    page, one, two = (str(tmp_path / name) for name in ("page", "one", "two"))
    assert main(["results", page, "--add", one, "--title", "x"]) == 0
    assert main(["results", page, "--add", two]) == 0
    merged = read_json(tmp_path / "page" / "records.json")
    assert {record["key"]: record for record in merged} == {record["key"]: record for record in [*defaults, *tuned]}
    assert len(merged) == len(defaults) + len(tuned)
    assert "tuned parameters" in (tmp_path / "page" / "results.md").read_text()
    before = (tmp_path / "page" / "records.json").read_bytes()
    write_json(tmp_path / "two" / "records.json", [defaults[0] | {"key": "other"}])
    capsys.readouterr()
    assert main(["results", page, "--add", two]) == 2
    assert "and other, made by other parameters" in capsys.readouterr().err
    assert (tmp_path / "page" / "records.json").read_bytes() == before


def test_a_folder_without_title_or_records_names_the_remedy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["results", str(tmp_path)]) == 2
    assert "--title" in capsys.readouterr().err
    assert main(["results", str(tmp_path), "--title", "x"]) == 2
    assert "records.json does not exist" in capsys.readouterr().err
    write_json(tmp_path / "records.json", [])
    assert main(["results", str(tmp_path), "--title", "x"]) == 2
    assert "no records" in capsys.readouterr().err
