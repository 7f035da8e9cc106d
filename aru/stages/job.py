"""One stage at work: where its files are and what it may use."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from aru.compute import Compute
from aru.config import Config
from aru.files import md5
from aru.progress import Progress


@dataclass(frozen=True)
class Job:
    """What every stage function is given; `work` is the benchmark's folder of outputs."""

    benchmark: str
    work: Path
    archive: Path
    config: Config
    compute: Compute
    progress: Progress

    def key(self, *inputs: Path) -> str:
        """A digest of all parameters, the machine's arithmetic and these input files."""
        content = [self.config.model_dump(mode="json"), str(self.compute), [md5(path) for path in inputs]]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
