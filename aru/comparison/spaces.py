"""What tuning may change: the decisive parameters of every method, each with a range; and the settings its sources published.

Which parameters decide is what docs/methods.md names; learning rates and lengths are every method's. Lengths are short,
1 to 3 passes over retain, because the same cost cap holds for all. Published settings are tried as they are.
"""

from dataclasses import dataclass
from typing import Any

from aru.comparison.choices import REFERENCES, parse_choice
from aru.core.config import Config
from aru.core.errors import InputError
from aru.methods.chosen import PRESET
from aru.methods.registry import find

_OURS = ("best", "recommended")


@dataclass(frozen=True)
class Float:
    """A number between two bounds, both included; `log`: its logarithm is drawn evenly."""

    low: float
    high: float
    log: bool = False

    @property
    def corners(self) -> tuple[Any, ...]:
        """The values at the edge."""
        return self.low, self.high

    def holds(self, value: Any) -> bool:
        """Whether a value lies in the range."""
        return isinstance(value, int | float) and not isinstance(value, bool) and self.low <= value <= self.high


@dataclass(frozen=True)
class Int(Float):
    """A whole number between two bounds, both included."""

    low: int
    high: int

    def holds(self, value: Any) -> bool:
        """Whether a value lies in the range."""
        return isinstance(value, int) and super().holds(value)


@dataclass(frozen=True)
class Choices:
    """One of some values."""

    values: tuple[Any, ...]

    @property
    def corners(self) -> tuple[Any, ...]:
        """All of them."""
        return self.values

    def holds(self, value: Any) -> bool:
        """Whether it is one of them."""
        return value in self.values


Range = Float | Int | Choices
Space = dict[str, Range]
"""Dotted parameter -> its range."""

_EPOCHS = Int(1, 3)
_MODES = Choices(("train", "eval"))


def _rate(low: float, high: float) -> Float:
    return Float(low, high, log=True)


_ARU: Space = {
    "attack.steps": Choices((1, 10)),
    "mask.scope": Choices(("layer",)),  # a schedule over depth is refused with any other
    "mask.unit": Choices(("filter", "kernel", "weight")),
    "mask.select": Choices(("largest", "smallest")),
    "mask.ratio": Float(0.05, 0.9),
    "mask.batchnorm": _MODES,
    "mask.normalise": Choices(("none", "retain")),
    "mask.schedule": Choices(("flat", "rising", "falling")),
    "reset.strength": Float(0.2, 1.0),
    "reset.classifier": Choices((False, True)),
    "finetune.lr": _rate(1e-3, 1e-1),
    "finetune.epochs": _EPOCHS,
    "finetune.distillation": Float(0.0, 0.9),
}
_NO_ATTACK = {name: range_ for name, range_ in _ARU.items() if not name.startswith("attack.")}

_LAST_BLOCKS: Space = {
    "epochs": _EPOCHS,
    "blocks": Int(1, 4),
    "momentum": Choices((0.0, 0.9)),
    "batchnorm": Choices(("trained", "train", "eval")),
}
_LABELS: Space = {"redraw": Choices((True, False)), "labels": Choices(("any", "others"))}

