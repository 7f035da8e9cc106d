"""The command `aru`: reads what is asked, calls the room that does it, and says what came of it."""

import errno
import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aru.core.errors import InputError, TrainingError, explained
from flows.cli.console import show_absent, show_audit, show_changes, show_comparison, show_outcome, show_shadows, show_states
from flows.project.folder import find_project, project_lock

if TYPE_CHECKING:
    from flows.pipeline.unlearn import Outcome
    from flows.project.params import Edit
    from flows.project.versioning import Stage

app = typer.Typer(
    help="Make a face classifier forget people, prove how far it did, and keep a trail of it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
data_app = typer.Typer(help="Bring data sets in, look them over, or make the embedded one anew.", no_args_is_help=True)
app.add_typer(data_app, name="data")
shadows_app = typer.Typer(
    help="Shadow models, each trained on a random half of the people: what attacks are calibrated on.", no_args_is_help=True
)
app.add_typer(shadows_app, name="shadows")

Benchmark = Annotated[str, typer.Option(help="An active benchmark of params.yaml.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask where people come along whom data.forget does not name.")]
_BAD_INPUT, _INTERRUPTED = 2, 130
_SEND_SECONDS = 10.0
_TAKES_SEVERAL = ("--set", "--refresh")


@app.command()
def run(
    benchmark: Benchmark = "faces",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE...", help="Set parameters in params.yaml first, as in --set attack.steps=20."
        ),
    ] = None,
    params: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Set all parameters of a YAML file with sections such as attack: {steps: 20}."),
    ] = None,
    preset: Annotated[str | None, typer.Option(help="Set ARU's parameters to a named variant: paper, vitmul or best.")] = None,
    refresh: Annotated[
        list[str] | None,
        typer.Option(metavar="[STAGE...]", help="Compute these stages again (all without a name) though they are cached."),
    ] = None,
    yes: Yes = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Run the main flow: data, original model, attack, mask and reset, fine-tune, retrained reference, evaluation.

    What is cached is not computed again. --preset, --params and --set change params.yaml itself, in this order,
    because DVC, Prefect and MLflow agree on that file; nothing is written unless all of it fits the data, the network
    and the device, and a run that fails leaves the file as it was.
    """
    root = _enter()
    with project_lock(root), _resumable("Finished stages are", f"aru run --benchmark {benchmark}"):
        edit = _prepare_run(root, benchmark, _settings(settings, params, preset), refresh or [], yes=yes, quiet=quiet)
        with _written(edit):
            outcome = _run_flow(root, benchmark, tuple(refresh or ()), quiet)
    show_outcome(root, outcome)


@app.command()
def status(benchmark: Benchmark = "faces") -> None:
    """Show the stages: key, whether each is cached, stale (and because of what), damaged or never run, its outputs."""
    from flows.pipeline.state import states
    from flows.project.plan import absent_data

    root = _enter()
    show_states(benchmark, states(root, benchmark))
    show_absent(absent_data(root))


@app.command()
def benchmark(
    benchmark: Benchmark = "faces",
    methods: Annotated[
        str,
        typer.Option(
            help="Names with commas: scrub, scrub:deepunlearn (a preset), "
            "aru{mask.ratio=0.3}; or all, peers, controls, ablation."
        ),
    ] = "all",
    protocol: Annotated[str, typer.Option(help="official, clean, or both with a comma.")] = "official",
    seeds: Annotated[int, typer.Option(help="Training seeds: originals and retrained models.")] = 3,
    first_seed: Annotated[int, typer.Option(help="The first of the training seeds.")] = 0,
    draws: Annotated[int, typer.Option(help="Draws of people to forget (clean protocol).")] = 1,
    unlearn_seeds: Annotated[int, typer.Option(help="Runs of a method on each original.")] = 1,
    parameters: Annotated[str, typer.Option(help="default, or tuned: the frozen file of `aru tune`.")] = "default",
    keep_weights: Annotated[bool, typer.Option("--keep-weights", help="Keep the weights of all methods' models.")] = False,
    runner: Annotated[str, typer.Option(help="threads, processes, or dask (an extra).")] = "threads",
    dask_address: Annotated[str | None, typer.Option(metavar="ADDRESS", help="With dask: tcp://HOST:PORT.")] = None,
    workers: Annotated[int, typer.Option(help="How many models at once, one thread each.")] = 2,
    budget: Annotated[str | None, typer.Option(metavar="TIME", help="Begin nothing after so long: 90s, 45m, 2h.")] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Only say what would be computed, and how long it would take.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Compare unlearning methods: methods x training seeds x unlearning seeds x draws, each cached by its content."""
    root = _enter()
    _stages(root, benchmark)
    if parameters not in ("default", "tuned"):
        raise InputError(f"--parameters {parameters!r}: it is default or tuned")
    with _flow_environment(root, benchmark, f"aru benchmark --benchmark {benchmark} ..."):
        from flows.experiments.benchmark import Request, compare, parse_budget, show_plan

        request = Request(
            benchmark,
            methods,
            tuple(part.strip() for part in protocol.split(",")),
            seeds,
            first_seed,
            draws,
            unlearn_seeds,
            parameters == "tuned",
            keep_weights,
            runner,
            dask_address,
            workers,
            parse_budget(budget),
        )
        if plan:
            print(show_plan(request, root=root, quiet=quiet))
            return
        done = compare(request, root=root, quiet=quiet)
    show_comparison(root, benchmark, done)


