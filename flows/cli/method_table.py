"""`aru methods`: what can be a benchmark's method, and the parameters of each."""

from typing import Annotated

import typer

commands = typer.Typer()


@commands.command()
def methods(
    name: Annotated[str | None, typer.Argument(help="A method, for its parameters with their values by preset.")] = None,
) -> None:
    """List the unlearning methods, or the parameters of one.

    `aru run --method NAME --set unlearn.NAME.PARAMETER=VALUE` sets them; ARU's are sections of params.yaml.
    """
    from aru.methods.catalogue import check_name_of_method
    from flows.cli.console import show_method, show_methods

    if name is None:
        show_methods()
    else:
        show_method(check_name_of_method(name))
