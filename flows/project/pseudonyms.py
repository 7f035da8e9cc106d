"""Names of people and photos in what is logged: keyed pseudonyms, which only this copy of the project can lead back.

A pseudonym is an HMAC of the name under a key that lies in `.aru/` and goes nowhere: without it nobody can try out names,
and where it is deleted nobody can any more. `python -m flows.project.pseudonyms FILE...` puts the names back into logged YAML
files, for a replay.
"""

import hashlib
import hmac
import json
import re
import secrets
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from filelock import FileLock

from aru.core.errors import InputError
from aru.data.ids import filing_key
from aru.data.manifest import people_are_classes
from flows.project.private import private_folder, write_private

_KEY_FILE, _KEY_BYTES = "pseudonyms.key", 32
_PSEUDONYM = re.compile(r"\bid-[0-9a-f]{16}\b")
_TOKEN = re.compile(r"[^\s,;:()\[\]{}<>|\"'`]+")
_NAMING = frozenset({"subjects", "files", "same", "different"})
"""The parameters whose strings are people or photos, however they are written: of data.forget and of data.merge."""


class Pseudonyms:
    """Replaces the names of a benchmark's people and photos by pseudonyms."""

    def __init__(self, key: bytes, names: Iterable[str]) -> None:
        self._key, self._names = key, frozenset(names)
        self._of_several_words = sorted(
            (name for name in self._names if _TOKEN.fullmatch(name) is None), key=len, reverse=True
        )

    def of(self, name: str) -> str:
        """The pseudonym of a name: ``id-`` and 16 hex digits, the same for the same name and key."""
        clean = unicodedata.normalize("NFC", name.strip())
        return f"id-{hmac.digest(self._key, clean.encode(), hashlib.sha256).hex()[:16]}"

    def content(self, value: Any, *, named: bool = False) -> Any:
        """JSON content without names: in values, keys and sentences; below a parameter that names people every string is."""
        if isinstance(value, dict):
            return {self._key_of(key): self.content(item, named=named or _names_people(key)) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.content(item, named=named) for item in value]
        if not isinstance(value, str):
            return value
        return self.of(value) if named or value in self._names else self.text(value)

    def text(self, text: str) -> str:
        """A sentence without names; numbers in it are numbers, whoever may be filed under them."""
        for name in self._of_several_words:
            if name in text:
                text = re.sub(rf"(?<![^\W_]){re.escape(name)}(?![^\W_])", self.of(name), text)
        return _TOKEN.sub(lambda found: self._token(found.group()), text)

    def yaml(self, text: str) -> str:
        """A YAML file without names, all else as it was: comments, order, quotes."""
        return _replace_scalars(text, lambda scalar, named: self.of(scalar) if named or scalar in self._names else None)

    def _key_of(self, key: Any) -> Any:
        return self.of(key) if isinstance(key, str) and key in self._names and not key.isdecimal() else key

    def _token(self, word: str) -> str:
        name = word.rstrip(".")
        return self.of(name) + word[len(name) :] if name in self._names and not name.isdecimal() else word


def load_pseudonyms(root: Path, benchmark: str) -> Pseudonyms:
    """Those of a benchmark: of the people and photos in its manifest, as far as it is there."""
    return Pseudonyms(pseudonym_key(root), _names(Path(root) / "work" / benchmark / "prepared" / "manifest.csv"))


def pseudonym_key(root: Path) -> bytes:
    """The project's key, made at its first use. Raises InputError where the file does not hold one."""
    path = private_folder(root) / _KEY_FILE
    with FileLock(path.with_suffix(".lock"), mode=0o600):  # two that begin at once must not have two keys
        if not path.is_file():
            write_private(path, secrets.token_bytes(_KEY_BYTES))
    key = path.read_bytes()
    if len(key) != _KEY_BYTES:
        raise InputError(
            f"{path} has {len(key)} bytes, a key has {_KEY_BYTES}: bring it back from a backup, or remove it, "
            "and later pseudonyms are others"
        )
    return key


