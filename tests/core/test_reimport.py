"""Modules that are imported anew."""

import importlib
import sys
from pathlib import Path

import pytest

from aru.core.reimport import forget_modules


@pytest.mark.parametrize("marked", [True, False], ids=["with __init__.py", "without"])
def test_a_package_is_forgotten_with_its_modules_and_no_other_module_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, marked: bool
) -> None:
    """A package keeps its modules as attributes, so that one left behind would give out the old ones."""
    part = tmp_path / "package_of_tests" / "part.py"
    part.parent.mkdir()
    part.write_text("WIDTH = 4\n")
    if marked:
        (part.parent / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    before = dict(sys.modules)

    def width() -> int:
        namespace: dict[str, int] = {}
        exec("from package_of_tests.part import WIDTH\nfrom package_of_tests import part\nwidth = part.WIDTH", namespace)
        assert namespace["WIDTH"] == namespace["width"]
        return namespace["width"]

    try:
        assert width() == 4
        part.write_text("WIDTH = 4 + 4\n")
        assert width() == 4
        forget_modules(lambda name, place: place.startswith(str(tmp_path)))
        assert not {name for name in sys.modules if name.startswith("package_of_tests")}
        assert before.items() <= sys.modules.items()
        assert width() == 8
    finally:
        for name in set(sys.modules) - set(before):
            del sys.modules[name]
        importlib.invalidate_caches()
