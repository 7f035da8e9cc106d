"""The code of the stages as files in work/code/, on which they depend in dvc.yaml: brought up to date and compared.

Under `dvc repro` the stage `code` writes them. A flow writes them itself before it plans, and records that stage in dvc.lock
after the work.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from aru.core.errors import InputError
from aru.core.files import bytes_md5
from aru.core.folders import STAGES
from aru.stages.code_record import (
    INSTALLED,
    RECORDS,
    code_records,
    code_source,
    installed_code,
    record_path,
    write_code_records,
)
from flows.project.digests import Digests
from flows.project.versioning import Locked

CODE_STAGE = "code"
"""The address in dvc.yaml of the stage that writes the records."""


def is_code_record(path: str) -> bool:
    """Whether a dependency is the record of a stage's code."""
    return path.startswith(f"{RECORDS}/")


class StageCode:
    """The code that computes in a project as it was when this object was made; nothing is parsed where dvc.lock is of it.

    `digests` is {path: MD5} of the records of all stages, whatever lies in work/code/; `is_locked` says whether dvc.lock has
    them.
    """

    def __init__(self, root: Path, locked: Mapping[str, Locked], digests: Digests) -> None:
        self.root, self._digests = Path(root), digests
        self._source = code_source(root)
        self._code = self._now()
        entry = locked.get(CODE_STAGE)
        same = entry is not None and entry.deps == {self._source: self._code} and entry.outs.keys() == _paths()
        self.digests = dict(entry.outs) if entry and same else _digests(code_records(root))
        self.is_locked = entry is not None and same

    def refresh(self) -> None:
        """Bring the records in work/code/ up to date."""
        if self._digests.of_all(tuple(self.digests)) != self.digests or self._digests.of(self._source) != self._code:
            write_code_records(self.root)

    def is_unchanged(self, *stages: str) -> bool:
        """Whether the code of these stages is still what it was; without any, of all stages."""
        if self._now() == self._code:
            return True
        try:
            now = _digests(code_records(self.root))
        except InputError:  # saved in the middle of an edit
            return False
        return all(now[path] == self.digests[path] for path in map(record_path, stages or STAGES))

    def changed_files(self, stage: str, digest: str | None) -> list[str]:
        """The files of a stage's code that differ from the record of this digest; the record itself where it is not here."""
        path = record_path(stage)
        if digest is None or self._digests.of(path) != digest:
            return [path]
        before = json.loads((self.root / path).read_bytes())
        now = json.loads(code_records(self.root)[path])
        return [name for name in sorted({*before, *now}) if before.get(name) != now.get(name)]

    def _now(self) -> str | None:
        """The digest of what dvc.yaml names as the code, as it is now; code.json may have to be written yet."""
        return bytes_md5(installed_code().encode()) if self._source == INSTALLED else self._digests.of(self._source)


def _paths() -> set[str]:
    return {record_path(stage) for stage in STAGES}


def _digests(records: Mapping[str, str]) -> dict[str, str]:
    return {path: bytes_md5(content.encode()) for path, content in records.items()}
