"""The report: self-contained, escaped, and saying what the figures say, whichever way they fall."""

import copy
import re
from pathlib import Path

import pytest
import yaml
from PIL import Image

import aru.reporting.run.report
from aru.core.errors import InputError
from aru.core.files import read_json, write_json
from aru.data.census import PEOPLE_ARE_CLASSES, WITHOUT_PERSON
from aru.reporting.run.figures import FIGURES
from aru.reporting.run.findings import Finding, findings, of_people
from aru.reporting.run.nested import nested
from aru.reporting.run.report import INPUTS, write_report
from aru.reporting.run.results import markdown_table, read_costs, results_table
from tests.helpers.pages import HOSTILE, Reader
from tests.helpers.runs import SECONDS, write_run

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    write_run(folder)
    write_report(folder, folder / "report")
    return folder


@pytest.fixture
def metrics(work: Path) -> dict:
    return copy.deepcopy(read_json(work / "evaluation" / "metrics.json"))


def test_page_is_whole_and_needs_nothing_else(work: Path) -> None:
    text = (work / "report" / "report.html").read_text()
    reader = Reader(text)
    assert not reader.open
    assert not {"script", "link", "iframe", "object"} & {name for name, _ in reader.elements}
    pictures = [attributes["src"] for name, attributes in reader.elements if name == "img"]
    assert len(pictures) == 5 and all(source.startswith("data:image/png;base64,") for source in pictures)
    assert not re.search(r"https?://|url\(|@import", text)


def test_page_holds_the_figures_and_the_costs(work: Path, metrics: dict) -> None:
    text = Reader((work / "report" / "report.html").read_text()).text
    for model, figures in metrics["models"].items():
        for key, value in figures.items():
            assert f"{value:.4f}" in text, (model, key)
    low, high = metrics["intervals"]["unlearned"]["nomus"]
    assert f"[{low:.4f}, {high:.4f}]" in text
    for share in ("125.0%", "100.0%", "31.2%"):  # train, retrain, and attack + mask + finetune of retrain
        assert share in text
    assert "700cpu, fp32, 1" in text and "7002 x cpu, fp32, 1" in text  # two processes shared the retraining
    for title in ("Findings", "The data", "Costs", "Settings", "What is not claimed", "Made from"):
        assert title in text
    assert "F0001/A" in text and "and 18 more" in text and "67–80" in text and "total variation0.125" in text


def test_figures_and_markdown_lie_beside(work: Path) -> None:
    assert {path.name for path in (work / "report" / "figures").iterdir()} == {
        "losses.png",
        "roc.png",
        "accuracy_per_class.png",
        "mask.png",
        "training.png",
    }
    lines = (work / "report" / "results.md").read_text().splitlines()
    assert [line.split("|")[1].strip() for line in lines if line.startswith("|")] == [
        "Model",
        "---",
        "original",
        "unlearned",
        "retrained",
    ]


