"""Editing params.yaml, the file on which DVC, Prefect and MLflow agree: checked first, comments kept, atomic."""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError
from ruamel.yaml.tokens import CommentToken
from yaml import YAMLError as PlainYAMLError

from aru.core.config import FORGET_OPTIONS, SETTINGS, Config, FinetuneConfig, check_parameter, parse_config, read_parameters
from aru.core.errors import InputError
from aru.core.method_lists import LISTS
from aru.core.name_rules import TAKEN, check_name, check_path
from aru.core.names import ARU
from aru.core.safe_yaml import check_size
from aru.core.suggestions import did_you_mean
from aru.methods.aru.presets import PRESETS
from aru.methods.catalogue import check_runnable
from aru.methods.chosen import PRESET, checked_settings
from aru.nets.own_code import is_own, own_code_digest
from flows.project.methods import settle
from flows.project.shipped import shipped_section
from flows.project.sparse_params import completed, default, differing, is_implied

PARAMS_FILE = "params.yaml"
_UNLEARN = SETTINGS.removesuffix(".")


@dataclass(frozen=True)
class Change:
    """A parameter by its dotted name, as it was and as it is to be."""

    name: str
    old: Any
    new: Any


def parse_setting(text: str) -> tuple[str, Any]:
    """``attack.steps=20`` -> ("attack.steps", 20), the value read as YAML."""
    name, sign, value = text.partition("=")
    if not sign:
        raise InputError(f"--set {text!r} has no '=': write it as --set attack.steps=20")
    try:
        check_size(value)
        return check_parameter(name.strip()), YAML(typ="safe").load(value)
    except (YAMLError, PlainYAMLError) as error:
        raise InputError(f"--set {text!r}: the value is not YAML ({error})") from None


def file_settings(path: Path) -> list[tuple[str, Any]]:
    """All parameters of a YAML file that has a benchmark's sections (train, attack, ...)."""
    content = load(path)
    if not isinstance(content, dict):
        raise InputError(f"{path} must hold sections with parameters, as in 'attack: {{steps: 20}}'")
    return [(check_parameter(name), value) for name, value in _leaves(content)]


def preset_settings(preset: str, benchmark: str, method: str = ARU) -> list[tuple[str, Any]]:
    """All parameters of one of ARU's named variants; of another method the name of its preset.

    A variant without a fine-tune of its own takes the benchmark's: that of the repository's params.yaml, or the defaults. The
    section as it stands may be what another variant has left there.
    """
    if check_runnable(method) != ARU:
        return [(f"{SETTINGS}{method}.{PRESET}", preset)]
    if preset not in PRESETS:
        raise InputError(f"unknown preset {preset!r}: the presets are {', '.join(PRESETS)}")
    return list(_leaves({"finetune": _own_finetune(benchmark), **PRESETS[preset]}))


def _own_finetune(benchmark: str) -> dict[str, Any]:
    """What the variants of ARU set of the fine-tune, as the benchmark has it before any of them."""
    own = FinetuneConfig.model_validate((shipped_section(benchmark) or {}).get("finetune", {})).model_dump(mode="json")
    return {
        name: value for name, value in own.items() if any(name in preset.get("finetune", {}) for preset in PRESETS.values())
    }


@dataclass(frozen=True)
class Edit:
    """A valid change of params.yaml: the file's text before and after, what differs, the parameters as they will be."""

    path: Path
    before: str
    after: str
    changes: list[Change]
    config: Config

    def write(self) -> None:
        """Write it; without a change the file stays as it is, to the byte."""
        if self.changes:
            _write_text(self.path, self.after)

    def revert(self) -> bool:
        """Make the file what it was before; False where nothing was written, or somebody else has written since."""
        if not self.changes or _read_text(self.path) != self.after:
            return False
        _write_text(self.path, self.before)
        return True