def restore_names(root: Path, paths: Iterable[Path]) -> int:
    """Put the names back into YAML files; returns how many. A pseudonym of nobody known here is an InputError."""
    maker = Pseudonyms(pseudonym_key(root), ())
    known = {maker.of(name): name for name in _candidates(Path(root))}
    restored, written = 0, {}
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path} cannot be read ({error}): name a YAML file of the run") from None
        for pseudonym in set(_PSEUDONYM.findall(text)):
            if pseudonym not in known:
                raise InputError(
                    f"{path}: {pseudonym} is nobody in params.yaml or work/*/prepared/manifest.csv: restore "
                    f"these first (`dvc checkout`), and {_KEY_FILE} in .aru/ if the run is another copy's"
                )
        written[path] = _replace_scalars(text, lambda scalar, named: known.get(scalar))
        restored += len(_PSEUDONYM.findall(text))
    for path, text in written.items():
        path.write_text(text, encoding="utf-8")
    return restored


def _names(manifest: Path) -> set[str]:
    """Subjects, filings, families and files of a manifest; of a person without a family with and without the slash.

    Where people are the classes the persons too: within a family they name classes, and would else be found in any text.
    """
    if not manifest.is_file():
        return set()
    rows = pd.read_csv(manifest, dtype=str, keep_default_na=False)
    persons = set(rows["person"]) if people_are_classes(rows) else set()
    keys = (rows["family"] + "/" + rows["person"])[(rows["family"] != "") | (rows["person"] != "")]
    filings = {filing_key(*pair) for pair in zip(rows["family"], rows["person"], strict=True)}
    return (persons | set(rows["subject"]) | set(keys) | filings | set(rows["family"]) | set(rows["path"])) - {""}


def _candidates(root: Path) -> Iterator[str]:
    for manifest in sorted(root.glob("work/*/prepared/manifest.csv")):
        yield from _names(manifest)
    if (root / "params.yaml").is_file():
        for node, _ in _scalars((root / "params.yaml").read_text(encoding="utf-8")):
            yield node.value


def _replace_scalars(text: str, change: Callable[[str, bool], str | None]) -> str:
    """A YAML text in which `change` (of a scalar, and whether it stands where people are named) gave some a new value."""
    pieces, end = [], 0
    for node, named in sorted(_scalars(text), key=lambda found: found[0].start_mark.index):
        new = change(node.value, named)
        if new is not None:
            pieces += [text[end : node.start_mark.index], _as_scalar(new)]
            end = node.end_mark.index
    return "".join([*pieces, text[end:]])


def _scalars(text: str) -> list[tuple[yaml.ScalarNode, bool]]:
    """The scalars of a YAML text that are values, each once, and whether they stand where people are named."""
    found: list[tuple[yaml.ScalarNode, bool]] = []
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    waiting, seen = [(root, False)] if root else [], set()
    while waiting:
        node, named = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            waiting += [(value, named or _names_people(key.value)) for key, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            waiting += [(item, named) for item in node.value]
        elif isinstance(node, yaml.ScalarNode) and node.tag != "tag:yaml.org,2002:null":
            found.append((node, named))
    return found


def _names_people(key: Any) -> bool:
    return isinstance(key, str) and key.rpartition(".")[2] in _NAMING


def _as_scalar(value: str) -> str:
    """A string as YAML, plain where that means the same, in a list of either style."""
    try:
        plain = yaml.safe_load(f"[{value}]") == [value] and yaml.safe_load(f"- {value}") == [value]
    except yaml.YAMLError:
        plain = False
    return value if plain else json.dumps(value, ensure_ascii=False)


if __name__ == "__main__":
    from flows.project.folder import find_project

    try:
        print(f"{restore_names(find_project(Path.cwd()), map(Path, sys.argv[1:]))} names restored")
    except InputError as problem:
        print(f"error: {problem}", file=sys.stderr)
        sys.exit(2)
