"""Where an interrupted training goes on."""

import time
from pathlib import Path

import torch

from aru.core.errors import InputError
from aru.core.files import atomic_path
from aru.core.stopwatch import Stopwatch


class Checkpoint:
    """The state of a training after its last saved epoch; `key` ties it to inputs, parameters and code.

    `clock` runs for the whole piece of work that the training is part of; it is told what earlier processes spent up to the
    point from which this one goes on. What they did after that point was lost and is not counted: the cost is that of
    a training that nobody interrupted. Whoever keeps the weights removes the checkpoint once they are safe, not before.
    """

    def __init__(self, path: Path, key: str, *, clock: Stopwatch | None = None, every_seconds: float = 20.0) -> None:
        self.path, self.key, self.every_seconds = Path(path), key, every_seconds
        self.clock = clock or Stopwatch()
        self._saved = time.monotonic()

    def restore(self, parts: dict, generator: torch.Generator) -> list[dict[str, float]]:
        """Fill the parts in and return the history so far; a checkpoint of other inputs, parameters or code is not used."""
        if not self.path.is_file():
            return []
        try:
            content = torch.load(self.path, map_location="cpu", weights_only=True)
        except Exception as error:  # a damaged file fails in many ways; each means the same: begin anew
            raise InputError(f"{self.path} cannot be read ({error}): remove it to begin anew") from error
        if content["key"] != self.key:
            return []
        for name, part in parts.items():
            part.load_state_dict(content[name])
        generator.set_state(content["generator"])
        self.clock.add(content["spent"])
        return content["history"]

    def save(self, parts: dict, generator: torch.Generator, history: list[dict[str, float]]) -> None:
        """Write the state, but not more often than every `every_seconds`."""
        if time.monotonic() - self._saved < self.every_seconds:
            return
        content = {name: part.state_dict() for name, part in parts.items()}
        content |= {"key": self.key, "generator": generator.get_state(), "history": history, "spent": self.clock.spent()}
        with atomic_path(self.path) as temporary:
            torch.save(content, temporary)
        self._saved = time.monotonic()

    def remove(self) -> None:
        """Forget the checkpoint: what it led to is kept."""
        self.path.unlink(missing_ok=True)
