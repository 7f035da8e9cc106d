"""Work that says which process did it."""

import os
from pathlib import Path

from aru.core.progress import Progress


def write(path: Path, *, progress: Progress) -> None:
    """Write the number of the process that calls this."""
    path.write_text(str(os.getpid()))