SPACES: dict[str, Space] = {
    "finetune": {"lr": _rate(1e-4, 1e-1), "epochs": _EPOCHS, "momentum": Choices((0.0, 0.9)), "batchnorm": _MODES},
    "cf-k": {"lr": _rate(1e-4, 1e-1), **_LAST_BLOCKS},
    "eu-k": {"lr": _rate(1e-3, 1e-1), **_LAST_BLOCKS},
    "neggrad": {"lr": _rate(1e-6, 1e-2), "epochs": _EPOCHS, "batchnorm": _MODES},
    "advanced-neggrad": {"lr": _rate(1e-4, 3e-2), "epochs": _EPOCHS, "forget_weight": _rate(0.01, 1.0), "batchnorm": _MODES},
    "unsir": {
        "lr": _rate(1e-4, 3e-2),
        "epochs": _EPOCHS,
        "repair_lr": _rate(1e-4, 3e-2),
        "repair_epochs": _EPOCHS,
        "noise_lr": _rate(3e-3, 3e-1),
        "noise_steps": Choices((5, 20, 40)),
        "least_steps": Choices((0, 32)),
        "objective": Choices(("outputs", "labels")),
    },
    "scrub": {
        "lr": _rate(1e-4, 3e-2),
        "epochs": _EPOCHS,
        "forget_epochs": _EPOCHS,
        "first": Choices(("retain", "forget")),
        "momentum": Choices((0.0, 0.9)),
        "alpha": _rate(0.001, 3.0),
        "temperature": Choices((1.0, 2.0, 4.0)),
        "rewind": Choices((False, True)),
        "reference_error": Choices((None, 0.2, 0.4, 0.6)),
    },
    "bad-teacher": {
        "lr": _rate(1e-5, 1e-2),
        "epochs": _EPOCHS,
        "retain_share": Float(0.3, 1.0),
        "temperature": Choices((1.0, 2.0, 4.0)),
    },
    "random-labels": {"lr": _rate(1e-3, 1e-1), "epochs": _EPOCHS, **_LABELS},
    "l1-sparse": {"lr": _rate(1e-3, 1e-1), "epochs": _EPOCHS, "alpha": _rate(1e-5, 2e-3)},
    "salun": {"lr": _rate(1e-3, 1e-1), "epochs": _EPOCHS, "share": Float(0.1, 0.9), **_LABELS},
    "ssd": {"selection": Choices(("adaptive", "alpha")), "alpha": _rate(1.0, 100.0), "lam": _rate(0.1, 10.0)},
    "msg": {
        "lr": _rate(3e-4, 1e-1),
        "epochs": _EPOCHS,
        "measured": _MODES,
        "ratio": Float(0.05, 0.9),
        "kept_factor": _rate(0.01, 1.0),
    },
    "ct": {"lr": _rate(3e-4, 1e-1), "epochs": _EPOCHS, "weight_decay": _rate(1e-5, 1e-2)},
    "kde": {
        "lr": _rate(3e-4, 1e-1),
        "epochs": _EPOCHS,
        "warmup_lr": _rate(3e-4, 1e-1),
        "warmup_epochs": Int(0, 3),
        "temperature": Choices((1.0, 2.0, 5.0)),
    },
    "fcs": {
        "epochs": _EPOCHS,
        "uniform_lr": _rate(5e-4, 5e-2),
        "forget_lr": _rate(1e-5, 1e-2),
        "retain_lr": _rate(4e-4, 4e-2),
    },
    "sfron": {
        "iterations": Int(20, 400, log=True),
        "lr": _rate(1e-3, 1e-1),
        "strength": _rate(1.0, 100.0),
        "threshold": _rate(0.3, 10.0),
        "every": Choices((1, 2, 5, 10)),
    },
    "amun": {
        "lr": _rate(1e-3, 1e-1),
        "epochs": _EPOCHS,
        "decay": Choices((0.1, 1.0)),
        "steps": Choices((5, 10, 50)),
        "use_retain": Choices((True, False)),
    },
    "gli": {
        "lr": _rate(1e-4, 3e-2),
        "epochs": _EPOCHS,
        "noise_steps": Choices((1, 2, 5)),
        "last_guidance": _rate(1.0, 1000.0),
        "batchnorm": _MODES,
    },
    "piu-fr": {
        "lr": _rate(1e-4, 3e-2),
        "epochs": Int(1, 10),
        "temperature": Choices((1.0, 2.0, 4.0)),
        "repair_lr": _rate(1e-4, 3e-2),
        "repair_epochs": Int(0, 3),
    },
    "dlfd": {
        "lr": _rate(3e-4, 3e-2),
        "epochs": _EPOCHS,
        "noise_steps": Choices((1, 5, 15)),
        "noise_step_size": _rate(1e-2, 4e-1),
        "forget_weight": _rate(0.3, 30.0),
        "distanced": Float(0.0, 1.0),
    },
    "safer": {
        "lr": _rate(3e-4, 3e-2),
        "epochs": _EPOCHS,
        "forget_weight": _rate(0.01, 1.0),
        "compactness": _rate(0.01, 1.0),
        "separation": _rate(0.01, 1.0),
    },
    "a-amu": {
        "lr": _rate(3e-5, 3e-3),
        "epochs": _EPOCHS,
        "matching": _rate(0.1, 30.0),
        "transform": Choices(("ranks", "logarithms")),
    },
    "sharp-minmax": {
        "lr": _rate(3e-4, 3e-2),
        "epochs": _EPOCHS,
        "retain_weight": Float(0.8, 0.999),
        "radius": _rate(0.01, 1.0),
        "share": Float(0.1, 0.9),
        "unlearning": Choices(("smallest", "largest")),
    },
    "regun": {"lr": _rate(3e-4, 3e-2), "epochs": _EPOCHS, "forget_weight": _rate(0.1, 10.0)},
    "rurk": {
        "lr": _rate(3e-4, 3e-2),
        "epochs": _EPOCHS,
        "forget_weight": _rate(0.01, 1.0),
        "radius": _rate(0.003, 0.1),
        "steps": Choices((1, 5)),
    },
    "aru": _ARU,
    # The controls: ARU's space without what they hold fixed, and without what then makes no difference.
    "random-mask": {
        name: range_ for name, range_ in _NO_ATTACK.items() if name not in ("mask.select", "mask.batchnorm", "mask.normalise")
    },
    "random-noise": _NO_ATTACK,
    "no-attack": _NO_ATTACK,
    "reset-all": {name: range_ for name, range_ in _ARU.items() if name.startswith("finetune.")},
}
"""Method -> its space; the original and the retrained model have nothing to tune."""


def tunable(text: str, config: Config) -> tuple[list[str], list[str]]:
    """The methods of a comma-separated list (``all`` is every one with a space), and a sentence for each left out.

    Raises InputError for an unknown name and for one without anything to tune.
    """
    named = [item.strip() for item in text.split(",") if item.strip()]
    chosen, left_out = [], []
    for name in dict.fromkeys(list(SPACES) if named == ["all"] else named):
        method = find(name)
        if name not in SPACES:
            raise InputError(f"{name} has nothing to tune: leave out {', '.join(REFERENCES)}")
        if config.data.multilabel and not method.multilabel:
            left_out.append(f"{name} is not defined for the multi-label task and is left out")
        else:
            chosen.append(name)
    if not chosen:
        raise InputError(f"no method to tune is named in {text!r}: give a list such as finetune,scrub,aru or all")
    return chosen, left_out


def space_of(method: str, config: Config) -> Space:
    """The method's space for this benchmark's task; independent labels have no softmax to distil."""
    multilabel = config.data.multilabel
    return {name: range_ for name, range_ in SPACES[method].items() if not (multilabel and name == "finetune.distillation")}


def published(method: str, config: Config) -> list[dict[str, Any]]:
    """What the first trials of a method change: nothing, and then each setting that its sources published and that differs.

    A change is ``{"preset": NAME}``. ARU's presets `best` and `recommended` are this project's: they are not tried.
    """
    found: list[dict[str, Any]] = [{}]
    seen = [parse_choice(method, config).parameters]
    for preset in find(method).presets:
        parameters = parse_choice(f"{method}:{preset}", config).parameters
        if preset not in _OURS and parameters not in seen:
            found.append({PRESET: preset})
            seen.append(parameters)
    return found
