"""Where an interrupted training goes on."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch

from aru.core.errors import InputError
from aru.core.files import atomic_path
from aru.core.stopwatch import Stopwatch
from aru.train.history import History


class Stateful(Protocol):
    """A model, an optimizer or a schedule: what has a state and takes one."""

    def state_dict(self) -> dict[str, Any]:
        """Its state."""

    def load_state_dict(self, state_dict: dict[str, Any], /) -> Any:
        """Take a state."""


class Checkpoint:
    """The state of a training after its last saved epoch; `key` ties it to inputs, parameters and code.

    `clock` runs for the whole piece of work that the training is part of; it counts what earlier processes spent up to the
    point from which this one goes on. What they did after that point was lost and is not counted: the cost is that of
    a training that nobody interrupted. The caller that stores the weights removes the checkpoint once they are safe, not
    before.
    """

    def __init__(self, path: Path, key: str, *, clock: Stopwatch | None = None, every_seconds: float = 20.0) -> None:
        self.path, self.key, self.every_seconds = Path(path), key, every_seconds
        self.clock = clock or Stopwatch()
        self._saved = time.monotonic()

    def restore(self, parts: Mapping[str, Stateful], generator: torch.Generator) -> History:
        """Fill the parts in and return the history so far; one of other inputs, parameters or code is not used."""
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
        history: History = content["history"]
        return history

    def save(self, parts: Mapping[str, Stateful], generator: torch.Generator, history: History) -> None:
        """Write the state, but not more often than every `every_seconds`."""
        if time.monotonic() - self._saved < self.every_seconds:
            return
        content: dict[str, object] = {name: part.state_dict() for name, part in parts.items()}
        content |= {"key": self.key, "generator": generator.get_state(), "history": history, "spent": self.clock.spent()}
        with atomic_path(self.path) as temporary:
            torch.save(content, temporary)
        self._saved = time.monotonic()

    def remove(self) -> None:
        """Remove the file, once what it led to is stored."""
        self.path.unlink(missing_ok=True)
