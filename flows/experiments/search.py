"""The search for a method's parameters through Optuna's ask-and-tell interface.

The sampler is seeded and gets the same scores in the same order, so that a search that was cut off asks for the same
parameters again, and finds its results in the comparison's store.
"""

from collections.abc import Mapping
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import Trial as Asked
from optuna.trial import create_trial

from aru.comparison.choices import changed_choice, nested, parse_choice
from aru.comparison.spaces import Choices, Int, Range, Space, published, space_of
from aru.comparison.trials import WORST, Outcome, Setting
from aru.comparison.tuning import Trial
from aru.compute.keys import digest
from aru.core.config import Config, Section

_RANDOM_TRIALS = 4
"""Trials drawn at random before the sampler (tree-structured Parzen estimator, Bergstra et al. 2011) learns from them."""


class Search:
    """One method's trials, each asked for after the one before was reported.

    The first trials are the defaults and every other published setting as they are; a search has these at least. Where the
    defaults lie outside the space (many are longer than the cap allows), the next trial is the point of the space nearest to
    them. A trial without a score counts as the worst, so that the search turns away.
    """

    def __init__(self, method: str, setting: Setting, config: Config) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        space = space_of(method, config)
        self.method, self.setting = method, setting
        self.trials: list[Trial] = []
        self._ranges = {name: _distribution(range_) for name, range_ in space.items()}
        self._published = published(method, config)
        self._points = [_point(method, config, change, space) for change in self._published]
        defaults = _values(parse_choice(method, config).parameters, space)
        self._start = {name: _nearest(range_, defaults[name]) for name, range_ in space.items()}
        self._asked: Asked | None = None
        seed = int(digest([setting.seed, method])[:8], 16)
        sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=_RANDOM_TRIALS)
        self._study = optuna.create_study(direction="maximize", sampler=sampler)

    @property
    def done(self) -> bool:
        """Whether it had all its trials."""
        return len(self.trials) >= max(self.setting.trials, len(self._published))

    @property
    def at_published(self) -> bool:
        """Whether the trial that was asked for, or is next, is a published setting: no cap ends it."""
        return len(self.trials) < len(self._published)

    def ask(self) -> dict[str, Any]:
        """The dotted parameters of the next trial, or the preset that it is; none for the first."""
        number = len(self.trials)
        if self.at_published:
            return dict(self._published[number])
        if number == len(self._published) and self._points[0] is None:
            self._study.enqueue_trial(self._start)
        self._asked = self._study.ask(self._ranges)
        return {name: self._asked.params[name] for name in sorted(self._ranges)}

    def tell(self, outcome: Outcome) -> Trial:
        """What came of the parameters that were asked for last."""
        score = WORST if outcome.score is None else outcome.score
        if self._asked is not None:
            parameters = {name: self._asked.params[name] for name in sorted(self._ranges)}
            self._study.tell(self._asked, score)
        else:
            parameters, point = dict(self._published[len(self.trials)]), self._points[len(self.trials)]
            if point is not None:
                self._study.add_trial(create_trial(params=point, distributions=self._ranges, value=score))
        self.trials.append(Trial(parameters, outcome))
        return self.trials[-1]


def _distribution(range_: Range) -> BaseDistribution:
    if isinstance(range_, Choices):
        return CategoricalDistribution(range_.values)
    if isinstance(range_, Int):
        return IntDistribution(range_.low, range_.high, log=range_.log)
    return FloatDistribution(range_.low, range_.high, log=range_.log)


def _point(method: str, config: Config, change: Mapping[str, Any], space: Space) -> dict[str, Any] | None:
    """The point of the space that a published setting is; None where it is none: beyond a bound, or apart in what is fixed."""
    parameters = changed_choice(method, config, change, "").parameters
    values = _values(parameters, space)
    inside = all(range_.holds(values[name]) for name, range_ in space.items())
    return values if inside and changed_choice(method, config, nested(values), "").parameters == parameters else None


def _values(parameters: Section, space: Space) -> dict[str, Any]:
    """The values of the parameters of the space."""
    values = parameters.model_dump(mode="json")
    found = {}
    for name in space:
        value: Any = values
        for part in name.split("."):
            value = value[part]
        found[name] = value
    return found


def _nearest(range_: Range, value: Any) -> Any:
    """The value itself where it is in the range, else the nearest bound or the first choice."""
    if range_.holds(value):
        return value
    return range_.values[0] if isinstance(range_, Choices) else min(max(value, range_.low), range_.high)
