"""`aru erase`: what holds the data of a closed deletion request, listed and removed."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.context import enter_project

if TYPE_CHECKING:
    from flows.requests.erasing.erasure import Agree, Plan

commands = typer.Typer()
_MOST = 20


@commands.command()
def erase(
    request: Annotated[str, typer.Argument(metavar="REQUEST", help="Its id, as in R-000001.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what holds the person's data.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before anything is removed.")] = False,
) -> None:
    """Remove what holds a fulfilled request's photos and names, or was made from them (docs/erasure.md)."""
    from flows.requests.erasing.erasure import erase as carry_out
    from flows.requests.erasing.erasure import planned
    from flows.requests.ledger.ledger import project_ledger
    from flows.requests.ledger.records import operator

    root = enter_project()
    with project_ledger(root) as ledger:
        if dry_run:
            _show(planned(root, ledger, request))
            return
        plan = carry_out(root, ledger, request, actor=operator(), agree=_agree(root, request, yes=yes))
    _show(plan)
    if plan.certificate:
        print(f"certificate: {plan.certificate.relative_to(root)}")
    if plan.names:
        print("commit params.yaml, dvc.lock, suppression.jsonl and the .dvc files; `dvc push` where a remote has the archive")
    else:
        print(f"nothing of {request} was left")


def _agree(root: Path, request: str, *, yes: bool) -> "Agree":
    """Show the plan; without --yes ask on a terminal, and refuse elsewhere."""
    import sys

    from aru.core.errors import InputError

    def agree(plan: "Plan") -> None:
        if yes:
            return
        _show(plan)
        if not sys.stdin.isatty():
            raise InputError(f"nothing was removed: say --yes to remove this for good (`aru erase {request} --yes`)")
        if input("Remove all of it for good? [y/N] ").strip().lower() not in ("y", "yes"):
            raise InputError("nothing was removed")

    return agree


def _show(plan: "Plan") -> None:
    from flows.cli.request_console import printable

    for place in plan.places:
        count = "?" if place.found is None else str(place.found)
        print(printable(f"{count:>6}  {place.name}: {place.done}"))
        for name in plan.names.get(place.name, [])[:_MOST]:
            print(printable(f"          {name}"))
        if len(plan.names.get(place.name, [])) > _MOST:
            print(f"          and {len(plan.names[place.name]) - _MOST} more")
