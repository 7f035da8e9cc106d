"""`aru model`: an original that was trained elsewhere, brought in or given up."""

from pathlib import Path
from typing import Annotated, Any

import typer

from flows.cli.console import show_changes
from flows.cli.context import enter_project, progress_shown
from flows.cli.options import Benchmark, read_settings

commands = typer.Typer(name="model", help="Bring in an original model of your own, or go back.", no_args_is_help=True)


@commands.command("import")
def model_import(
    weights: Annotated[Path, typer.Argument(help="A safetensors file, or a state_dict written by torch.save.")],
    arch: Annotated[str, typer.Option(help="A name of torchvision, timm/NAME, or module:function beside params.yaml.")],
    benchmark: Benchmark = "",
    mean: Annotated[str | None, typer.Option(help="What the network expects to be subtracted: 0.5, or 0.5,0.4,0.3.")] = None,
    std: Annotated[str | None, typer.Option(help="What it expects to be divided by then.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE...", help="As in evaluate.retrained=true.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Import a model that answers no better than chance.")] = False,
) -> None:
    """Check weights on some images and make them the original of a benchmark, in place of training one."""
    from flows.project.model_import import import_model

    root = enter_project()
    given: list[tuple[str, Any]] = [("model.mean", _numbers(mean, "--mean")), ("model.std", _numbers(std, "--std"))]
    with progress_shown("check") as progress:
        done = import_model(
            root,
            weights.expanduser().resolve(),
            arch,
            benchmark,
            settings=[*given, *read_settings(settings, None, None)],
            anyway=yes,
            progress=progress,
        )
    show_changes(done.changes)
    print("\n".join(done.notes))
    print(f"The original of {benchmark} is {done.file}, tracked by {done.tracked_by}. Next: aru run --benchmark {benchmark}")


@commands.command("remove")
def model_remove(benchmark: Benchmark = "") -> None:
    """Go back to an original that is trained here; the imported file stays."""
    from flows.project.model_import import remove_model

    show_changes(remove_model(enter_project(), benchmark))


def _numbers(text: str | None, option: str) -> list[float] | None:
    from aru.core.errors import InputError

    try:
        return None if text is None else [float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"{option} {text!r} is no number or three joined by commas: write 0.5 or 0.485,0.456,0.406") from None
