"""Modules that a process has imported and shall import anew, because their files are others by now."""

import importlib
import sys
from collections.abc import Callable


def forget_modules(chosen: Callable[[str, str], bool]) -> None:
    """Let modules be imported anew. chosen: of a module's name and its file, or the folder of a package without a file."""
    for name, module in list(sys.modules.items()):
        places = [file] if (file := getattr(module, "__file__", None)) else list(getattr(module, "__path__", ()))
        if any(chosen(name, place) for place in places):
            del sys.modules[name]
    importlib.invalidate_caches()
