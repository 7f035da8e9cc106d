"""What the jobs of comparisons, tuning and shadow pools need of a project's folder, and what they leave in it."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from aru.comparison.choices import Choice
from aru.compute.jobs import JobFiles
from aru.core.config import Config
from aru.data.classes import LABELS_FILE
from aru.methods.registry import find
from aru.nets.own_code_files import own_code_files


def job_files(
    config: Config,
    work: Path,
    outputs: Iterable[Path],
    *,
    models: Iterable[Path] = (),
    choices: Sequence[Choice] = (),
    variant: str = "",
) -> JobFiles:
    """The files of a job on the prepared images of `work` (work/BENCHMARK).

    outputs: the folders of its results; models: those of results that it reads; choices: the methods that it runs.
    """
    root = Path(work).parents[1]
    prepared = [Path(work) / "prepared" / name for name in ("images.npy", "manifest.csv", LABELS_FILE)]
    return JobFiles(
        inputs=tuple(path.relative_to(root).as_posix() for path in (*prepared, *models)),
        outputs=tuple(dict.fromkeys(path.relative_to(root).as_posix() for path in outputs)),
        runtime=config.runtime,
        own_code=own_code_files(config.model.name, root),
        code=tuple(sorted({find(choice.method).function.__module__ for choice in choices})),
        variant=variant,
    )
