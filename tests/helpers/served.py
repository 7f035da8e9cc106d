"""A tiny flow served as `aru serve` serves the main one, but every second: what the smoke test starts as a process."""

import sys
from pathlib import Path

from prefect import flow
from prefect.schedules import Interval

from flows.servers.serving import deployment


@flow(name="tiny")
def tiny(benchmark: str, root: Path) -> str:
    """Leave a file, so that one can see it ran."""
    (Path(root) / "ran").write_text(benchmark)
    return benchmark


if __name__ == "__main__":
    asked = deployment(Path(sys.argv[1]), "faces", cron="* * * * *", zone="UTC")
    tiny.serve(**asked | {"schedule": Interval(1)})
