"""`aru.evaluate` and `aru.audit` on data of a caller's own."""

import json
import re
from pathlib import Path

import pytest
from torch.utils.data import DataLoader, SubsetRandomSampler

import aru
from aru.core.errors import InputError
from tests.helpers.shown import run_example
from tests.helpers.toys import small_net
from tests.library.own import NETWORKS, photos
from tests.methods.test_conformance import unchanged

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
SETS = {"forget": photos(12, 1), "retain": photos(20, 2), "test": photos(30, 3), "unseen": photos(30, 4)}
IDS = [f"person {row // 3}" for row in range(12)]


def test_figures_of_each_model_with_a_table():
    model, original = small_net(1), small_net(0)
    with unchanged(model), unchanged(original):
        figures = aru.evaluate(
            model, original=original, retrained=original, people=IDS, resamples=100, precision="fp32", **SETS
        )
    assert list(figures.models) == ["original", "unlearned", "retrained"]
    assert figures.content["people"] == {"forget": 4, "retain": 20, "test": 30, "unseen": 30}
    right = sum(int(small_net(0)(image[None]).argmax()) == int(label) for image, label in SETS["test"])
    assert figures.models["original"]["test/accuracy"] == pytest.approx(right / 30, abs=1e-5)
    assert figures.gaps["original"]["gap/test/accuracy"] == 0
    assert str(figures).splitlines()[0].split() == ["original", "unlearned", "retrained"]


def test_samplers_share_the_photos_of_one_dataset_among_the_sets():
    data, ends = photos(40, 0), {"forget": (0, 5), "retain": (5, 20), "test": (20, 30), "unseen": (30, 40)}
    sets = {name: DataLoader(data, batch_size=4, sampler=SubsetRandomSampler(range(*part))) for name, part in ends.items()}
    figures = aru.evaluate(small_net(1), original=small_net(), resamples=20, **sets)
    assert figures.content["counts"] == {"forget": 5, "retain": 15, "test": 10, "unseen": 10}


@pytest.mark.parametrize(
    "kind", ["activations kept as attributes", "buffers made in a pass", "an extra state", "a parameter of whole numbers"]
)
def test_networks_with_more_than_weights_are_evaluated_and_audited(kind):
    model, original = NETWORKS[kind](), NETWORKS[kind]()
    with unchanged(model), unchanged(original):
        figures = aru.evaluate(model, original=original, resamples=100, precision="fp32", **SETS)
        verdict = aru.audit(model, original=original, people=IDS, resamples=100, **SETS)
    assert figures.weights_md5["unlearned"] != figures.weights_md5["original"] and verdict.verdict


def test_an_audit_has_a_verdict_a_record_and_a_page(tmp_path):
    model = small_net(1)
    with unchanged(model):
        verdict = aru.audit(model, original=small_net(), people=IDS, resamples=100, **SETS)
    assert verdict.verdict in ("pass", "inconclusive", "fail") and verdict.verdict in str(verdict)
    assert verdict.criteria["weights"]["verdict"] == "pass" and verdict.record["people"]["forget"] == 4
    verdict.to_json(tmp_path / "audit.json")
    verdict.to_html(tmp_path / "audit.html")
    assert json.loads((tmp_path / "audit.json").read_text())["verdict"] == verdict.verdict
    assert "own data" in (tmp_path / "audit.html").read_text()
    same = aru.audit(small_net(), original=small_net(), people=IDS, resamples=100, **SETS)
    assert same.verdict == "fail" and same.criteria["weights"]["verdict"] == "fail", "the original itself"


@pytest.mark.parametrize(
    "options, message",
    [
        ({"level": "full"}, "level full needs a pool of shadow models"),
        ({"level": "standard"}, "give retrained="),
        ({"level": "quik"}, "did you mean 'quick'"),
        ({"people": IDS[:5]}, "people has 5 ids for the forget set, which has 12 images"),
        ({"people": {"forgot": IDS}}, "people has the set 'forgot'; did you mean 'forget'"),
    ],
)
def test_what_an_audit_cannot_do_is_said(options, message):
    with pytest.raises(InputError, match=message):
        aru.audit(small_net(1), original=small_net(), **({"people": IDS} | options), **SETS)


@pytest.mark.parametrize(
    "name, shown",
    [("own_model", "at the level quick"), ("timm_model", "filters reset"), ("transformers_model", "units reset")],
)
def test_the_examples_run_as_they_are_shown(name, shown, capsys):
    said = run_example(name, capsys)
    assert "forget/accuracy" in said and shown in said
    quoted = README.split(f"<!-- output of {name} -->\n```\n")[1].split("```")[0]
    assert _without_numbers(quoted) in _without_numbers(said), "README.md shows another output"


def _without_numbers(text: str) -> str:
    """Rows and columns of a table; the numbers differ between processors."""
    return "\n".join(re.sub(r"\d+(\.\d+)?", "#", line.rstrip()) for line in text.splitlines())