@app.command()
def tune(
    benchmark: Benchmark = "faces",
    methods: Annotated[str, typer.Option(help="Names with commas, or all.")] = "all",
    trials: Annotated[int, typer.Option(help="Trials of each method; the first is its defaults.")] = 10,
    cap: Annotated[float, typer.Option(help="Most CPU seconds of a trial, as a share of retraining's.")] = 0.25,
    draws: Annotated[int, typer.Option(help="Draws of tuning people to forget.")] = 1,
    seeds: Annotated[int, typer.Option(help="Training seeds on each draw.")] = 1,
    seed: Annotated[int, typer.Option(help="Of the search, and the first training seed.")] = 0,
    workers: Annotated[int, typer.Option(help="How many methods at once, one thread each.")] = 2,
    budget: Annotated[str | None, typer.Option(metavar="TIME", help="Begin nothing after so long: 90s, 45m, 2h.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Search every method's parameters on people set apart: equal trials, equal cost. Freezes them in tuned/BENCHMARK.yaml."""
    from aru.comparison.spaces import tunable
    from aru.comparison.trials import Setting
    from aru.core.config import load_config
    from flows.project.params import PARAMS_FILE

    root = _enter()
    _stages(root, benchmark)
    setting = Setting(benchmark, trials, cap, draws, seeds, seed)
    tunable(methods, load_config(root / PARAMS_FILE, benchmark))
    with _flow_environment(root, benchmark, f"aru tune --benchmark {benchmark} ..."):
        from flows.experiments.benchmark import parse_budget
        from flows.experiments.tuning import tune as tune_all

        done = tune_all(setting, methods, root=root, workers=workers, budget_seconds=parse_budget(budget), quiet=quiet)
    if done.unfinished:
        print(f"Not all trials are done, run the same again: {', '.join(done.unfinished)}")
    print(f"Curves:  work/{benchmark}/comparison/tuning.json, figures/\nMLflow:  run {done.run_id}")
    if done.target.is_file():
        print(f"Frozen:  {done.target.relative_to(root)} (`aru benchmark --protocol clean --parameters tuned` reads it)")


@shadows_app.command("build")
def shadows_build(
    benchmark: Benchmark = "faces",
    models: Annotated[int, typer.Option(help="How many in all, an even number; more than there are top the pool up.")] = 16,
    protocol: Annotated[str, typer.Option(help="official or clean.")] = "official",
    unlearn: Annotated[str, typer.Option(metavar="METHODS", help="Unlearn those that saw the forget people, too.")] = "",
    draws: Annotated[int, typer.Option(help="With --unlearn: of how many draws, one by one.")] = 1,
    drop_weights: Annotated[bool, typer.Option("--drop-weights", help="Keep the logits alone, afterwards.")] = False,
    restore_weights: Annotated[bool, typer.Option("--restore-weights", help="Train dropped ones again.")] = False,
    workers: Annotated[int, typer.Option(help="How many models at once, one thread each.")] = 2,
    budget: Annotated[str | None, typer.Option(metavar="TIME", help="Begin nothing after so long: 90s, 45m, 2h.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Train the shadow models that are missing or stale. They are personal data and stay in work/BENCHMARK/shadows/."""
    from aru.shadows.build import Asked

    root = _enter()
    _stages(root, benchmark)
    asked = Asked(models, protocol, unlearn, draws, restore_weights)
    with _flow_environment(root, benchmark, f"aru shadows build --benchmark {benchmark} ..."):
        from flows.experiments.benchmark import parse_budget
        from flows.experiments.shadows import build_pool

        done = build_pool(
            benchmark,
            asked,
            root=root,
            workers=workers,
            drop_weights=drop_weights,
            budget_seconds=parse_budget(budget),
            quiet=quiet,
        )
    print(
        f"{done.trained} trained, {done.cached} were there, {done.unlearned} unlearned"
        + (f", {done.left} left: the budget was over; run the same again" if done.left else ".")
    )


@shadows_app.command("status")
def shadows_status(
    benchmark: Benchmark = "faces",
    protocol: Annotated[str, typer.Option(help="official or clean.")] = "official",
    models: Annotated[int | None, typer.Option(help="How many; all that the pool has had without it.")] = None,
) -> None:
    """Show the shadow models: present, weights dropped, missing, or stale and because of what."""
    from aru.core.config import load_config
    from aru.shadows.build import COLUMNS, Asked, Build, table
    from aru.shadows.pool import open_pool
    from aru.shadows.status import models_there
    from flows.project.params import PARAMS_FILE

    root = _enter()
    work = root / "work" / benchmark
    count = models_there(open_pool(work), protocol) if models is None else models
    build = Build(Asked(count or 2, protocol), load_config(root / PARAMS_FILE, benchmark), work)
    show_shadows(benchmark, protocol, COLUMNS, table(build.entries()))


@app.command("audit")
def audit_command(
    model: Annotated[
        str,
        typer.Argument(
            help="unlearned, original or retrained; a .safetensors file; or a registered model "
            "NAME, NAME@alias or NAME/version; with --protocol a method of "
            "a comparison that kept its weights."
        ),
    ],
    benchmark: Benchmark = "faces",
    protocol: Annotated[str | None, typer.Option(help="official or clean: audit the model of a comparison.")] = None,
    draw: Annotated[int, typer.Option(min=0, help="With --protocol: the forget draw.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="With --protocol: the training seed.")] = 0,
    level: Annotated[str, typer.Option(help="quick; standard, beside a retrained model; full, with shadow models.")] = "quick",
    interclass: Annotated[bool, typer.Option("--interclass", help="With full: the interclass test, two trainings.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Hold a model to the criteria of thresholds.yaml: pass (exit code 0), inconclusive (3) or fail (4), and one page.

    Any other exit code says that the audit could not be made: 2 where the request was wrong, 1 after a fault.
    """
    root = _enter()
    compared = f" --protocol {protocol} --draw {draw} --seed {seed}" if protocol else ""
    with _flow_environment(root, benchmark, f"aru audit {model} --benchmark {benchmark} --level {level}{compared}"):
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


@data_app.command("import")
def data_import(
    layout: Annotated[str, typer.Argument(metavar="mufac|mucac", help="The layout of the data set.")],
    source: Annotated[Path, typer.Argument(help="The MUFAC archive (.zip), or the unpacked MUCAC folder.")],
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE...", help="Set the benchmark's parameters with it, as in data.forget.rows=50."
        ),
    ] = None,
    yes: Yes = False,
) -> None:
    """Check a data set, copy it into data/, track it with DVC and make it an active benchmark."""
    from flows.cli.console import show_data
    from flows.project.checks import asking
    from flows.project.data_import import import_data

    root = _enter()
    done = import_data(
        root,
        layout,
        source.expanduser().resolve(),
        settings=_settings(settings, None, None),
        confirm=asking(yes=yes),
        progress=_shown,
    )
    show_changes(done.changes)
    show_data(done.audit)
    print(
        f"\n{layout} is in {done.archive}, tracked by {done.tracked_by}, and active in params.yaml. Next:\n"
        f"  aru run --benchmark {layout}\n"
        "These are personal data: they and all that is made of them stay here until you give the remote `store` a place\n"
        f"(docs/operation.md). Commit {done.tracked_by} and params.yaml only where others may know of them."
    )


@data_app.command("audit")
def data_audit(
    benchmark: Benchmark = "faces",
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the figures as JSON, too.")] = None,
) -> None:
    """Count duplicates, people on both sides of the cut, leaks, conflicts and label shift; list merged people and suspects."""
    from aru.core.files import write_json
    from flows.cli.console import show_data
    from flows.project.data_import import audit_data

    with _shown("audit") as progress:
        audit = audit_data(_enter(), benchmark, progress=progress)
    show_data(audit)
    print("\n".join(audit["selection"]))
    if json is not None:
        write_json(json, audit)


@data_app.command("make")
def data_make() -> None:
    """Generate the embedded benchmark's archive data/faces.zip anew; the same bytes unless its generator changed."""
    from flows.project.data_import import make_faces

    root = _enter()
    with _shown("make") as progress:
        target = make_faces(root, progress=progress)
    print(f"{target.relative_to(root)} is made and tracked by data.dvc")


@app.command()
def ui(
    mlflow_port: Annotated[int, typer.Option(help="Port of MLflow's pages.")] = 5000,
    prefect_port: Annotated[int, typer.Option(help="Port of Prefect's pages.")] = 4200,
) -> None:
    """Serve the pages of MLflow (figures, models) and Prefect (flow runs) until Ctrl-C."""
    from flows.cli.pages import open_pages

    open_pages(_enter(), mlflow_port=mlflow_port, prefect_port=prefect_port)


@app.command("serve")
def serve_command(
    benchmark: Benchmark = "faces",
    cron: Annotated[str, typer.Option(help="When, as minute, hour, day, month and weekday in local time.")] = "0 2 * * *",
    prefect_port: Annotated[int, typer.Option(help="Port of Prefect's server and pages.")] = 4200,
) -> None:
    """Run the main flow by a schedule until Ctrl-C; one run at a time."""
    from flows.servers.serving import serve

    serve(_enter(), benchmark=benchmark, cron=cron, prefect_port=prefect_port)


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point. Bad input ends with one message and exit code 2; a fault of ours keeps its traceback."""
    try:
        app(args=spread(list(sys.argv[1:] if arguments is None else arguments)), prog_name="aru")
    except (InputError, TrainingError) as error:
        _fail(explained(error))
    except Exception as error:
        if not _disk_is_full(error):
            raise
        _fail(
            f"the disk is full ({error}). Finished stages are kept. Free some space, for example with `dvc gc -w` "
            "(old versions in .dvc/cache) or by removing old runs in mlruns/, and run the same command again"
        )


def spread(arguments: list[str]) -> list[str]:
    """Let --set and --refresh take several values, and --refresh none, which stands for all stages."""
    spread_out: list[str] = []
    option = None
    for position, argument in enumerate(arguments):
        if argument in _TAKES_SEVERAL:
            option = argument
            bare = position + 1 == len(arguments) or arguments[position + 1].startswith("-")
            spread_out += [argument, "all"] if bare and argument == "--refresh" else [argument] if bare else []
        elif argument.startswith("-"):
            option = None
            spread_out.append(argument)
        else:
            spread_out += [option, argument] if option else [argument]
    return spread_out


def _enter() -> Path:
    """The project that the working directory is in, with the environment that its tools need."""
    from flows.project.environment import prepare_environment

    root = find_project(Path.cwd())
    prepare_environment(root)
    return root


def _stages(root: Path, benchmark: str) -> "list[Stage]":
    """The stages of an active benchmark whose parameters are valid, and whose data and code are there."""
    from aru.core.config import load_config
    from flows.project.params import PARAMS_FILE
    from flows.project.plan import check_sources, plan

    load_config(root / PARAMS_FILE, benchmark)
    stages = plan(root, benchmark)
    check_sources(root, stages)
    return stages


def _settings(settings: list[str] | None, params: Path | None, preset: str | None) -> list[tuple[str, Any]]:
    """The parameters that a command sets; a later one wins."""
    from flows.project.params import file_settings, parse_setting, preset_settings

    return [
        *(preset_settings(preset) if preset else []),
        *(file_settings(params) if params else []),
        *(parse_setting(text) for text in settings or []),
    ]


def _prepare_run(
    root: Path, benchmark: str, settings: list[tuple[str, Any]], refresh: list[str], *, yes: bool, quiet: bool
) -> "Edit":
    """Everything that can be wrong with the request is found here, before params.yaml is touched or work starts."""
    from flows.project.checks import asking, check_edit
    from flows.project.params import PARAMS_FILE, propose
    from flows.project.plan import absent_data, refreshed

    stages = _stages(root, benchmark)
    refreshed(stages, tuple(refresh))
    edit = propose(root / PARAMS_FILE, benchmark, settings)
    check_edit(root, benchmark, stages, edit, confirm=asking(yes=yes), progress=partial(_shown, quiet=quiet))
    show_changes(edit.changes)
    show_absent(absent_data(root))
    return edit


@contextmanager
def _written(edit: "Edit") -> Iterator[None]:
    """Write changed parameters for a run; where it fails they are taken back, where it is interrupted it can go on."""
    edit.write()
    try:
        yield
    except BaseException as error:
        if not _is_interruption(error) and edit.take_back():
            print("params.yaml is again as it was before this run", file=sys.stderr)
        raise


def _run_flow(root: Path, benchmark: str, refresh: tuple[str, ...], quiet: bool) -> "Outcome":
    with _prefect(root):
        from flows.pipeline.unlearn import unlearn

        return unlearn(benchmark, refresh=refresh, root=root, quiet=quiet)


@contextmanager
def _flow_environment(root: Path, benchmark: str, command: str) -> Iterator[None]:
    """Where another flow than the main one runs: stopped by Ctrl-C, it says how to go on."""
    with _resumable("What is done is", command), _prefect(root):
        yield


@contextmanager
def _prefect(root: Path) -> Iterator[None]:
    """A Prefect server for the length of a block; prefect must not be imported before it."""
    from flows.project.discretion import disclosed
    from flows.servers.local_servers import flow_api, terminated_like_interrupted

    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")  # errors are told once, by `main`
    with _one_sentence(root), disclosed(), terminated_like_interrupted(), flow_api(root, _import_flows):
        from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

        try:
            with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):  # joining its thread takes a second
                yield
        finally:
            _send_rest()


@contextmanager
def _one_sentence(root: Path) -> Iterator[None]:
    """Say what is wrong with Prefect's database where its server could not go on."""
    from flows.servers.database import prefect_fault

    try:
        yield
    except Exception as error:
        if said := prefect_fault(root, error):
            raise InputError(said) from error
        raise


def _import_flows(api: str) -> None:
    """Import what every flow needs, which takes seconds, while the server starts."""
    importlib.import_module("flows.pipeline.unlearn")


def _send_rest() -> None:
    """Send Prefect's last logs and events: its threads would look for the server for minutes once that is gone."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    for service in (EventsWorker, APILogWorker):
        service.drain_all(timeout=_SEND_SECONDS)


@contextmanager
def _resumable(kept: str, command: str) -> Iterator[None]:
    """Where Ctrl-C, and whatever it makes libraries raise on their way out, ends with how to go on."""
    try:
        yield
    except BaseException as error:
        if not _is_interruption(error):
            raise
        also = "" if isinstance(error, KeyboardInterrupt) else f" On the way out: {type(error).__name__}: {error}"
        print(f"\nstopped. {kept} kept: `{command}` goes on from there.{also}", file=sys.stderr)
        raise SystemExit(_INTERRUPTED) from None


def _is_interruption(error: BaseException | None) -> bool:
    """Whether an error is a Ctrl-C, or came up while one was handled."""
    return error is not None and (isinstance(error, KeyboardInterrupt) or _is_interruption(error.__context__))


@contextmanager
def _shown(name: str, *, quiet: bool = False) -> Iterator:
    from flows.pipeline.progress import make_board

    with make_board(quiet=quiet) as board, board.stage(name) as progress:
        yield progress


def _disk_is_full(error: BaseException | None) -> bool:
    """Whether an error, or what caused it, is a full disk; libraries below Python only say so in words."""
    if error is None:
        return False
    said = "No space left on device" in str(error) or "disk is full" in str(error)
    return getattr(error, "errno", None) == errno.ENOSPC or said or _disk_is_full(error.__cause__)


def _fail(message: str) -> None:
    print(f"error: {message}", file=sys.stderr)
    raise SystemExit(_BAD_INPUT)
