"""What an unlearning method is to its callers: a name, parameters, a function, and the sets it reads."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from pydantic import ValidationError
from torch import nn

from aru.compute.device import Compute
from aru.core.config import Section
from aru.core.errors import InputError
from aru.core.names import SetName
from aru.core.progress import Progress, silent
from aru.core.suggestions import did_you_mean
from aru.data.images import Sets
from aru.nets.fresh import fresh


class Unlearn(Protocol):
    """The one signature of all methods."""

    def __call__(
        self, model: nn.Module, sets: Sets, config: Any, *, seed: int, compute: Compute, progress: Progress = silent
    ) -> nn.Module:
        """A new model in evaluation mode on the compute's device; `model` is not changed by a bit.

        Everything random comes from `seed`. Raises InputError for sets or parameters that the method cannot take,
        TrainingError for a loss that is not finite.
        """
        ...


Option = Literal["fresh", "heads", "loss"]
"""What `aru.unlearn` hands to some methods only."""


@dataclass(frozen=True)
class Method:
    """One entry of the registry; the first preset is the default."""

    name: str
    config: type[Section]
    function: Unlearn
    needs: tuple[SetName, ...]  # of forget and retain, those whose images are read; no method reads test or unseen
    source: str
    presets: Mapping[str, Section]
    multilabel: bool = True
    deterministic: bool = False  # by nature: the seed makes no difference
    check: Callable[[nn.Module, Any], object] | None = None  # InputError for a network that it cannot unlearn
    cannot: str = ""  # what `check` refuses, in words
    accepts: tuple[Option, ...] = ()  # fresh: it draws weights anew; heads: it resets units; loss: `function` has `task`

    def configure(self, preset: str | None = None, **changes: Any) -> Section:
        """The preset's parameters with some changed; sections inside take dictionaries."""
        chosen = preset or next(iter(self.presets))
        if chosen not in self.presets:
            raise InputError(f"{self.name} has no preset {chosen!r}: it has {', '.join(self.presets)}")
        try:
            return self.config.model_validate(_merged(self.presets[chosen].model_dump(), changes))
        except ValidationError as error:
            raise InputError("\n".join(self._explain(item) for item in error.errors())) from None

    def _explain(self, item: Mapping[str, Any]) -> str:
        name = ".".join(str(part) for part in item["loc"])
        if item["type"] != "extra_forbidden":
            return f"{self.name}: {name} = {item['input']!r}: {item['msg']}"
        return f"{self.name}: unknown parameter {name!r}{did_you_mean(name, self.config.model_fields)}"


NOT_DRAWN = "layers that cannot be drawn anew, without fresh="


def drawable(model: nn.Module, config: Any) -> None:
    """The check of methods that start from a fresh network: refuse one with a layer that cannot be drawn anew."""
    fresh(model, seed=0)


def require_classes(sets: Sets, name: str) -> None:
    """Refuse the multi-label task where a method is defined on one softmax alone."""
    if sets.retain.targets.is_floating_point():
        raise InputError(
            f"{name} compares outputs of one softmax and is not defined for the multi-label task: "
            "choose a task with classes, or another method"
        )


def _merged(values: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    inner = {
        name: _merged(values[name], change)
        for name, change in changes.items()
        if isinstance(change, Mapping) and isinstance(values.get(name), dict)
    }
    return {**values, **changes, **inner}
