"""`aru model import`: what is refused before anything is written, what is written, and the way back."""

import pickle
import shutil
from pathlib import Path

import pytest
import torch
import yaml

from aru.core.errors import InputError
from aru.nets.models import build
from aru.nets.weights_file import fill
from flows.project.model_import import import_model, remove_model
from tests.helpers.archives import mufac_archive
from tests.helpers.project import shell
from tests.stages.test_stages import write_params

NAME = "shufflenet_v2_x0_5"


class Code:
    def __reduce__(self):
        return (print, ("code of the file was run",))


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("own")
    mufac_archive(root / "data" / "small.zip", families=15)
    write_params(root, {})
    content = yaml.safe_load((root / "params.yaml").read_text()) | {"methods": {"aru": {"small": "aru"}, "peers": {}}}
    (root / "params.yaml").write_text(yaml.safe_dump(content))
    checkout = Path(__file__).resolve().parents[3]
    (root / "dvc.yaml").write_text((checkout / "dvc.yaml").read_text().replace("      - aru\n", "      - params.yaml\n"))
    shutil.copy(checkout / "suppression.jsonl", root)
    shell(root, "git", "init", "-q")
    shell(root, "dvc", "init", "-q")
    (root / ".dvc" / "config").write_text((checkout / ".dvc" / "config").read_text())
    return root


def test_bad_files_are_refused_and_nothing_is_written(project, tmp_path, capsys):
    before = (project / "params.yaml").read_bytes()
    whole = tmp_path / "whole.pt"
    torch.save(build(NAME, 8, resolution=32).state_dict(), whole)
    torch.save({"state_dict": {}, "made_by": Code()}, tmp_path / "more.pt")
    middle = len(whole.read_bytes()) // 2
    bad = {
        "code.pt": (pickle.dumps(Code()), "is no file of torch.save, or a part of one"),
        "more.pt": ((tmp_path / "more.pt").read_bytes(), "holds more than tensors: print;"),
        "cut.pt": (whole.read_bytes()[:-2000], "is no file of torch.save, or a part of one"),
        "flipped.pt": (whole.read_bytes()[:middle] + b"flipped" + whole.read_bytes()[middle + 7 :], "is damaged"),
        "cut.safetensors": (b"\x08\x00\x00", ""),
    }
    for name, (content, message) in bad.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=f"{name}.*{message}"):
            import_model(project, tmp_path / name, NAME, "small")
    with pytest.raises(InputError, match="1000 classes"):
        torch.save(build(NAME, 1000, resolution=32).state_dict(), tmp_path / "many.pt")
        import_model(project, tmp_path / "many.pt", NAME, "small")
    with pytest.raises(InputError, match="belongs to another model"):
        import_model(project, whole, "squeezenet1_1", "small")
    with pytest.raises(InputError, match="(?s)no better than chance.*nothing was imported"):
        import_model(project, whole, NAME, "small")
    with pytest.raises(InputError, match=r"data\.resolution changes the photos: set it in params\.yaml before"):
        import_model(project, whole, NAME, "small", settings=[("data.resolution", 64)], anyway=True)
    assert (project / "params.yaml").read_bytes() == before and not (project / "models").exists()
    assert "code of the file" not in capsys.readouterr().out


def test_an_import_is_tracked_and_can_be_undone(project, tmp_path):
    before = (project / "params.yaml").read_bytes()
    torch.save(
        {"state_dict": {f"module.{k}": v for k, v in build(NAME, 8, resolution=32).state_dict().items()}}, tmp_path / "w.pt"
    )
    done = import_model(project, tmp_path / "w.pt", NAME, "small", settings=[("model.mean", [0.5])], anyway=True)
    model = yaml.safe_load((project / "params.yaml").read_text())["small"]["model"]
    assert (project / done.tracked_by).is_file() and "remote: store" in (project / done.tracked_by).read_text()
    assert model["original"] == "models/small.safetensors" and model["mean"] == [0.5]
    assert any("'module.'" in note for note in done.notes) and any(note.startswith("retain, ") for note in done.notes)
    remove_model(project, "small")
    after = yaml.safe_load((project / "params.yaml").read_text())["small"]
    assert after["model"] == {"name": NAME, "mean": [0.5]} and after["evaluate"]["retrained"]
    assert yaml.safe_load(before)["small"]["train"] == after["train"]


def test_prefixes_of_networks_that_have_them_stay():
    model = torch.nn.Sequential()
    model.add_module("model", torch.nn.Linear(2, 2))
    assert fill(model, dict(model.state_dict()), where="x") == []
