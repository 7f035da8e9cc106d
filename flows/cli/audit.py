"""`aru audit`: a model held to the criteria of thresholds.yaml."""

from typing import Annotated

import typer

from flows.cli.console import show_audit
from flows.cli.context import enter_project, flow_environment
from flows.cli.options import Benchmark, Quiet

commands = typer.Typer()


@commands.command("audit")
def audit_command(
    model: Annotated[
        str,
        typer.Argument(
            help="unlearned, original or retrained; a .safetensors file; or a registered model "
            "NAME, NAME@alias or NAME/version; with --protocol a method of "
            "a comparison that kept its weights."
        ),
    ],
    benchmark: Benchmark = "",
    protocol: Annotated[str | None, typer.Option(help="official or clean: audit the model of a comparison.")] = None,
    draw: Annotated[int, typer.Option(min=0, help="With --protocol: the forget draw.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="With --protocol: the training seed.")] = 0,
    level: Annotated[str, typer.Option(help="quick; standard, beside a retrained model; full, with shadow models.")] = "quick",
    interclass: Annotated[bool, typer.Option("--interclass", help="With full: the interclass test, two trainings.")] = False,
    quiet: Quiet = False,
) -> None:
    """Hold a model to the criteria of thresholds.yaml: pass (exit code 0), inconclusive (3) or fail (4), and one page.

    Any other exit code says that the audit could not be made: 2 where the request was wrong, 1 after a fault.
    """
    root = enter_project()
    compared = f" --protocol {protocol} --draw {draw} --seed {seed}" if protocol else ""
    with flow_environment(root, f"aru audit {model} --benchmark {benchmark} --level {level}{compared}"):
        from flows.experiments.audit import audit

        done = audit(
            model,
            benchmark=benchmark,
            level=level,
            interclass=interclass,
            protocol=protocol,
            draw=draw,
            seed=seed,
            root=root,
            quiet=quiet,
        )
    from aru.audit.verdicts import EXIT_CODES

    show_audit(root, done)
    raise SystemExit(EXIT_CODES[done.record["verdict"]])
