"""Which model is audited, and what is known of how it came to be."""

from dataclasses import dataclass
from pathlib import Path

from aru.comparison.draws import Draw
from aru.core.config import Config


@dataclass(frozen=True)
class AuditedModel:
    """name: what the model is called. method: what made it, as `aru.methods` names it, where that is known.

    config, work: the benchmark's parameters and folder, with the shadow models. interclass: whether the test of that name is
    to be made, which takes two trainings. draw: the forget draw of the model, where it is not the first of the benchmark's
    own protocol.
    """

    name: str
    benchmark: str
    config: Config
    work: Path
    method: str | None = None
    interclass: bool = False
    draw: Draw | None = None

    @property
    def request(self) -> Draw:
        """The draw that shadow models are asked about."""
        return self.draw or Draw(self.config.data.protocol)
