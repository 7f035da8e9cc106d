"""`aru serve`: the main flow by a schedule, as long as the command runs. For a service beside it see prefect.yaml."""

import os
import sys
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from aru.core.config import load_config
from aru.core.errors import InputError
from flows.project.environment import environment
from flows.servers import local_servers as servers

PREFECT_PORT = 4200


def serve(
    root: Path, *, benchmark: str, cron: str, prefect_port: int = PREFECT_PORT, runner: str = "flows.pipeline.scheduled_runs"
) -> None:
    """Run the main flow of a benchmark by a cron schedule in local time, until Ctrl-C; or what the module `runner` starts.

    A Prefect server is started where none of this project runs: an in-process one does not schedule. While a run is at
    work a further one is cancelled, not queued. The runs are started by a process beside this one, which ends with it, by
    a kill, too; where that process ends by itself so does the command. Raises InputError for a bad schedule, an unknown
    benchmark, a taken port.
    """
    root, zone = Path(root).resolve(), local_zone()
    load_config(root / "params.yaml", benchmark)
    check_cron(cron)
    with servers.terminated_like_interrupted(), servers.prefect_api(root, prefect_port) as api:
        pages = api.removesuffix("api")  # the first page asks for the login; a page below it would be shown empty
        print(f"{benchmark} runs at {cron!r} ({zone} time). Pages: {pages} (login: .prefect/login)", flush=True)
        process_of_runs = servers.Server(
            "The runner",
            (sys.executable, "-m", runner, str(root), benchmark, cron, zone),
            environment(root) | servers.client(root, api),
            "",
            None,
        )
        with servers.launched(process_of_runs) as process:
            code = process.wait()
    print(f"error: the process that starts the scheduled runs ended by itself, with code {code}", file=sys.stderr)
    raise SystemExit(os.EX_TEMPFAIL)


def check_cron(cron: str) -> None:
    """Raise InputError unless Prefect takes the schedule."""
    from prefect.client.schemas.schedules import CronSchedule

    try:
        CronSchedule(cron=cron)
    except ValueError as error:
        raise InputError(
            f"{cron!r} is not a cron schedule: give minute, hour, day, month and weekday, as in '0 2 * * *' "
            "for two o'clock every night"
        ) from error


def local_zone() -> str:
    """The name of this machine's time zone, or of the one that TZ names.

    Raises InputError where there is none, as for a rule without a name (``CET-1CEST``): schedules are kept by name, and a
    guess would shift them unseen.
    """
    from tzlocal import get_localzone_name

    named = os.environ.get("TZ", "").removeprefix(":")
    try:
        return ZoneInfo((named.partition("zoneinfo/")[2] or named) if named else get_localzone_name() or "").key
    except (LookupError, ValueError, OSError) as error:
        what = f"TZ is {named!r}, which" if named else "this machine's time zone"
        raise InputError(f"{what} has no name that schedules can be kept by: set TZ to one, as in TZ=Europe/Berlin") from error


def deployment(
    root: Path, benchmark: str, *, cron: str, zone: str, paused: bool = False, active: bool = True
) -> dict[str, Any]:
    """What `flow.serve` is given: the schedule, the flow's parameters, and one run at a time.

    The limit is the deployment's alone: one of the serving process' own would keep further runs waiting.
    """
    from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
    from prefect.flows import EntrypointType
    from prefect.schedules import Cron

    one = ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW)
    return {
        "name": benchmark,
        "schedule": Cron(cron, timezone=zone, active=active),
        "paused": paused,
        "global_limit": one,
        "parameters": {"benchmark": benchmark, "root": str(root)},
        "tags": [benchmark, "scheduled"],
        "entrypoint_type": EntrypointType.MODULE_PATH,
        "pause_on_shutdown": False,
        "print_starting_message": False,
    }
