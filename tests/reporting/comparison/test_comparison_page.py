"""The results page: self-contained, escaped, complete, and plain about what is missing."""

import base64
import hashlib
import json
import math
import re
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

import aru.reporting.comparison.page
from aru.comparison.choices import parse_choice
from aru.comparison.command import choice, command
from aru.comparison.conclusions import Comparison, compare
from aru.core.config import Config, DataConfig
from aru.core.errors import InputError
from aru.core.files import read_json
from aru.reporting.comparison.cells import NAMED, lines
from aru.reporting.comparison.label_placement import Label, place_labels
from aru.reporting.comparison.markdown_results import results_markdown
from aru.reporting.comparison.notes import floor_text, notes
from aru.reporting.comparison.page import write_results
from aru.reporting.comparison.plots import cost_figure, utility_figure
from aru.reporting.figure_style import STYLE
from aru.reporting.rendering import POLICY
from tests.helpers.compared import LEVELS, made_record, made_records
from tests.helpers.pages import HOSTILE, Reader

TITLE = "Methods compared"


@pytest.fixture
def no_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plots of one pixel: drawing takes a second a table, and has its own tests."""

    def one_pixel(_: Comparison, folder: Path, name: str) -> dict[str, Path]:
        paths = {kind: folder / f"{name}-{kind}.png" for kind in ("utility", "cost")}
        for path in paths.values():
            Image.new("L", (1, 1)).save(path)
        return paths

    monkeypatch.setattr(aru.reporting.comparison.page, "write_plots", one_pixel)


def written(folder: Path, records: list[dict], **options: dict[str, str]) -> tuple[str, Reader, str]:
    """The page as it is and as it is read, and the Markdown file."""
    write_results(records, folder, title=TITLE, **options)
    text = (folder / "results.html").read_text()
    return text, Reader(text), (folder / "results.md").read_text()


def test_the_cost_is_called_what_it_is(tmp_path: Path, no_drawing: None) -> None:
    # the CPU waits for a GPU: by its seconds all methods would cost the same
    records = [record | {"cpu_seconds": 10.0} for record in made_records(seeds=2, device="cuda")]
    text, _, _ = written(tmp_path / "gpu", records)
    assert "its seconds; on a CPU its CPU seconds" in text and "its CPU seconds<" not in text.replace("on a CPU its CPU", "")
    ssd = next(row for row in compare(records)[0].rows if row.label == "ssd").figures["share"]
    assert ssd is not None and ssd.mean == pytest.approx(LEVELS["ssd"][4] / LEVELS["retrain"][4])
    assert "its CPU seconds" in written(tmp_path / "cpu", made_records(seeds=2))[0]


def test_page_is_whole_and_needs_nothing_else(tmp_path: Path) -> None:
    paths = write_results(made_records(seeds=2), tmp_path, title=TITLE)
    assert [path.name for path in paths] == [
        "results.html",
        "results.md",
        "records.json",
        "mufac-resnet18-64-official-default-utility.png",
        "mufac-resnet18-64-official-default-cost.png",
    ] and all(path.is_file() for path in paths)
    text = paths[0].read_text()
    reader = Reader(text)
    assert not reader.open and not {"link", "iframe", "object"} & {name for name, _ in reader.elements}
    assert not re.search(r"https?://|url\(|@import", text)
    pictures = [attributes["src"] for name, attributes in reader.elements if name == "img"]
    assert len(pictures) == 2 and all(source.startswith("data:image/png;base64,") for source in pictures)


@pytest.mark.usefixtures("no_drawing")
def test_policy_allows_the_one_script_and_nothing_else(tmp_path: Path) -> None:
    text, reader, _ = written(tmp_path, made_records(seeds=1))
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = next(attributes["content"] for name, attributes in reader.elements if "http-equiv" in attributes)
    assert policy == f"{POLICY}; script-src 'sha256-{digest}'"


@pytest.mark.usefixtures("no_drawing")
def test_same_records_same_bytes_in_any_order(tmp_path: Path) -> None:
    records = made_records(seeds=2) + made_records(methods=("ssd",), seeds=2, variant="tuned")
    records[0]["figures"]["mia_matched/auc"] = math.nan
    written(tmp_path / "one", records)
    written(tmp_path / "two", records[::-1])
    for name in ("results.html", "results.md", "records.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    again = read_json(tmp_path / "one" / "records.json")
    assert [record["key"] for record in again] == sorted(record["key"] for record in records)
    assert [record["figures"]["mia_matched/auc"] for record in again].count(None) == 1
    written(tmp_path / "three", again)
    assert (tmp_path / "three" / "results.html").read_bytes() == (tmp_path / "one" / "results.html").read_bytes()


@pytest.mark.usefixtures("no_drawing")
def test_figures_of_the_page_are_those_of_the_comparison(tmp_path: Path) -> None:
    records = made_records(seeds=3)
    _, reader, markdown = written(tmp_path, records)
    (found,) = compare(records)
    nomus = found.row("aru").figures["nomus"]
    low, high = nomus.interval
    expected = f"{nomus.mean:.3f} [{low:.3f}, {high:.3f}]".replace("0.", ".")
    assert expected in markdown and expected.replace(" [", "[") in reader.text
    difference = found.row("scrub").against["aru"]["nomus"]
    assert f"{difference.estimate.mean:+.3f}".replace("0.", ".").replace("-", "−") in reader.text
    for word in (
        "Noise floor",
        "chance ≤ .023",
        "Difference to the retrained model",
        "Difference to ARU",
        "DLFD",
        ".7819",
        "GLI stops on the evaluation data",
        "control",
    ):
        assert word in reader.text, word


@pytest.mark.usefixtures("no_drawing")
def test_cells_can_be_sorted_by_what_they_say(tmp_path: Path) -> None:
    _, reader, _ = written(tmp_path, made_records(seeds=2))
    marked = [(name, attributes["data-value"]) for name, attributes in reader.elements if "data-value" in attributes]
    values, names = [float(value) for name, value in marked if name == "td"], [value for name, value in marked if name == "th"]
    assert len(values) > 100 and all(map(math.isfinite, values)) and "ARU" in names and "retrained" in names
    assert made_record("ssd")["figures"]["nomus"] not in values  # means, not runs


@pytest.mark.usefixtures("no_drawing")
def test_rows_lead_to_their_runs_and_show_their_command(tmp_path: Path) -> None:
    records = made_records(methods=("retrain", "scrub"), seeds=2)
    links = {record["key"]: f"http://127.0.0.1:5000/#/runs/{number}" for number, record in enumerate(records) if number != 1}
    _, reader, markdown = written(tmp_path, records, links=links)
    addresses = [attributes["href"] for name, attributes in reader.elements if name == "a"]
    assert addresses == [links[record["key"]] for record in records if record["key"] in links]
    line = "aru benchmark --benchmark mufac --methods scrub --protocol official --seeds 2 --draws 1"
    assert line in reader.text and line in markdown
    _, plain, _ = written(tmp_path / "plain", records)
    assert "a" not in {name for name, _ in plain.elements}


@pytest.mark.parametrize("address", ["javascript:alert(1)", "data:text/html,x", "runs/1"])
def test_only_web_addresses_become_links(tmp_path: Path, address: str) -> None:
    with pytest.raises(InputError, match="it must start with http"):
        write_results(made_records(seeds=1), tmp_path, links={"a": address}, title=TITLE)
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("no_drawing")
def test_hostile_text_stays_text(tmp_path: Path) -> None:
    records = made_records(methods=("retrain", "aru", HOSTILE), seeds=2, benchmark=HOSTILE, protocol=HOSTILE, torch=HOSTILE)
    records += made_records(methods=("aru",), seeds=2, benchmark=HOSTILE, protocol=HOSTILE, torch="1", variant=HOSTILE)
    links = {record["key"]: f"http://x/{HOSTILE}" for record in records}
    write_results(records, tmp_path, links=links, title=HOSTILE)
    reader = Reader((tmp_path / "results.html").read_text())
    assert {name for name, _ in reader.elements} <= {
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "main",
        "header",
        "section",
        "h1",
        "h2",
        "h3",
        "p",
        "ul",
        "li",
        "a",
        "div",
        "span",
        "strong",
        "table",
        "caption",
        "thead",
        "tbody",
        "tfoot",
        "tr",
        "th",
        "td",
        "details",
        "summary",
        "code",
        "figure",
        "figcaption",
        "img",
        "script",
    }
    assert sum(name == "script" for name, _ in reader.elements) == 1 and reader.text.count(HOSTILE) >= 5
    assert not any(key.startswith("on") for _, attributes in reader.elements for key in attributes)
    assert all("/" not in path.name and path.parent == tmp_path / "figures" for path in (tmp_path / "figures").iterdir())
    body = (tmp_path / "results.md").read_text().split("```")
    assert "<script" not in "".join(body[::2]) and "[a](" not in "".join(body[::2]).replace("\\[", "")


def said(records: list[dict]) -> str:
    """The notes of the only comparison of these records."""
    (found,) = compare(records)
    return " ".join(notes(found))


def test_missing_pieces_are_named() -> None:
    whole = made_records(seeds=3)
    assert "No retrained model" not in said(whole) and "Incomplete" not in said(whole)
    assert "No retrained model is among the runs" in said([one for one in whole if one["method"] != "retrain"])
    assert "ARU is not among the runs" in said([one for one in whole if one["method"] != "aru"])
    short = [one for one in whole if (one["method"], one["train_seed"]) != ("scrub", 1)]
    assert "Incomplete, in pairs of training seed and draw: scrub 2 of 3." in said(short)
    assert "several kinds of machine" in said([*whole[1:], whole[0] | {"torch": "2.11.0"}])
    assert "scrub 1 of 3" in said([*short, made_record("scrub", seed=1, failed="not finite")])


def test_few_seeds_are_named() -> None:
    assert "One training seed and one forget draw: there is no interval" in said(made_records(seeds=1, repeats=2))
    assert "from this original model" in said(made_records(seeds=1, draws=3, protocol="clean"))
    two, three, many = (said(made_records(methods=("retrain", "aru"), seeds=seeds)) for seeds in (2, 3, 12))
    assert "50 % of simulated cases" in two and "need at least 3 independent units" in two
    assert "75 % of simulated cases" in three and "need at least" not in three and many == ""


@pytest.mark.usefixtures("no_drawing")
def test_one_seed_without_retrained_model_shows_dashes_and_no_interval(tmp_path: Path) -> None:
    _, reader, markdown = written(tmp_path, made_records(methods=("aru", "ssd"), seeds=1))
    rows = [line for line in markdown.splitlines() if line.startswith("| ssd |")]
    assert rows[0].count("–") == 4 and "[." not in markdown  # two gaps, the share, nothing published
    assert len(rows) == 2 and "Difference to the retrained model" not in reader.text


def test_floor_is_said_as_far_as_it_is_known() -> None:
    (found,) = compare(made_records(seeds=3))
    text = floor_text(found)
    assert ".010 on average and up to .023" in text and "reaches a forgetting score of .105" in text
    assert f"NoMUS {found.floor.standard_deviation['nomus']:.3f}".replace("0.", ".") in text
    (bare,) = compare(made_records(methods=("aru",), seeds=1, reference={}))
    assert floor_text(bare) == ""


def test_clean_protocol_has_no_published_column() -> None:
    official, clean = (
        results_markdown(compare(made_records(seeds=2, protocol=name)), TITLE) for name in ("official", "clean")
    )
    assert all(text in official for text in ("Published NoMUS", "| .5900 | .2126 |", "| .779 |", "| .54 |"))
    assert "Published" not in clean and "arXiv" not in clean


@pytest.mark.parametrize(
    "changes",
    [
        {"counts": {"forget": 16, "retain": 80, "test": 30, "unseen": 30}},
        {"counts": {"forget": 1600, "retain": 8425, "test": 1539, "unseen": 1504}},
        {"counts": {}},
        {"benchmark": "mine"},
    ],
)
def test_published_figures_stand_beside_the_benchmarks_own_images_alone(changes: dict) -> None:
    text = results_markdown(compare(made_records(seeds=2, **changes)), TITLE)
    assert "Published" not in text and "arXiv" not in text


def test_what_changed_nothing_is_said() -> None:
    records = made_records(seeds=2, methods=("nothing", "retrain", "aru"))
    for own in [dict(one) for one in records if one["method"] == "nothing"]:
        figures = {name: value + 0.0004 for name, value in own["figures"].items()}
        records.append(own | {"method": "salun", "key": f"salun-{own['key']}", "figures": figures})
        other = {**figures, "mia_matched/auc": figures["mia_matched/auc"] - 0.002 * own["train_seed"]}
        records.append(own | {"method": "neggrad", "key": f"neggrad-{own['key']}", "figures": other})
    said = [one for one in notes(compare(records)[0]) if one.startswith("Changed nothing")]
    assert said and "Changed nothing: salun. " in said[0], "neggrad's second run did"
    assert not [one for one in notes(compare(made_records(seeds=2))[0]) if one.startswith("Changed nothing")]


def test_methods_that_a_task_has_not_are_named() -> None:
    table = compare(made_records(seeds=2, methods=("nothing", "retrain", "aru"), task="multilabel"))[0]
    assert any(one.startswith("Not defined") and "scrub" in one for one in notes(table))
    assert not any(one.startswith("Not defined") for one in notes(compare(made_records(seeds=2, task="age"))[0]))


def test_markdown_tables_are_whole() -> None:
    records = made_records(seeds=2) + made_records(methods=("aru",), seeds=2, variant="mask.ratio=0.3")
    text = results_markdown(compare(records), TITLE)
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({line.count("|") for line in block.splitlines()}) == 1
    assert "ARU (mask.ratio=0.3)" in text and "--methods 'aru{mask.ratio=0.3}'" in text


@pytest.mark.parametrize(
    "text",
    [
        "scrub",
        "scrub:deepunlearn",
        "aru{mask.ratio=0.3,attack.noise=random}",
        "aru:vitmul{mask.ratio=0.2}",
        "finetune{epochs=3}",
    ],
)
def test_command_names_what_the_benchmark_reads(text: str) -> None:
    config = Config(data=DataConfig())
    read = parse_choice(text, config)
    assert choice(read.method, read.variant) == text
    assert parse_choice(choice(read.method, read.variant), config) == read


def test_command_covers_the_seeds_and_draws_of_its_row() -> None:
    records = [
        made_record("ssd", seed=seed, draw=draw, repeat=repeat, protocol="clean", variant="tuned")
        for seed in (2, 4)
        for draw in (1, 3)
        for repeat in (0, 1)
    ]
    assert command(records) == (
        "aru benchmark --benchmark mufac --methods ssd --protocol clean --seeds 3 --draws 3 "
        "--first-seed 2 --first-draw 1 --unlearn-seeds 2 --parameters tuned"
    )


# The plots.


def test_plots_show_every_method_and_the_floor() -> None:
    (found,) = compare(made_records(seeds=3))
    with matplotlib.rc_context(STYLE):
        utility, cost = utility_figure(found), cost_figure(found)
    texts = {text.get_text() for text in utility.axes[0].texts} - {""}
    assert texts == set(LEVELS) - {"nothing", "retrain", "aru"} | {"original", "retrained", "ARU"}
    assert {text.get_text() for text in cost.axes[0].texts} - {""} == texts - {"original"}
    band = utility.axes[0].patches[0].get_extents().transformed(utility.axes[0].transData.inverted())
    assert (band.y0, band.y1) == pytest.approx((0, 0.0231))
    retrained = found.row("retrain").figures["nomus"].mean
    assert retrained in [line.get_ydata()[0] for line in cost.axes[0].lines] and cost.axes[0].get_xscale() == "log"


def test_plots_without_a_point_are_left_out(tmp_path: Path) -> None:
    write_results(made_records(methods=("aru", "ssd"), seeds=1), tmp_path, title=TITLE)
    assert [path.name for path in (tmp_path / "figures").iterdir()] == ["mufac-resnet18-64-official-default-utility.png"]


def test_plots_have_stable_bytes_and_leave_no_state(tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    for name in ("one", "two"):
        write_results(made_records(seeds=2), tmp_path / name, title=TITLE)
    paths = sorted((tmp_path / "one" / "figures").iterdir())
    assert len(paths) == 2
    assert all(path.read_bytes() == (tmp_path / "two" / "figures" / path.name).read_bytes() for path in paths)
    assert dict(matplotlib.rcParams) == before


def test_names_do_not_cover_each_other() -> None:
    rng = np.random.default_rng(0)
    figure = matplotlib.figure.Figure(figsize=(7, 5))
    axes = figure.subplots()
    places = rng.normal(0.5, 0.12, size=(22, 2))
    axes.plot(*places.T, "o")
    labels = [Label(x, y, f"method-{number}", bar_across=(x - 0.02, x + 0.02)) for number, (x, y) in enumerate(places)]
    place_labels(figure, axes, labels, ink="black", line="grey")
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [text.get_window_extent(renderer) for text in axes.texts if text.get_text()]
    frame = axes.get_window_extent(renderer)
    assert len(boxes) == 22
    assert not any(one.overlaps(other) for number, one in enumerate(boxes) for other in boxes[:number])
    assert all(frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1 for box in boxes)


def test_long_tables_have_numbers_in_place_of_names() -> None:
    records = made_records(seeds=1)
    for number in range(NAMED):
        records += made_records(methods=("aru",), seeds=1, variant=f"mask.ratio={number / 100}")
    _, found = compare(records)
    numbers = {line.name: line.number for line in lines(found)}
    assert numbers["ARU"] is numbers["original"] is numbers["retrained"] is None
    ours = 1 + list(numbers).index("ARU")
    assert sorted(filter(None, numbers.values())) == [number for number in range(3, 32) if number != ours]
    texts = {text.get_text() for text in utility_figure(found).axes[0].texts} - {""}
    assert texts == {"ARU", "original", "retrained"} | {str(number) for number in numbers.values() if number}


def test_records_are_json_as_they_were_given(tmp_path: Path) -> None:
    records = made_records(methods=("aru",), seeds=1)
    write_results(records, tmp_path, title=TITLE)
    assert read_json(tmp_path / "records.json") == json.loads(json.dumps(records))
