"""`aru serve`: the main flow by a schedule, as long as the command runs. For a service beside it see prefect.yaml."""

import os
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from aru.config import load_config
from aru.errors import InputError
from flows import servers

PREFECT_PORT = 4200
_LOCALTIME = Path("/etc/localtime")


def serve(root: Path, *, benchmark: str, cron: str, prefect_port: int = PREFECT_PORT) -> None:
    """Run the main flow of a benchmark by a cron schedule in local time, until Ctrl-C.

    A Prefect server is started where none of this project runs: an in-process one does not schedule. While a run is at
    work a further one is cancelled, not queued. Raises InputError for a bad schedule, an unknown benchmark, a taken port.
    """
    root, zone = Path(root).resolve(), local_zone()
    load_config(root / "params.yaml", benchmark)
    check_cron(cron)
    with servers.terminated_like_interrupted(), servers.prefect_api(root, prefect_port) as api:
        print(f"{benchmark} runs at {cron!r} ({zone} time). Pages: {api.removesuffix('/api')}/deployments", flush=True)
        _serve(root, benchmark, cron, zone, api)


def check_cron(cron: str) -> None:
    """Raise InputError unless Prefect takes the schedule."""
    from prefect.client.schemas.schedules import CronSchedule

    try:
        CronSchedule(cron=cron)
    except ValueError as error:
        raise InputError(f"{cron!r} is not a cron schedule: give minute, hour, day, month and weekday, as in '0 2 * * *' "
                         "for two o'clock every night") from error


def local_zone() -> str:
    """The name of this machine's time zone; UTC where it does not say."""
    link = os.path.realpath(_LOCALTIME)
    name = os.environ.get("TZ") or link.partition("zoneinfo/")[2] or "UTC"
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError):
        return "UTC"


def deployment(root: Path, benchmark: str, *, cron: str, zone: str) -> dict[str, Any]:
    """What `flow.serve` is given: the schedule, the flow's parameters, and one run at a time."""
    from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
    from prefect.flows import EntrypointType
    from prefect.schedules import Cron

    one = ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW)
    return {"name": benchmark, "schedule": Cron(cron, timezone=zone), "paused": False, "global_limit": one, "limit": 1,
            "parameters": {"benchmark": benchmark, "root": str(root)}, "tags": [benchmark, "scheduled"],
            "entrypoint_type": EntrypointType.MODULE_PATH, "print_starting_message": False}


def _serve(root: Path, benchmark: str, cron: str, zone: str, api: str) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from flows.unlearn import unlearn

    # Prefect is imported already and reads the environment no more; the processes of the runs inherit its settings.
    with temporary_settings({PREFECT_API_URL: api}):
        unlearn.serve(**deployment(root, benchmark, cron=cron, zone=zone))
