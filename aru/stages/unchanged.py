"""Whether what a stage was made from is still there when it ends.

DVC takes the digests of a stage's dependencies after the stage has run: what is edited meanwhile would be recorded as what the
result was made from. So the stage itself compares, and fails.
"""

from pathlib import Path
from typing import Any

import yaml

from aru.core.errors import InputError
from aru.core.source_code import edited
from aru.stages.code_record import modules_of

_PIPELINE, _PARAMETERS = "dvc.yaml", "params.yaml"
_State = dict[str, Any]


class Inputs:
    """The code, parameters and data that dvc.yaml declares for one instance of a stage, as they are now."""

    def __init__(self, stage: str, benchmark: str, root: Path) -> None:
        self.stage, self.benchmark, self.root = stage, benchmark, Path(root)
        self._state = self._now()
        self._refuse(_edited(stage), "this process imported it")

    def check(self) -> None:
        """Raise InputError where any of them is not as it was: the result belongs to no state that could be recorded."""
        now = self._now()
        changed = [name for name in sorted({*self._state, *now}) if self._state.get(name) != now.get(name)]
        self._refuse(_edited(self.stage) + changed, "the stage began")

    def _refuse(self, changed: list[str], since: str) -> None:
        if changed:
            what = f"{', '.join(changed)} {'have' if len(changed) > 1 else 'has'}"
            raise InputError(f"{what} changed since {since}: no result of stage {self.stage} is recorded, run it again")

    def _now(self) -> _State:
        """Values of parameters by dotted name, sizes and times of data files by path; nothing where no DVC records."""
        stage = _yaml(self.root / _PIPELINE).get("stages", {}).get(self.stage, {})
        declared, parameters = stage.get("do", {}), _yaml(self.root / _PARAMETERS)
        items = _value(parameters, str(stage.get("foreach", "")).removeprefix("${").removesuffix("}"))
        names = {"${key}": self.benchmark, "${item}": str(_value(items, self.benchmark))}
        paths = [_filled(path, names) for path in declared.get("deps", [])]
        dotted = [_filled(name, names) for name in declared.get("params", [])]
        return {path: _stamp(self.root / path) for path in paths} | {name: _value(parameters, name) for name in dotted}


def _edited(stage: str) -> list[str]:
    return sorted({path for module in modules_of(stage) for path in edited(module)})


def _filled(text: str, names: dict[str, str]) -> str:
    for name, value in names.items():
        text = text.replace(name, value)
    return text


def _yaml(path: Path) -> dict[str, Any]:
    """A YAML file's mapping; what is wrong with the file is said by those who work with it."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}
    return content if isinstance(content, dict) else {}


def _value(content: Any, name: str) -> Any:
    for part in name.split("."):
        content = content.get(part) if isinstance(content, dict) else None
    return content


def _stamp(path: Path) -> Any:
    """Size and time of a file, or of all files of a folder; None where nothing is there."""
    if path.is_dir():
        return {file.relative_to(path).as_posix(): _stamp(file) for file in path.rglob("*") if not file.is_dir()}
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
