"""Every file of an archive with its photo and person, those that the suppression list keeps out too: requests are about both.

It decodes every photo. What was read last is remembered while the archive is the same, because a batch asks for it once for
each of its requests, and the pages for each view.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import pandas as pd

from aru.core.config import MergeConfig
from aru.core.progress import Progress, silent
from aru.data.prepare import read_rows
from aru.data.subjects import subject_ids


@dataclass(frozen=True)
class _Reading:
    """An archive as it is now, and by what it is read; how the progress is shown makes no other one of it."""

    layout: str
    archive: Path
    state: tuple[int, int, int]
    merge: MergeConfig
    progress: Progress = field(compare=False)

    def rows(self) -> pd.DataFrame:
        rows = read_rows(self.layout, self.archive, progress=self.progress)
        return rows.assign(subject=subject_ids(rows, self.merge))


def whole_archive(layout: str, archive: Path, merge: MergeConfig, *, progress: Progress = silent) -> pd.DataFrame:
    """The rows of `aru.data.prepare.read_rows` with their column `subject`. They are shared: not to be changed.

    Raises InputError where the archive is not there, or has faults.
    """
    path = archive.resolve()
    if not path.is_file():  # the state of a folder says nothing of the files below it
        return _Reading(layout, archive, (0, 0, 0), merge, progress).rows()
    state = path.stat()
    return _remembered(_Reading(layout, path, (state.st_ino, state.st_mtime_ns, state.st_size), merge, progress))


@lru_cache(maxsize=1)
def _remembered(reading: _Reading) -> pd.DataFrame:
    return reading.rows()
