"""What building a pool takes, as calls that any runner can make in processes of its own."""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aru.comparison.choices import REFERENCES, Choice, parse_choices
from aru.comparison.draws import Protocol, draws_of
from aru.compute.device import make_compute
from aru.core.config import Config
from aru.core.progress import Progress, silent
from aru.shadows.halves import check_models
from aru.shadows.pool import check_weights, drop_weights, open_pool, shadows_of
from aru.shadows.population import load_population
from aru.shadows.status import Entry, estimate_seconds, status, to_build
from aru.shadows.unlearned import pending


@dataclass(frozen=True)
class Asked:
    """What is asked of a benchmark's pool.

    models: how many, an even number. unlearn: methods as `parse_choices` takes them; draws: the requests of the first so
    many draws, one by one. restore_weights: train models again whose weights were dropped.
    """

    models: int = 16
    protocol: Protocol = "official"
    unlearn: str = ""
    draws: int = 1
    restore_weights: bool = False

    def __post_init__(self) -> None:
        check_models(self.models)


@dataclass(frozen=True)
class Call:
    """A call of `function` (``"package.module:name"``) that leaves files; it takes a `progress`, too."""

    key: str
    label: str
    function: str
    arguments: tuple[Any, ...]

    def make(self, progress: Progress = silent) -> None:
        """Call it here."""
        module, _, name = self.function.partition(":")
        getattr(importlib.import_module(module), name)(*self.arguments, progress=progress)


class Build:
    """The calls that bring about what is asked; what can be wrong with it is an InputError here, before work starts."""

    def __init__(self, asked: Asked, config: Config, work: Path) -> None:
        self.asked, self.config, self.work = asked, config, Path(work)
        self.draws, self.choices = draws_of(asked.protocol, asked.draws), _choices(asked, config)
        self.compute, self.store = make_compute(config.runtime), open_pool(self.work)
        self.population = load_population(self.work / "prepared", asked.protocol, config)
        self.shadows = shadows_of(self.population, config, self.compute, asked.models)
        entries = self.entries()
        dropped = {entry.shadow.number for entry in entries if entry.state == "weights dropped"}
        for _, _, shadow in self._pending():
            if shadow.number in dropped and not asked.restore_weights:
                check_weights(shadow, self.work)

    def entries(self) -> list[Entry]:
        """The state of every shadow now."""
        return status(self.shadows, self.store, self.population.scored)

    def trainings(self) -> list[Call]:
        """The calls that train what is missing or stale."""
        return [
            Call(shadow.key, f"shadow {shadow.number}", "aru.shadows.pool:train_shadow", (shadow, self.config, self.work))
            for shadow in to_build(self.entries(), restore=self.asked.restore_weights)
        ]

    def seconds(self) -> float:
        """About how long the trainings take, one worker busy."""
        missing = to_build(self.entries(), restore=self.asked.restore_weights)
        return estimate_seconds(missing, self.config, self.work, self.store, self.compute)

    def unlearnings(self) -> list[Call]:
        """The calls that unlearn the shadows that saw the people, once these are trained."""
        return [
            Call(
                f"{shadow.key} {choice} {draw}",
                f"{choice.method} ({choice.variant}), draw {draw.number}, shadow {shadow.number}",
                "aru.shadows.unlearned:unlearn_shadow",
                (shadow, draw, choice, self.config, self.work),
            )
            for choice, draw, shadow in self._pending()
        ]

    def drop_weights(self) -> None:
        """Remove the weights of all these shadows."""
        for shadow in self.shadows:
            drop_weights(self.store, shadow.key)

    def _pending(self) -> list[tuple[Any, ...]]:
        return [
            (choice, draw, shadow)
            for choice in self.choices
            for draw in self.draws
            for shadow in pending(self.shadows, draw, choice, self.config, self.work)
        ]


COLUMNS = ("Model", "Key", "People", "Photos", "State", "Because")


def table(entries: Sequence[Entry]) -> list[tuple[str, ...]]:
    """The `COLUMNS` of each shadow, as text."""
    return [
        (
            str(entry.shadow.number),
            entry.shadow.key[:12],
            str(int(entry.shadow.sees.sum())),
            str(len(entry.shadow.positions)),
            entry.state,
            ", ".join(entry.because),
        )
        for entry in entries
    ]


def _choices(asked: Asked, config: Config) -> list[Choice]:
    """The methods to unlearn with; the original and the retrained model are in the pool already."""
    found = parse_choices(asked.unlearn, config) if asked.unlearn else []
    return [choice for choice in found if choice.method not in REFERENCES]
