"""Which model is audited, and what is known of how it came to be."""

from dataclasses import dataclass
from pathlib import Path

from aru.config import Config


@dataclass(frozen=True)
class Subject:
    """name: what the model is called. method: what made it, as `aru.methods` names it, where that is known.

    config, work: the benchmark's parameters and folder, with the shadow models. interclass: whether the test of that name is
    to be made, which takes two trainings.
    """

    name: str
    benchmark: str
    config: Config
    work: Path
    method: str | None = None
    interclass: bool = False
