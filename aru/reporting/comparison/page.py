"""The results page: one self-contained file in which every row leads to its runs and to the command that computes it."""

import html
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from aru.comparison.conclusions import Comparison, compare
from aru.core.errors import InputError
from aru.core.files import atomic_path, write_json
from aru.reporting.comparison.markdown_results import results_markdown
from aru.reporting.comparison.plots import write_plots
from aru.reporting.comparison.section import Section, section
from aru.reporting.comparison.texts import DIFFERENCES, FIGURES_TEXT, PUBLISHED, READING
from aru.reporting.rendering import render

_SCHEMES = ("http://", "https://")


@dataclass(frozen=True)
class ResultsPage:
    """All that comparison/page.html.j2 shows: the sections, and the sentences that the Markdown file has, too."""

    title: str
    reading: str
    figures_text: str
    differences_text: str
    published_text: str
    sections: tuple[Section, ...]


def write_results(
    records: Iterable[Mapping[str, Any]], folder: Path, *, links: Mapping[str, str] | None = None, title: str
) -> list[Path]:
    """Write results.html, results.md, records.json and figures/ into `folder`; result: the files.

    `links` maps a record's key to the address of its run; a record without one has none. The same records give the same
    bytes in any order. Raises InputError for records that do not fit (`records_table`) and links that are no http address.
    """
    records, folder = list(records), Path(folder)
    _check_links(links or {})
    comparisons = compare(records)
    with atomic_path(folder / "figures") as place:
        place.mkdir()
        plots = [write_plots(one, place, _slug(one.setting)) for one in comparisons]
    figures = [{kind: folder / "figures" / path.name for kind, path in found.items()} for found in plots]
    pages = _write_pages(comparisons, figures, folder, links or {}, title)
    return [*pages, write_records(records, folder), *(path for found in figures for path in found.values())]


def write_records(records: Iterable[Mapping[str, Any]], folder: Path) -> Path:
    """Write records.json: sorted, the same bytes for the same records; result: the file."""
    path = Path(folder) / "records.json"
    write_json(path, sorted(map(_finite, records), key=_order))
    return path


def rewrite_results(records: Iterable[Mapping[str, Any]], folder: Path, *, title: str) -> list[Path]:
    """Write results.html and results.md into `folder`, as `write_results` does without links; result: both files.

    No folder of figures is left beside the page, which has them inside. Raises InputError for records that do not fit.
    """
    comparisons = compare(records)
    with TemporaryDirectory() as place:
        figures = [write_plots(one, Path(place), _slug(one.setting)) for one in comparisons]
        return _write_pages(comparisons, figures, Path(folder), {}, title)


def read_title(path: Path) -> str | None:
    """The title of a results page; None where there is no page or it has none."""
    found = re.search(r"<title>(.*?)</title>", path.read_text(encoding="utf-8"), re.DOTALL) if path.is_file() else None
    return html.unescape(found[1]) if found else None


def results_page(
    comparisons: Sequence[Comparison], figures: Sequence[Mapping[str, Path]], links: Mapping[str, str], title: str
) -> str:
    """The page, with the PNG files inside it: one dictionary of `write_plots` for each comparison."""
    sections = [section(one, plots, links, slug=_slug(one.setting)) for one, plots in zip(comparisons, figures, strict=True)]
    page = ResultsPage(title, READING, FIGURES_TEXT, DIFFERENCES, PUBLISHED, tuple(sections))
    return render("comparison/page.html.j2", page, style="comparison/page.css", script="comparison/sortable.js")


def _write_pages(
    comparisons: Sequence[Comparison],
    figures: Sequence[Mapping[str, Path]],
    folder: Path,
    links: Mapping[str, str],
    title: str,
) -> list[Path]:
    texts = {
        "results.html": results_page(comparisons, figures, links, title),
        "results.md": results_markdown(comparisons, title),
    }
    for name, text in texts.items():
        with atomic_path(folder / name) as path:
            path.write_text(text, encoding="utf-8")
    return [folder / name for name in texts]


def _slug(setting: Mapping[str, Any]) -> str:
    """A name of letters, digits, points and hyphens for a table's file and place on the page."""
    text = "-".join(str(value) for value in setting.values())
    return "".join(letter if letter.isascii() and (letter.isalnum() or letter in "-.") else "_" for letter in text)


def _check_links(links: Mapping[str, str]) -> None:
    for key, address in links.items():
        if not address.startswith(_SCHEMES):
            raise InputError(f"the link of {key} is {address!r}: it must start with {' or '.join(_SCHEMES)}")


def _order(record: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(record[name]) for name in ("key", "protocol", "draw", "train_seed", "unlearn_seed", "method", "variant"))


def _finite(content: Any) -> Any:
    """The same content with null for what is not a finite number: JSON has no word for it."""
    if isinstance(content, Mapping):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content
