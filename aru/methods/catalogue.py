"""The names of all methods and the modules that hold them: known without PyTorch."""

from aru.core.errors import InputError
from aru.core.names import ARU
from aru.core.suggestions import did_you_mean

# A new method is a file here that ends in METHODS, and its name in this table, whose order is that of all tables.
MODULES = {
    "retrain": "retrain",
    "finetune": "finetune",
    "cf-k": "last_blocks",
    "eu-k": "last_blocks",
    "neggrad": "neggrad",
    "advanced-neggrad": "advanced_neggrad",
    "unsir": "unsir",
    "scrub": "scrub",
    "bad-teacher": "bad_teacher",
    "random-labels": "random_labels",
    "l1-sparse": "l1_sparse",
    "salun": "salun",
    "ssd": "ssd",
    "msg": "msg",
    "ct": "ct",
    "kde": "kde",
    "fcs": "fcs",
    "sfron": "sfron",
    "amun": "amun",
    "gli": "gli",
    "piu-fr": "piu_fr",
    "dlfd": "dlfd",
    "safer": "safer",
    "a-amu": "a_amu",
    "sharp-minmax": "sharp_minmax",
    "regun": "regun",
    "rurk": "rurk",
    ARU: "aru.pipeline",
    "nothing": "aru.controls",
    "random-mask": "aru.controls",
    "random-noise": "aru.controls",
    "no-attack": "aru.controls",
    "reset-all": "aru.controls",
}
"""The name of each method, and the module below `aru.methods` that has it."""
CONTROLS = tuple(name for name, module in MODULES.items() if module == "aru.controls")
RUNNABLE = tuple(name for name in MODULES if name not in CONTROLS)
"""The methods that can be a benchmark's `method`."""
PEER_MODULES = tuple(dict.fromkeys(f"aru.methods.{MODULES[name]}" for name in RUNNABLE if name != ARU))
"""The modules of those that have the stage `unlearn`."""


def check_name_of_method(name: str) -> str:
    """The name of a method. Raises InputError for an unknown one, with the nearest known."""
    if name not in MODULES:
        raise InputError(f"unknown method {name!r}{did_you_mean(name, MODULES) or '.'} Known: {', '.join(MODULES)}")
    return name


def not_runnable(name: str) -> str:
    """Why a method cannot be a benchmark's `method`; empty where it can."""
    if name in CONTROLS:
        return "it is a control, for comparisons (`aru benchmark`): no model of it is to be released as unlearned"
    return ""


def check_runnable(name: str) -> str:
    """The name of a method that a flow can run. Raises InputError for any other, with the reason."""
    if reason := not_runnable(check_name_of_method(name)):
        raise InputError(f"method {name!r} cannot be run by a flow: {reason}. Choose one of {', '.join(RUNNABLE)}")
    return name
