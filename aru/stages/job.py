"""One stage at work: where its files are and what it may use."""

from dataclasses import dataclass
from pathlib import Path

from aru.compute.device import Compute
from aru.compute.distributed import ALONE, Group
from aru.core.config import Config
from aru.core.progress import Progress
from aru.core.stopwatch import Stopwatch


@dataclass(frozen=True)
class Job:
    """What every stage function is given; `work` is the benchmark's folder of outputs, `clock` runs for the whole stage.

    Of a `group` of processes the first alone writes.
    """

    benchmark: str
    work: Path
    archive: Path
    config: Config
    compute: Compute
    progress: Progress
    clock: Stopwatch
    group: Group = ALONE