def propose(path: Path, benchmark: str, settings: Sequence[tuple[str, Any]], *, new: Mapping[str, Any] | None = None) -> Edit:
    """What params.yaml becomes when parameters of one benchmark are set; a later setting wins.

    `new` are the parameters of a benchmark that has no section yet: it gets one with what differs from the defaults.

    The whole section is validated. A default is written only where all parameters of its group stand in the file. Values are
    written as the validation read them, so that 20 and 20.0 are the same parameter. Of the parameters that name who is
    forgotten, one that is set takes the place of one that was there, and a preset of a peer method takes the place of all
    settings of that method. The method decides on which list a benchmark is. Where the network is set to one of own code,
    `model.code` becomes the digest of that code as it is now.
    """
    content, pipeline = load(path), path.with_name("dvc.yaml")
    added = new is not None and isinstance(content, dict) and benchmark not in content
    if added:
        fresh = parse_config(dict(new or {}), where=f"{path.name}: {benchmark}")
        content[check_name(benchmark, where=path.name)] = differing(fresh, pipeline)
    values = section(content, benchmark, path)
    before, lists = dict(_leaves(values)), dict(_leaves(plain(content.get(LISTS) or {}), f"{LISTS}."))
    settings = _with_code(settings, path.parent)
    named = dict.fromkeys(name for name, _ in settings)
    for name, value in settings:
        if value is None and name.startswith(SETTINGS):  # a peer method's setting that goes: its preset has the value
            _unset(values, name)
        else:
            _set(values, name, value)
    replaced = _replaced(values, dict(settings)) + _replaced_by_preset(values, dict(settings))
    config = parse_config(plain(values), where=f"{path.name}: {benchmark}")
    checked = config.model_dump(mode="json") | {_UNLEARN: checked_settings(config)}
    changes = [Change(name, before[name], None) for name in replaced]
    for name in named:
        value, old = _get(checked, name) if _has(checked, name) else None, before.get(name, default(name))
        if value is None or is_implied(plain(values), name, value, pipeline):
            _unset(values, name)
        else:
            _set(values, name, value)
        if old != value:
            changes.append(Change(name, old, value))
    if added:
        changes = [Change(name, None, value) for name, value in _leaves(plain(values)["data"], "data.") if value is not None]
    settle(content)
    now = dict(_leaves(plain(content[LISTS]), f"{LISTS}."))
    changes += [Change(name, lists.get(name), now.get(name)) for name in {**lists, **now} if lists.get(name) != now.get(name)]
    return Edit(path, _read_text(path), _dumped(content), changes, config)


def bring_up_to_date(path: Path) -> list[Change]:
    """Write the lists under `methods` where a file does not have them as its sections say. Returns what has changed."""
    content = load(path)
    if not isinstance(content, dict) or not isinstance(content.get("benchmarks"), dict):
        return []  # whoever reads it says so
    before = dict(_leaves(plain(content)))
    if not settle(content):
        return []
    _write(path, content)
    after = dict(_leaves(plain(content)))
    return [
        Change(name, before.get(name), after.get(name)) for name in {**before, **after} if before.get(name) != after.get(name)
    ]


def edit(path: Path, benchmark: str, settings: Sequence[tuple[str, Any]]) -> list[Change]:
    """Set parameters of one benchmark in params.yaml, checked as `propose` does. Returns what has changed."""
    proposed = propose(path, benchmark, settings)
    proposed.write()
    return proposed.changes


def configured(path: Path, benchmark: str) -> Config:
    """The checked parameters of a benchmark, active or not."""
    return parse_config(section(read_parameters(path), benchmark, path), where=f"{path.name}: {benchmark}")


def activate(path: Path, benchmark: str, archive: str) -> bool:
    """Add a benchmark with its archive to the active ones; False where it was there with this archive."""
    check_name(benchmark, where=path.name)
    check_path(archive, where=path.name)
    content = load(path)
    section(content, benchmark, path)
    if content["benchmarks"].get(benchmark) == archive:
        return False
    _put(content["benchmarks"], benchmark, archive)
    settle(content)
    _write(path, content)
    return True


def complete(path: Path) -> bool:
    """Give the sections of the active benchmarks the names that dvc.yaml has and they lack; False where none was missing."""
    content, changed = load(path), False
    if not isinstance(content, dict):
        raise InputError(f"{path} must hold sections, the first of them `benchmarks`")
    for benchmark in content.get("benchmarks") or {}:
        values = section(content, benchmark, path)
        whole = completed(plain(values), path.with_name("dvc.yaml"), configured(path, benchmark))
        for name, value in _leaves(whole, empty=True):
            if not _has(values, name):
                _set(values, name, value)
                changed = True
    if changed:
        _write(path, content)
    return changed


def section(content: Any, benchmark: str, path: Path) -> Any:
    """The section of a benchmark, active or not; an unknown name is answered with the nearest known one."""
    sections = [name for name in content if name not in TAKEN] if isinstance(content, dict) else []
    if benchmark not in sections:
        hint = did_you_mean(benchmark, sections) or f"; it has {', '.join(sections) or 'none'}"
        raise InputError(f"{path.name} has no section for benchmark {benchmark!r}{hint}")
    return content[benchmark]


