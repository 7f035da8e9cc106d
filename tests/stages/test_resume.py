"""What a checkpoint of a stage is good for."""

from pathlib import Path

from aru.compute.device import make_compute
from aru.core.config import parse_config
from aru.core.progress import silent
from aru.core.stopwatch import Stopwatch
from aru.data.classes import FIXED, write_classes
from aru.stages.job import Job
from aru.stages.resume import checkpoint_of


def test_a_class_more_that_no_training_photo_has_ends_what_a_checkpoint_is_good_for(tmp_path: Path) -> None:
    """It is in labels.json alone, and the classifier has an output more."""
    config = parse_config({"data": {"layout": "mufac"}, "runtime": {"device": "cpu"}}, where="params.yaml")
    job = Job("toy", tmp_path, tmp_path / "toy.zip", config, make_compute(config.runtime), silent, Stopwatch())

    def key() -> str:
        return checkpoint_of(job, "train", config.train, inputs=[]).key

    (tmp_path / "prepared").mkdir()
    write_classes(tmp_path / "prepared", FIXED)
    before = key()
    assert key() == before
    write_classes(tmp_path / "prepared", {**FIXED, "age": (*FIXED["age"], "81-99")})
    assert key() != before
