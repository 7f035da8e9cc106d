"""Thumbnails of very many photos by number: in memory while they are few, then in a file without a name."""

from tempfile import SpooledTemporaryFile
from types import TracebackType

import numpy as np

IN_MEMORY = 64 << 20  # bytes


class Thumbnails:
    """Grey pictures (N, S, S) uint8 that are appended one by one and read by their numbers; gone when it is closed.

    The file lies in the system's temporary folder (TMPDIR), has no name, and goes with the process.
    """

    def __init__(self, side: int) -> None:
        self._side, self._count = side, 0
        self._file = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - closed by `__exit__`

    def __enter__(self) -> "Thumbnails":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def __len__(self) -> int:
        return self._count

    def append(self, picture: np.ndarray) -> None:
        """Add a picture (S, S) uint8, as number N."""
        self._file.seek(self._count * self._side**2)
        self._file.write(picture.tobytes())
        self._count += 1

    def __getitem__(self, rows: np.ndarray, /) -> np.ndarray:
        """The pictures (M, S, S) of these numbers."""
        size = self._side**2
        found = np.empty((len(rows), self._side, self._side), np.uint8)
        if len(rows) and rows[-1] - rows[0] + 1 == len(rows) and (np.diff(rows) == 1).all():
            self._file.seek(int(rows[0]) * size)
            self._file.readinto(found.data)
            return found
        for place, row in enumerate(rows):
            self._file.seek(int(row) * size)
            self._file.readinto(found[place].data)
        return found
