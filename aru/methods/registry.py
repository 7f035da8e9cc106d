"""Unlearning methods behind one signature: `METHODS[name].function(model, sets, config, seed=..., compute=...)`."""

from importlib import import_module

from aru.methods.catalogue import CONTROLS, MODULES, check_name_of_method
from aru.methods.method import Method

__all__ = ["CONTROLS", "METHODS", "find"]


def _method(name: str, module: str) -> Method:
    methods: tuple[Method, ...] = import_module(f"aru.methods.{module}").METHODS
    return next(method for method in methods if method.name == name)


METHODS: dict[str, Method] = {name: _method(name, module) for name, module in MODULES.items()}


def find(name: str) -> Method:
    """The method of this name. Raises InputError for an unknown one, with the nearest known."""
    return METHODS[check_name_of_method(name)]
