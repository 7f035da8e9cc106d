"""The jobs that build a pool of shadow models and unlearn them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aru.comparison.choices import REFERENCES, Choice, parse_choices
from aru.comparison.draws import Draw, Protocol, draws_of
from aru.comparison.job_files import job_files
from aru.compute.device import make_compute
from aru.compute.jobs import Job
from aru.core.config import Config
from aru.shadows.halves import check_models
from aru.shadows.pool import Shadow, check_weights, drop_weights, open_pool, shadows_of
from aru.shadows.population import load_population
from aru.shadows.status import Entry, estimate_seconds, status, to_build
from aru.shadows.unlearn_requests import load_request
from aru.shadows.unlearned import answers_key, not_unlearned, open_answers


@dataclass(frozen=True)
class PoolRequest:
    """What a benchmark's pool shall contain.

    models: how many, an even number. unlearn: methods as `parse_choices` takes them. draws: how many draws; the models are
    unlearned for the forget people of each of them separately. restore_weights: train models again whose weights were dropped.
    """

    models: int = 16
    protocol: Protocol = "official"
    unlearn: str = ""
    draws: int = 1
    restore_weights: bool = False

    def __post_init__(self) -> None:
        check_models(self.models)


class Build:
    """The jobs that a request needs. Raises InputError, before work starts, for a request that cannot be met."""

    def __init__(self, request: PoolRequest, config: Config, work: Path) -> None:
        self.request, self.config, self.work = request, config, Path(work)
        self.draws, self.choices = draws_of(request.protocol, request.draws), _choices(request, config)
        self.compute, self.store = make_compute(config.runtime), open_pool(self.work)
        self.population = load_population(self.work / "prepared", request.protocol, config)
        self.shadows = shadows_of(self.population, config, self.compute, request.models)
        entries = self.entries()
        dropped = {entry.shadow.number for entry in entries if entry.state == "weights dropped"}
        for _, _, shadow in self._not_unlearned():
            if shadow.number in dropped and not request.restore_weights:
                check_weights(shadow, self.work)

    def entries(self) -> list[Entry]:
        """The state of every shadow now."""
        return status(self.shadows, self.store, self.population.scored)

    def trainings(self) -> list[Job]:
        """The jobs that train what is missing or stale."""
        return [
            Job(
                shadow.key,
                f"shadow {shadow.number}",
                "aru.shadows.pool:train_shadow",
                (shadow, self.config),
                work=self.work,
                files=job_files(self.config, self.work, [self.store.at(shadow.key)], models=self._init()),
            )
            for shadow in to_build(self.entries(), restore=self.request.restore_weights)
        ]

    def seconds(self) -> float:
        """The estimated time of the trainings with one worker."""
        missing = to_build(self.entries(), restore=self.request.restore_weights)
        return estimate_seconds(missing, self.config, self.work, self.store, self.compute)

    def unlearnings(self) -> list[Job]:
        """The jobs that unlearn the shadows that saw the people, once these are trained."""
        unlearned = self._not_unlearned()
        requests = {draw: load_request(draw, self.config, self.work / "prepared") for _, draw, _ in unlearned}
        return [
            Job(
                f"{shadow.key} {choice} {draw}",
                f"{choice.method} ({choice.variant}), draw {draw.number}, shadow {shadow.number}",
                "aru.shadows.unlearned:unlearn_shadow",
                (shadow, draw, choice, self.config),
                work=self.work,
                files=job_files(
                    self.config,
                    self.work,
                    [open_answers(self.work).at(answers_key(shadow, requests[draw], choice))],
                    models=[self.store.at(shadow.key)],
                    choices=[choice],
                ),
            )
            for choice, draw, shadow in unlearned
        ]

    def drop_weights(self) -> str:
        """Remove the weights of all these shadows, unless some are still to be unlearned; says which it was."""
        waiting = len(self._not_unlearned())
        if waiting:
            return f"the weights stay: {waiting} models are still to be unlearned, for which the same command again needs them"
        for shadow in self.shadows:
            drop_weights(self.store, shadow.key)
        return "the weights are dropped"

    def _init(self) -> list[Path]:
        """The file of weights that trainings start from, where there is one."""
        init = self.config.model.init
        return [self.work.parents[1] / init] if init else []

    def _not_unlearned(self) -> list[tuple[Choice, Draw, Shadow]]:
        return [
            (choice, draw, shadow)
            for choice in self.choices
            for draw in self.draws
            for shadow in not_unlearned(self.shadows, draw, choice, self.config, self.work)
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


def _choices(request: PoolRequest, config: Config) -> list[Choice]:
    """The methods to unlearn with; the original and the retrained model are in the pool already."""
    found = parse_choices(request.unlearn, config) if request.unlearn else []
    return [choice for choice in found if choice.method not in REFERENCES]
