"""Attack and Reset for Unlearning: the science, free of any operation tool.

The names of `aru.api` can be used from here: `aru.unlearn`, `aru.evaluate`, `aru.audit`, `aru.methods`, `aru.load`. They are
imported when they are used first: PyTorch takes seconds, and no stage depends on the library's code.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

_NAMES = ("audit", "evaluate", "load", "methods", "unlearn")
_PACKAGES = ("audit", "methods")
"""The names that packages have, too: these packages can be called."""


class _CallablePackage(ModuleType):
    """A package that is the function of the same name when it is called."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        return getattr(import_module("aru.api"), self.__name__.rpartition(".")[2])(*args, **options)


class _Library(ModuleType):
    """This package: what the import system sets as its attribute `audit` or `methods` becomes callable."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _PACKAGES and isinstance(value, ModuleType):
            value.__class__ = _CallablePackage
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Library


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return import_module(f"aru.{name}")
    if name in _NAMES:
        return getattr(import_module("aru.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_NAMES})
