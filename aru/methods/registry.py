"""Unlearning methods behind one signature: `METHODS[name].function(model, sets, config, seed=..., compute=...)`."""

from importlib import import_module

from aru.core.errors import InputError
from aru.core.suggestions import did_you_mean
from aru.methods.method import Method

# A new method is a file here that ends in METHODS, and its name in this list, whose order is that of tables.
_MODULES = (
    "retrain",
    "finetune",
    "last_blocks",
    "neggrad",
    "advanced_neggrad",
    "unsir",
    "scrub",
    "bad_teacher",
    "random_labels",
    "l1_sparse",
    "salun",
    "ssd",
    "msg",
    "ct",
    "kde",
    "fcs",
    "sfron",
    "amun",
    "gli",
    "aru.pipeline",
    "aru.controls",
)


def _methods_of(module: str) -> tuple[Method, ...]:
    methods: tuple[Method, ...] = import_module(f"aru.methods.{module}").METHODS
    return methods


METHODS: dict[str, Method] = {method.name: method for module in _MODULES for method in _methods_of(module)}
CONTROLS: tuple[str, ...] = tuple(method.name for method in _methods_of("aru.controls"))


def find(name: str) -> Method:
    """The method of this name. Raises InputError for an unknown one, with the nearest known."""
    if name not in METHODS:
        raise InputError(f"unknown method {name!r}{did_you_mean(name, METHODS) or '.'} Known: {', '.join(METHODS)}")
    return METHODS[name]
