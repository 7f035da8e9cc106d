"""The real stages on a small archive: the same bytes again, after a kill too, and bad inputs refused by name."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml
from safetensors import safe_open

from aru.compute.device import make_compute
from aru.core.config import load_config
from aru.core.errors import InputError, TrainingError
from aru.core.files import load_tensors, read_json, save_tensors
from aru.core.folders import stages_of
from aru.core.leftovers import locked_folder
from aru.core.names import ARU
from aru.data.images import load_sets, load_training
from aru.methods.aru.pipeline import unlearn
from aru.methods.aru.presets import AruConfig
from aru.nets.models import build, load_model, save_model
from aru.stages.dry_pass import check_network
from aru.stages.runner import FOLDERS, run
from aru.train.checkpoint import Checkpoint
from tests.helpers.archives import mucac_files, mucac_folder, mufac_archive
from tests.helpers.project import declared_outs
from tests.helpers.toys import same_weights

CHECKOUT = Path(__file__).resolve().parents[2]
STAGES = stages_of(ARU)
SMALL = {
    "model": {"name": "shufflenet_v2_x0_5"},  # 1.4 MB of weights: the tests copy them often
    "data": {"resolution": 32, "forget": {"rows": 16}},
    "train": {"epochs": 2, "batch_size": 16},
    "attack": {"steps": 2, "batch_size": 4},
    "finetune": {"epochs": 2, "batch_size": 16},
    "evaluate": {"resamples": 100},
}


def write_params(root: Path, changes: dict) -> None:
    section = yaml.safe_load((CHECKOUT / "params.yaml").read_text())["faces"]
    for name in {*SMALL, *changes}:
        section[name] |= SMALL.get(name, {}) | changes.get(name, {})
    content = {"benchmarks": {"small": "data/small.zip"}, "small": section}
    (root / "params.yaml").write_text(yaml.safe_dump(content))
    shutil.copy(CHECKOUT / "thresholds.yaml", root)


def write_mucac(root: Path, task: str) -> None:
    """A project whose archive is a MUCAC folder of twelve images a set."""
    numbers = [base + person for base in (0, 190, 1250, 4855) for person in range(4) for _ in range(3)]
    mucac_folder(root / "data" / "mucac", mucac_files(numbers=numbers))
    content = yaml.safe_load((CHECKOUT / "params.yaml").read_text())["mucac"]
    for name, changes in SMALL.items():
        content[name] |= changes
    content["data"] |= {"task": task, "forget": {}}
    (root / "params.yaml").write_text(yaml.safe_dump({"benchmarks": {"mucac": "data/mucac"}, "mucac": content}))
    shutil.copy(CHECKOUT / "thresholds.yaml", root)


def digests(root: Path, *, report: bool = True) -> dict[str, str]:
    """Of all that the stages wrote, with the report's figures or not; costs differ between runs, and its page shows them."""
    files = [path for path in sorted((root / "work").rglob("*")) if path.is_file() and path.name != "cost.json"]
    return {
        path.relative_to(root).as_posix(): hashlib.md5(path.read_bytes()).hexdigest()
        for path in files
        if path.parts[-2] != "report" and (report or path.parts[-2] != "figures")
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A folder in which every stage has run once."""
    root = tmp_path_factory.mktemp("whole")
    mufac_archive(root / "data" / "small.zip", families=15)
    write_params(root, {})
    for stage in STAGES:
        run(stage, "small", root=root)
    return root


@pytest.fixture
def copy(whole, tmp_path) -> Path:
    shutil.copytree(whole, tmp_path / "copy")
    return tmp_path / "copy"


def test_every_stage_writes_what_dvc_declares(whole):
    declared = yaml.safe_load((CHECKOUT / "dvc.yaml").read_text())["stages"]
    for stage in STAGES:
        for out in declared_outs(declared[stage]["do"]):
            assert (whole / out.replace("${key}", "small")).exists(), out
    assert not list((whole / "work").rglob("*.tmp")) and not list((whole / "work").rglob("*.pt"))


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_killed_half_way_gives_the_same_bytes_when_it_runs_again(whole, copy, stage):
    shutil.rmtree(copy / "work" / "small" / FOLDERS[stage])
    child = os.fork()
    if child == 0:
        calls = []

        def kill_half_way(done: int, total: int, text: str) -> None:
            calls.append(done)
            if 2 * done >= total or stage == "report":
                os.kill(os.getpid(), signal.SIGKILL)

        run(stage, "small", root=copy, progress=kill_half_way)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if stage != "report":  # it has no progress to be killed at
        assert os.WIFSIGNALED(status), "the stage ended before it could be killed"
    run(stage, "small", root=copy)
    declared = yaml.safe_load((CHECKOUT / "dvc.yaml").read_text())["stages"]
    shown = {*declared_outs(declared[stage]["do"])} & {*declared["report"]["do"]["deps"]}
    # A stage whose results it shows removes it, and no other: the audit runs beside it. Attack and mask show by the history of
    # the fine-tune.
    with_report = not shown and stage not in ("attack", "mask")
    assert (copy / "work" / "small" / "report" / "report.html").exists() == with_report
    assert digests(copy, report=with_report) == digests(whole, report=with_report)


@pytest.mark.parametrize("protocol", ["official", "clean"])
def test_a_new_request_leaves_what_the_original_is_trained_on(whole, copy, protocol):
    prepared, found = copy / "work" / "small" / "prepared", []
    for forget in ({"rows": 20}, {"subjects": ["F0003/D", "F0005/M"]}):
        write_params(copy, {"data": {"resolution": 32, "protocol": protocol, "forget": forget}})
        run("prepare", "small", root=copy)
        trained, sets = load_training(prepared, "age"), load_sets(prepared, "age")
        assert trained.rows.tolist() == sets.train.rows.tolist() and torch.equal(trained.targets, sets.train.targets)
        found.append({name: digest for name, digest in digests(copy).items() if "prepared" in name})
    first, second = found
    assert first != second
    assert {name for name in first if first[name] == second[name]} == {
        "work/small/prepared/training.csv",
        "work/small/prepared/images.npy",
        "work/small/prepared/labels.json",
    }


@pytest.mark.parametrize("stage", ["train", "finetune", "retrain"])
def test_weights_that_a_user_brought_are_not_written_over(copy, stage):
    folder = copy / "work" / "small" / FOLDERS[stage]
    save_model(
        folder / "model.safetensors",
        build("shufflenet_v2_x0_5", 8, seed=9),
        name="shufflenet_v2_x0_5",
        outputs=8,
        resolution=32,
    )
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    write_params(copy, {"runtime": {"seed": 1}})
    with pytest.raises(
        InputError, match="was supplied by you: no stage wrote it.*`aru model import FILE --arch NAME --benchmark small`"
    ):
        run(stage, "small", root=copy)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def interrupted(root: Path, monkeypatch, place: str = "train, epoch 2") -> None:
    """Train until progress says `place`, with a checkpoint after each epoch."""

    def interrupt(done: int, total: int, text: str) -> None:
        if text.startswith(place):
            raise KeyboardInterrupt

    monkeypatch.setattr("aru.stages.resume.Checkpoint", partial(Checkpoint, every_seconds=0))
    with pytest.raises(KeyboardInterrupt):
        run("train", "small", root=root, progress=interrupt)


def epochs_of(root: Path) -> set[str]:
    """Train, and say which epochs that took."""
    texts: set[str] = set()
    run("train", "small", root=root, progress=lambda done, total, text: texts.add(text))
    return texts


@pytest.mark.parametrize(
    "edit, trained", [(False, {"train, epoch 2 of 2"}), (True, {"train, epoch 1 of 2", "train, epoch 2 of 2"})]
)
def test_a_training_that_other_code_began_is_not_continued(whole, copy, monkeypatch, edit, trained):
    interrupted(copy, monkeypatch)
    if edit:
        monkeypatch.setattr("aru.compute.keys.code_digest", lambda module: "edited")
    assert epochs_of(copy) == trained
    assert digests(copy, report=False) == digests(whole, report=False)


def test_a_checkpoint_stays_until_the_weights_are_safe(whole, copy, monkeypatch):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    left = copy / "work" / "small" / "checkpoints" / "train.pt"
    monkeypatch.setattr("aru.stages.resume.Checkpoint", partial(Checkpoint, every_seconds=0))
    with monkeypatch.context() as patch, pytest.raises(OSError):
        patch.setattr("aru.stages.fitting.write_model", full)
        run("train", "small", root=copy)
    assert left.exists()
    assert epochs_of(copy) == {"train, epoch 2 of 2"}
    assert digests(copy, report=False) == digests(whole, report=False) and not left.exists()


def test_what_a_killed_stage_left_is_cleared_when_it_runs_again(copy):
    work = copy / "work" / "small"
    left = [work / "prepared" / ".images.npy.17.tmp", work / "checkpoints" / ".train.pt.0123456789abcdef.tmp"]
    other = work / "checkpoints" / ".retrain.pt.0123456789abcdef.tmp"
    other.parent.mkdir(exist_ok=True)
    for path in [*left, other]:
        path.write_bytes(b"half")
    for stage in ("prepare", "train"):
        run(stage, "small", root=copy)
    assert not any(path.exists() for path in left) and other.exists()


def test_an_old_report_does_not_stay_beside_a_new_model(copy):
    report = copy / "work" / "small" / "report" / "report.html"
    with pytest.raises(TrainingError):
        write_params(copy, {"train": {"epochs": 1, "batch_size": 512, "lr": 1e30}})
        run("train", "small", root=copy)
    assert report.exists(), "what it is of is still there"
    write_params(copy, {"train": {"epochs": 1, "batch_size": 16}})
    run("train", "small", root=copy)
    assert not report.exists()


def test_a_stage_that_another_process_is_at_is_refused(copy):
    with locked_folder(copy / "work" / "small" / "mask"), pytest.raises(InputError, match="another process is writing .*mask"):
        run("mask", "small", root=copy)


def test_the_cost_of_a_resumed_stage_is_that_of_all_its_parts(copy, monkeypatch):
    interrupted(copy, monkeypatch)
    left = copy / "work" / "small" / "checkpoints" / "train.pt"
    torch.save(torch.load(left, weights_only=True) | {"spent": {"seconds": 1000.0, "cpu_seconds": 900.0}}, left)
    run("train", "small", root=copy)
    cost = read_json(copy / "work" / "small" / "original" / "cost.json")
    assert 1000 < cost["seconds"] < 1030
    assert cost["images_per_second"] == pytest.approx(cost["images"] / cost["seconds"], abs=0.06)


@pytest.mark.parametrize(
    "section, name, message", [("train", "lr", "small.train has changed since the stage began"), ("finetune", "lr", None)]
)
def test_parameters_edited_while_a_stage_runs_fail_it_where_it_depends_on_them(copy, section, name, message):
    shutil.copy(CHECKOUT / "dvc.yaml", copy)
    edited = []

    def edit(done: int, total: int, text: str) -> None:
        if not edited:
            edited.append(text)
            write_params(copy, {section: {name: 0.005}})

    if message is None:
        run("train", "small", root=copy, progress=edit)
        return
    with pytest.raises(InputError, match=message):
        run("train", "small", root=copy, progress=edit)


def test_data_rewritten_while_a_stage_runs_fails_it(copy):
    shutil.copy(CHECKOUT / "dvc.yaml", copy)
    rows = copy / "work" / "small" / "prepared" / "training.csv"
    with pytest.raises(InputError, match=r"work/small/prepared/training\.csv has changed since the stage began"):
        run("train", "small", root=copy, progress=lambda *call: rows.write_text(rows.read_text() + "\n"))


def test_code_edited_while_a_stage_runs_fails_it(copy):
    shutil.copytree(CHECKOUT / "aru", copy / "aru", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-c", EDITING]
    done = subprocess.run(
        command, cwd=copy, env={**os.environ, "PYTHONPATH": str(copy)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "aru/train/losses.py has changed since this process imported it" not in done.stderr
    assert "aru/train/losses.py has changed since the stage began: no result of stage mask is recorded" in done.stderr


EDITING = """
import sys
import aru.methods.aru.masking
from pathlib import Path
from aru.__main__ import main
plain = aru.methods.aru.masking.select
def edit(*arguments, **options):
    for name, line in (("train/losses", "X = 1"), ("core/seeds", "# a comment"), ("reporting/run/report", "X = 1")):
        path = Path("aru") / f"{name}.py"
        path.write_text(path.read_text() + f"{line}\\n")
    return plain(*arguments, **options)
aru.methods.aru.masking.select = edit
sys.exit(main(["mask", "small"]))
"""


def test_another_seed_gives_other_weights_and_the_same_data(whole, copy):
    write_params(copy, {"runtime": {"seed": 1}})
    for stage in ("prepare", "train", "attack"):
        run(stage, "small", root=copy)
    before, after = digests(whole), digests(copy)
    assert before["work/small/prepared/images.npy"] == after["work/small/prepared/images.npy"]
    assert before["work/small/original/model.safetensors"] != after["work/small/original/model.safetensors"]


def test_original_and_retrained_do_not_begin_alike(whole):
    models = [load_tensors(whole / "work" / "small" / name / "model.safetensors")[0] for name in ("original", "retrained")]
    assert not models[0]["conv1.0.weight"].equal(models[1]["conv1.0.weight"])


def test_the_method_ends_in_the_noise_the_mask_and_the_weights_of_the_stages(whole):
    config, work = load_config(whole / "params.yaml", "small"), whole / "work" / "small"
    given, seed = load_sets(work / "prepared", config.data.task), config.runtime.seed
    model, unlearned = (load_model(work / name / "model.safetensors") for name in ("original", "unlearned"))
    result = unlearn(model, given, AruConfig.of(config), seed=seed, compute=make_compute(config.runtime))
    assert torch.equal(result.noise, load_tensors(work / "noise" / "noise.safetensors")[0]["noise"])
    written, _ = load_tensors(work / "mask" / "mask.safetensors")
    assert written.keys() == {f"{kind}/{layer}" for layer in result.mask for kind in ("mask", "score")}
    assert all(torch.equal(part, written[f"mask/{layer}"]) for layer, part in result.mask.items())
    assert all(torch.equal(score, written[f"score/{layer}"]) for layer, score in result.scores.items())
    assert same_weights(result.model, unlearned)
    assert result.history == read_json(work / "unlearned" / "history.json")["epochs"]


def test_costs_name_the_stage_and_are_positive(whole):
    for stage in STAGES:
        path = whole / "work" / "small" / FOLDERS[stage] / "cost.json"
        if stage in ("prepare", "report"):
            assert not path.exists()
            continue
        cost = read_json(path)
        assert cost["stage"] == stage and cost["threads"] == 1 and cost["device"] == "cpu"
        assert cost["seconds"] > 0 and cost["images"] > 0 and cost["peak_memory_mib"] > 100
        before = [read_json(whole / "work" / "small" / folder / "cost.json") for folder in ("noise", "mask")]
        assert cost.get("before", []) == (before if stage == "finetune" else [])


def test_the_noise_is_within_eps_and_masks_cover_half_of_every_layer(whole):
    noise = load_tensors(whole / "work" / "small" / "noise" / "noise.safetensors")[0]["noise"]
    assert tuple(noise.shape) == (16, 3, 32, 32) and 0 < noise.abs().max() <= 8 / 255
    layers = read_json(whole / "work" / "small" / "mask" / "mask.json")["layers"]
    assert len(layers) == 56 and all(part["reset"] == (part["units"] + 1) // 2 for part in layers.values())


def diverged(path: Path) -> None:
    """Make one weight of a model not finite."""
    with safe_open(path, "pt") as file:
        meta = json.loads(file.metadata()["aru"])
    tensors, _ = load_tensors(path)
    tensors["fc.bias"][0] = float("nan")
    save_tensors(path, tensors, meta)


BAD = {
    "a diverged original": (
        "mask",
        lambda work: diverged(work / "original" / "model.safetensors"),
        r"original/model\.safetensors holds weights that are not finite \(fc\.bias\).*train\.lr",
    ),
    "missing archive": ("prepare", lambda work: (work.parents[1] / "data" / "small.zip").unlink(), "small.zip does not exist"),
    "missing model": (
        "attack",
        lambda work: (work / "original" / "model.safetensors").unlink(),
        "run the stage that writes it",
    ),
    "a pickle": (
        "attack",
        lambda work: (work / "original" / "model.safetensors").write_bytes(b"\x80\x04."),
        "not a safetensors file",
    ),
    "noise of another size": (
        "mask",
        lambda work: save_tensors(work / "noise" / "noise.safetensors", {}),
        "run the stage 'attack'",
    ),
    "cut images": ("train", lambda work: (work / "prepared" / "images.npy").write_bytes(b"\x93NUMPY"), "'prepare' again"),
    "cut metrics": ("report", lambda work: (work / "evaluation" / "metrics.json").write_text("{"), "is not JSON"),
}


@pytest.mark.parametrize("stage, spoil, message", BAD.values(), ids=BAD.keys())
def test_spoilt_inputs_are_named_and_outputs_kept(copy, stage, spoil, message):
    work = copy / "work" / "small"
    spoil(work)
    before = digests(copy)
    with pytest.raises(InputError, match=message):
        run(stage, "small", root=copy)
    assert digests(copy) == before, "nothing is lost"


@pytest.mark.parametrize(
    "stage, benchmark, changes, message",
    [
        ("trian", "small", {}, "unknown stage 'trian'"),
        ("train", "smal", {}, "did you mean 'small'"),
        ("attack", "small", {"model": {"name": "resnet18"}}, "holds a 'shufflenet_v2_x0_5', model.name is 'resnet18'"),
        ("attack", "small", {"attack": {"eps": -1}}, r"attack.eps = -1"),
        ("train", "small", {"train": {"epochs": 2, "batch_size": 16, "lr": 1e30}}, r"original model: train.*lower train\.lr"),
        (
            "retrain",
            "small",
            {"train": {"epochs": 1, "batch_size": 512, "lr": 1e30}},
            r"retrained model: retrain.*lower train\.lr",
        ),
        (
            "finetune",
            "small",
            {"finetune": {"epochs": 1, "batch_size": 512, "lr": 1e30}},
            r"unlearned model: fine-tune.*lower finetune\.lr",
        ),
        ("prepare", "small", {"model": {"name": "alexnet"}}, "alexnet cannot be used at 32 px: stage train fails"),
        ("retrain", "small", {"model": {"name": "alexnet"}}, "alexnet cannot be used at 32 px: stage train fails"),
        ("prepare", "small", {"data": {"forget": {"rows": 5000}}}, "nothing is left to retain"),
        ("train", "small", {"runtime": {"device": "cuda:0"}}, "CUDA is not available"),
    ],
)
def test_bad_parameters_are_named_before_anything_is_written(copy, stage, benchmark, changes, message):
    if "device" in changes.get("runtime", {}) and torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    write_params(copy, changes)
    before = digests(copy)
    with pytest.raises((InputError, RuntimeError), match=message):
        run(stage, benchmark, root=copy)
    assert digests(copy) == before


def test_another_method_unlearns_in_one_stage_and_begins_anew_after_a_kill(whole, copy):
    path = copy / "params.yaml"
    content = yaml.safe_load(path.read_text())
    content["small"] |= {"method": "finetune", "unlearn": {"finetune": {"epochs": 1, "batch_size": 16}}}
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(InputError, match="stage 'attack' does not belong to method 'finetune' of small"):
        run("attack", "small", root=copy)
    unlearned, before = copy / "work" / "small" / "unlearned", digests(copy)

    def kill(done: int, total: int, text: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run("unlearn", "small", root=copy, progress=kill)
    assert digests(copy) == before
    for stage in ("unlearn", "evaluate", "audit", "report"):
        run(stage, "small", root=copy)
    made, cost = (read_json(unlearned / name) for name in ("history.json", "cost.json"))
    assert made["method"] == "finetune" and made["parameters"]["batch_size"] == 16 and made["epochs"] == []
    assert cost["stage"] == "unlearn" and cost["seconds"] > 0 and cost["images"] is None
    weights = [load_tensors(root / "work" / "small" / "unlearned" / "model.safetensors")[0] for root in (whole, copy)]
    assert not weights[0]["fc.weight"].equal(weights[1]["fc.weight"])
    assert read_json(copy / "work" / "small" / "audit" / "audit.json")["made_from"]["method"] == "finetune"
    assert "Unlearned by finetune" in (copy / "work" / "small" / "audit" / "audit.html").read_text()
    assert "finetune" in (copy / "work" / "small" / "report" / "report.html").read_text()
    first = digests(copy)
    run("unlearn", "small", root=copy)
    assert {name: digest for name, digest in digests(copy).items() if "unlearned" in name} == {
        name: digest for name, digest in first.items() if "unlearned" in name
    }


def test_the_dry_pass_is_of_the_method_that_will_run(copy):
    path = copy / "params.yaml"
    content = yaml.safe_load(path.read_text())
    content["small"] |= {"method": "kde"}
    path.write_text(yaml.safe_dump(content))
    check_network(load_config(path, "small"), make_compute(load_config(path, "small").runtime))
    with pytest.MonkeyPatch.context() as patch, pytest.raises(InputError, match="stage unlearn fails on one batch of it"):
        patch.setattr("aru.stages.dry_pass.chosen", lambda config: (SimpleNamespace(function=_cannot), None))
        check_network(load_config(path, "small"), make_compute(load_config(path, "small").runtime))


def _cannot(*_: object, **__: object) -> None:
    raise RuntimeError("no such layer")


def test_the_clean_protocol_runs_to_the_end(copy):
    write_params(copy, {"data": {"resolution": 32, "forget": {"draw": 5}, "protocol": "clean"}})
    for stage in STAGES:
        run(stage, "small", root=copy)
    assert read_json(copy / "work" / "small" / "evaluation" / "metrics.json")["protocol"] == "clean"


@pytest.mark.parametrize("task, outputs", [("multilabel", 3), ("smiling", 2)])
def test_mucac_runs_to_the_end(tmp_path, task, outputs):
    write_mucac(tmp_path, task)
    for stage in STAGES:
        run(stage, "mucac", root=tmp_path)
    metrics = read_json(tmp_path / "work" / "mucac" / "evaluation" / "metrics.json")
    assert metrics["counts"] == {"forget": 12, "retain": 12, "test": 12, "unseen": 12}
    assert 0 <= metrics["models"]["unlearned"]["test/accuracy"] <= 1 and metrics["task"] == task
    logits = load_tensors(tmp_path / "work" / "mucac" / "evaluation" / "predictions.safetensors")[0]["original/logits"]
    assert logits.shape == (48, outputs)