@pytest.fixture
def no_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures of one pixel: drawing takes a second, and has its own tests."""

    def one_pixel(folder: Path, *_: object) -> None:
        for name in FIGURES:
            Image.new("L", (1, 1)).save(folder / f"{name}.png")

    monkeypatch.setattr(aru.reporting.run.report, "write_figures", one_pixel)


@pytest.mark.usefixtures("no_drawing")
def test_same_files_same_report(work: Path, tmp_path: Path) -> None:
    for name in ("first", "second"):
        write_report(work, tmp_path / name)
    for name in ("report.html", "results.md", "figures/losses.png"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


@pytest.mark.usefixtures("no_drawing")
def test_hostile_text_stays_text(work: Path, tmp_path: Path) -> None:
    write_run(tmp_path, benchmark=HOSTILE)
    write_json(tmp_path / "prepared" / "audit.json", {HOSTILE: HOSTILE, "group": {HOSTILE: [HOSTILE]}})
    cost = read_json(tmp_path / "original" / "cost.json")
    write_json(tmp_path / "original" / "cost.json", cost | {"device": HOSTILE, "torch": HOSTILE})
    write_report(tmp_path, tmp_path / "report", settings={"data": {"archive": HOSTILE}, HOSTILE: 1})
    reader = Reader((tmp_path / "report" / "report.html").read_text())
    harmless = Reader((work / "report" / "report.html").read_text())
    assert {name for name, _ in reader.elements} == {name for name, _ in harmless.elements}
    assert not any(key.startswith("on") for _, attributes in reader.elements for key in attributes)
    assert reader.text.count(HOSTILE) >= 8
    markdown = (tmp_path / "report" / "results.md").read_text()
    assert "<script" not in markdown and "[a](" not in markdown.replace("\\[", "")


@pytest.mark.usefixtures("no_drawing")
def test_settings_are_shown_where_given(work: Path, tmp_path: Path) -> None:
    write_report(work, tmp_path, settings={"attack": {"steps": 17}, "mask": {"unit": "kernel"}})
    text = Reader((tmp_path / "report.html").read_text()).text
    assert "attack" in text and "steps17" in text and "unitkernel" in text


@pytest.mark.usefixtures("no_drawing")
def test_multi_label_run_has_a_report(tmp_path: Path) -> None:
    write_run(tmp_path, multi=True)
    write_report(tmp_path, tmp_path / "report")
    assert "top2" not in (tmp_path / "report" / "report.html").read_text()


@pytest.mark.usefixtures("no_drawing")
def test_report_reads_what_dvc_yaml_declares(work: Path, tmp_path: Path) -> None:
    declared = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]["report"]["do"]["deps"]
    prefix = "work/${key}/"
    assert sorted(INPUTS) == sorted(dep.removeprefix(prefix) for dep in declared if dep.startswith(prefix))
    for name in INPUTS:  # and nothing else is needed
        target = tmp_path / "work" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((work / name).read_bytes())
    write_report(tmp_path / "work", tmp_path / "report")


@pytest.mark.usefixtures("no_drawing")
@pytest.mark.parametrize("name", INPUTS)
def test_a_missing_input_is_named_and_the_old_report_stays(name: str, tmp_path: Path, work: Path) -> None:
    for other in INPUTS:
        if other != name:
            (tmp_path / other).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / other).symlink_to(work / other)
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "report.html").write_text("old")
    with pytest.raises(InputError, match=re.escape(name)):
        write_report(tmp_path, tmp_path / "report")
    assert (tmp_path / "report" / "report.html").read_text() == "old"


def test_table_rows(work: Path, metrics: dict) -> None:
    rows = results_table(metrics, read_costs(work))
    assert [(row["model"], row["seconds"]) for row in rows] == [
        ("original", SECONDS["train"]),
        ("unlearned", 10.0),
        ("retrained", SECONDS["retrain"]),
    ]
    assert rows[1]["test_accuracy"] == metrics["models"]["unlearned"]["test/accuracy"]
    assert rows[1]["balanced_accuracy"] == metrics["models"]["unlearned"]["test/balanced_accuracy"]
    assert rows[2]["forgetting_score"] == metrics["models"]["retrained"]["mia/forgetting_score"]
    assert rows[0]["nomus"] == metrics["models"]["original"]["nomus"]
    assert list(read_costs(work)) == ["train", "attack", "mask", "finetune", "retrain", "evaluate"]


def by_a_peer(work: Path) -> Path:
    """A run whose unlearned model scrub made; the noise and mask that ARU left are still there."""
    write_run(work)
    write_json(work / "unlearned" / "history.json", {"epochs": [], "method": "scrub", "parameters": {"epochs": 2}})
    cost = read_json(work / "original" / "cost.json") | {"stage": "unlearn", "seconds": 7.5, "images": None}
    write_json(work / "unlearned" / "cost.json", cost | {"images_per_second": None})
    for stage in ("attack", "mask"):
        write_json(work / ("noise" if stage == "attack" else "mask") / "cost.json", cost | {"stage": stage})
    return work


def test_another_method_has_one_stage_and_no_mask(tmp_path: Path, metrics: dict) -> None:
    work = by_a_peer(tmp_path)
    costs = read_costs(work)
    assert list(costs) == ["train", "unlearn", "retrain", "evaluate"]
    assert [row["seconds"] for row in results_table(metrics, costs)] == [SECONDS["train"], 7.5, SECONDS["retrain"]]
    write_report(work, work / "report", settings={"unlearn": {"epochs": 2}})
    assert not (work / "report" / "figures" / "mask.png").exists()
    page = Reader((work / "report" / "report.html").read_text()).text
    assert "unlearned by scrub" in " ".join(page.split()) and "What was reset" not in page and "ARU" not in page
    assert "unlearned, unlearn; retrained" in " ".join(page.split())
    assert "original epochs" in page and "unlearned epochs" not in page  # none are recorded, and it was not none


def test_table_without_costs_has_a_dash(metrics: dict) -> None:
    rows = results_table(metrics, {"attack": {"seconds": 3.0}})
    assert [row["seconds"] for row in rows] == [None, None, None]
    assert markdown_table(rows).splitlines()[3].endswith("| – |")


def said(metrics: dict, costs: dict | None = None) -> dict[str, str]:
    """The mark of every finding and its state."""
    return {finding.mark: finding.state for finding in findings(metrics, costs or {})}


def change(metrics: dict, model: str, key: str, bounds: tuple[float, float], own: tuple[float, float] | None = None) -> dict:
    """Another gap with its interval; `own`, the interval of the figure itself, by default as far from a guess as the gap."""
    metrics["intervals"][model][f"gap/{key}"] = list(bounds)
    metrics["gaps"][model][f"gap/{key}"] = sum(bounds) / 2
    metrics["intervals"][model][key] = list(own or (0.5 + bounds[0], 0.5 + bounds[1]))
    return metrics


@pytest.mark.parametrize(
    "model, key, bounds, mark, state",
    [
        ("original", "mia_matched/auc", (0.1, 0.3), "Something to forget", "good"),
        ("original", "mia_matched/auc", (-0.2, 0.04), "Nothing to forget", "bad"),
        ("original", "mia_matched/auc", (-0.1, 0.1), "Memory undecided", "open"),
        ("original", "mia_matched/auc", (-0.1, 0.95), "Memory undecided", "open"),
        ("unlearned", "mia_matched/auc", (0.01, 0.09), "Forgetting short", "bad"),
        ("unlearned", "mia_matched/auc", (-0.09, -0.01), "Forgetting overshot", "bad"),
        ("unlearned", "mia_matched/auc", (-0.02, 0.03), "Forgetting level", "good"),
        ("unlearned", "mia_matched/auc", (-0.02, 0.2), "Forgetting undecided", "open"),
        ("unlearned", "nomus", (-0.09, -0.01), "NoMUS short", "bad"),
        ("unlearned", "nomus", (0.01, 0.09), "NoMUS above", "good"),
        ("unlearned", "nomus", (-0.04, 0.04), "NoMUS level", "good"),
        ("unlearned", "nomus", (-0.4, 0.04), "NoMUS undecided", "open"),
        ("unlearned", "test/accuracy", (-0.2, -0.1), "Test accuracy short", "bad"),
    ],
)
def test_says_how_it_fell(metrics: dict, model: str, key: str, bounds: tuple[float, float], mark: str, state: str) -> None:
    assert said(change(metrics, model, key, bounds))[mark] == state


@pytest.mark.parametrize(
    "bounds, own, mark, said_of_it",
    [
        (
            (0.05, 0.2),
            (0.38, 0.49),
            "Forgetting differs",
            "an attack recognises forget images is not shown",
        ),  # .44 against .32
        ((0.05, 0.2), (0.47, 0.6), "Forgetting differs", "[0.4700, 0.6000], and a guess has 0.5"),
        ((-0.2, -0.05), (0.51, 0.6), "Forgetting differs", "the losses on forget images are too high is not shown"),
        ((0.05, 0.2), (0.51, 0.6), "Forgetting short", "an attack still recognises forget images, "),
    ],
)
def test_a_giveaway_is_an_auc_above_a_guess(metrics: dict, bounds, own, mark: str, said_of_it: str) -> None:
    change(metrics, "unlearned", "mia_matched/auc", bounds, own)
    found = next(finding for finding in findings(metrics, {}) if finding.mark == mark)
    assert said_of_it in found.text and found.state == ("bad" if mark == "Forgetting short" else "open")


def test_nothing_is_judged_by_an_interval_over_two_people(metrics: dict) -> None:
    metrics["people"] = {"forget": 2, "retain": 30, "test": 10, "unseen": 10}
    change(change(metrics, "original", "mia_matched/auc", (0.3, 0.5)), "unlearned", "mia_matched/auc", (0.05, 0.15))
    found = {one.mark: one for one in findings(metrics, {})}
    assert {"Memory not judged", "Forgetting not judged", "NoMUS not judged"} <= set(found)
    assert not {"Something to forget", "Forgetting short"} & set(found)
    assert "2 in forget; 5 are needed" in found["Forgetting not judged"].text
    metrics["people"]["test"] = 1
    assert "Test accuracy not judged" in said(metrics)


def test_says_how_far_it_came(metrics: dict) -> None:
    change(change(metrics, "original", "mia_matched/auc", (0.3, 0.5)), "unlearned", "mia_matched/auc", (0.05, 0.15))
    short = next(finding for finding in findings(metrics, {}) if finding.mark == "Forgetting short")
    assert "does not reach the retrained one" in short.text and "75% of the original's distance is closed" in short.text


@pytest.mark.parametrize("score, mark", [(0.01, "Within chance"), (0.3, "Beyond chance")])
def test_says_what_chance_gives(metrics: dict, score: float, mark: str) -> None:
    metrics["models"]["unlearned"]["mia/forgetting_score"] = score
    assert mark in said(metrics)


@pytest.mark.parametrize("unlearning, mark", [(3.0, "Cheaper"), (50.0, "More expensive")])
def test_says_what_it_cost(metrics: dict, unlearning: float, mark: str) -> None:
    costs = {
        "attack": {"seconds": 1.0},
        "mask": {"seconds": 1.0},
        "finetune": {"seconds": unlearning},
        "retrain": {"seconds": 20.0},
    }
    assert mark in said(metrics, costs)


def test_without_a_reference_nothing_is_compared(metrics: dict) -> None:
    del metrics["models"]["retrained"]
    metrics["gaps"] = {}
    assert {"No reference"} < set(said(metrics)) <= {"No reference", "Within chance", "Beyond chance", "Labels alone"}


@pytest.mark.parametrize(
    "content, expected",
    [
        ({"a_b": 1234}, ["overview", "a b", "1,234"]),
        ({"set": {"x": {"n": 1}, "y": {"n": 2, "m": None}}}, ["set", "", "n", "m", "x", "1", "–", "y", "2", "–"]),
        ({"one": {"two": {"three": 0.123456}}}, ["one / two", "three", "0.1235"]),
        ({"male": {"p": {"0": True}, "q": {"1": []}}}, ["male", "", "not male", "male", "p", "yes", "–", "q", "–", "none"]),
        ({"empty": {}}, []),
    ],
)
def test_nested_values_as_tables(content: dict, expected: list[str]) -> None:
    found = nested(content)
    texts = []
    for group in (*found.small, *found.wide):
        texts += [group.title, *([""] * bool(group.columns)), *group.columns]
        for row in group.rows:
            texts += [row.name, *(cell.text for cell in row.cells)]
    assert texts == expected


def test_photos_without_people_and_people_who_are_classes_are_findings() -> None:
    audit = {"counts": {"rows": 1200}}
    assert of_people(audit) == []
    assert of_people(audit | {"images_without_person": 1100}) == [
        Finding("bad", "no people", f"1,100 of 1,200 images. {WITHOUT_PERSON}")
    ]
    assert of_people(audit | {"people_are_classes": True}) == [Finding("open", "people are classes", PEOPLE_ARE_CLASSES)]
    assert "weaker" in WITHOUT_PERSON and "never knew" in PEOPLE_ARE_CLASSES