def _with_code(settings: Sequence[tuple[str, Any]], root: Path) -> list[tuple[str, Any]]:
    """The settings with `model.code` where they name the network and not its code; None of a network that is not own code."""
    given = dict(settings)
    name = given.get("model.name")
    if not isinstance(name, str) or "model.code" in given:
        return list(settings)
    return [*settings, ("model.code", own_code_digest(name, root) if is_own(name) else None)]


def _replaced(values: dict[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Remove the forget options that the new ones replace; returns the removed names."""
    options = [f"data.forget.{name}" for name in FORGET_OPTIONS]
    if all(wanted.get(name) is None for name in options):
        return []
    forget = values.get("data", {}).get("forget", {})
    gone = [name for name in options if name not in wanted and forget.get(name.rpartition(".")[2]) is not None]
    for name in gone:
        del forget[name.rpartition(".")[2]]
    return gone


def _replaced_by_preset(values: dict[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Remove the settings of methods whose preset is set, apart from those that are set with it; returns the removed names."""
    gone: list[str] = []
    for method, settings in (values.get(_UNLEARN) or {}).items():
        prefix = f"{SETTINGS}{method}."
        if f"{prefix}{PRESET}" in wanted:
            gone += [f"{prefix}{name}" for name in settings if f"{prefix}{name}" not in wanted]
    for name in gone:
        _, method, parameter = name.split(".", 2)
        del values[_UNLEARN][method][parameter]
    return gone


def _leaves(content: dict[str, Any], prefix: str = "", *, empty: bool = False) -> Iterator[tuple[str, Any]]:
    """All values by their dotted names; a section with nothing in it only where `empty` is set."""
    for name, value in content.items():
        if isinstance(value, dict) and (value or not empty):
            yield from _leaves(value, f"{prefix}{name}.", empty=empty)
        else:
            yield f"{prefix}{name}", value


def _put(lines: CommentedMap, name: str, value: str) -> None:
    """Set a line, a new one behind the last; what is written below the last line belongs to the next section and stays below.

    ruamel ties all comments up to the next line to the line before them.
    """
    if not lines:  # written as {}
        lines.fa.set_block_style()
    last = next(reversed(lines), None) if name not in lines else None
    lines[name] = value
    slots = lines.ca.items.get(last) if last is not None else None
    if slots and slots[2] is not None:
        beside, _, below = slots[2].value.partition("\n")
        lines.ca.items[name] = [None, None, CommentToken(f"\n{below}", slots[2].start_mark), None]
        if beside.strip():
            slots[2].value = f"{beside}\n"
        else:
            del lines.ca.items[last]


def _get(content: dict[str, Any], name: str) -> Any:
    for part in name.split("."):
        content = content[part]
    return content


def _set(content: dict[str, Any], name: str, value: Any) -> None:
    *parts, last = name.split(".")
    for part in parts:
        content = content.setdefault(part, {})
    if isinstance(content, CommentedMap) and not content:  # written as {}
        content.fa.set_block_style()
    content[last] = value


def _has(content: Any, name: str) -> bool:
    for part in name.split("."):
        if not isinstance(content, dict) or part not in content:
            return False
        content = content[part]
    return True


def _unset(content: dict[str, Any], name: str) -> None:
    *parts, last = name.split(".")
    for part in parts:
        content = content.get(part, {})
    content.pop(last, None)


def plain(content: Any) -> Any:
    """ruamel's commented maps and lists as plain ones."""
    if isinstance(content, dict):
        return {name: plain(value) for name, value in content.items()}
    return [plain(value) for value in content] if isinstance(content, list) else content


def load(path: Path) -> Any:
    """A YAML file with its comments."""
    try:
        text = Path(path).read_text(encoding="utf-8")
        check_size(text)
        return _yaml().load(text)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except (YAMLError, PlainYAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid YAML: {error}") from None


def _read_text(path: Path) -> str:
    return Path(path).read_text(encoding="utf-8")


def _dumped(content: Any) -> str:
    buffer = io.StringIO()
    _yaml().dump(content, buffer)
    return buffer.getvalue()


def _write(path: Path, content: Any) -> None:
    _write_text(path, _dumped(content))


def _write_text(path: Path, text: str) -> None:
    from aru.core.files import atomic_path

    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _yaml() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 120
    return yaml
