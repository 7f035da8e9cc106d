"""The plans for a borrowed GPU: rows of commands that share a budget, and go on where they ended when they are begun again."""

import contextlib
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import yaml

Command = Literal["compare", "tune", "shadows", "audit"]


@dataclass(frozen=True)
class Step:
    """A command with its options, by name; of an option without a value the value is "".

    network: instead of the benchmark's own. tuned: with the parameters that a step before has found for this network.
    """

    command: Command
    options: dict[str, str]
    network: str | None = None
    tuned: bool = False

    def changed(self, options: dict[str, str]) -> "Step":
        """With these options in place of those of the same name."""
        return replace(self, options=self.options | {name: options[name] for name in self.options if name in options})


_ALL = "nothing,retrain,aru,aru:best,aru:recommended,random-mask,peers"
_CLEAN = {"methods": _ALL, "protocol": "clean", "seeds": "5", "draws": "3"}
_LEADERS = "aru,aru:best,aru:recommended"
NETWORKS = ("resnet50", "timm/vit_small_patch16_224")
PLANS: dict[str, list[Step]] = {
    "official": [
        Step(
            "compare",
            {
                "methods": "nothing,retrain,aru,aru:vitmul,aru:best,aru:recommended,random-mask,peers",
                "protocol": "official",
                "seeds": "5",
            },
        )
    ],
    "clean": [Step("compare", _CLEAN)],
    "tuned": [Step("tune", {"methods": "all", "trials": "30", "draws": "3"}), Step("compare", _CLEAN, tuned=True)],
    "networks": [
        step
        for network in NETWORKS
        for step in (
            Step("tune", {"methods": "all", "trials": "30", "draws": "1"}, network),
            Step("compare", {"methods": _ALL, "protocol": "clean", "seeds": "3", "draws": "1"}, network, tuned=True),
        )
    ],
    "shadows": [
        Step("shadows", {"models": "32", "protocol": "clean", "unlearn": _LEADERS}),
        Step("compare", {"methods": f"retrain,{_LEADERS}", "protocol": "clean", "seeds": "1", "keep-weights": ""}),
        Step("audit", {"methods": _LEADERS, "protocol": "clean", "level": "full"}),
    ],
}
"""In the order in which they are wanted; whole seeds first."""


def steps_of(plan: str, *, methods: str | None = None, networks: str | None = None, **options: str | None) -> list[Step]:
    """The steps of a plan, with other methods, networks or options (seeds, draws, trials, models) where they are given."""
    wanted = {name: value for name, value in options.items() if value}
    chosen = networks.split(",") if networks else NETWORKS
    found = []
    for step in PLANS[plan]:
        if step.network is not None and step.network not in chosen:
            continue
        if methods and step.command == "shadows":
            wanted["unlearn"] = methods
        if methods:
            wanted["methods"] = f"retrain,{methods}" if step.command == "compare" and plan == "shadows" else methods
        found.append(step.changed(wanted))
    return found


def slug(network: str | None) -> str:
    """The name of a network in files; that of the benchmark's own."""
    return (network or "own").replace("/", "-").replace(":", "-")


def project_of(base: Path, network: str | None) -> Path:
    """The project folder of a network: the base, or one beside it with the same prepared images and other parameters."""
    if network is None:
        return base
    project = base.with_name(f"{base.name}-{slug(network)}")
    if not project.is_dir():
        project.mkdir()
        content = yaml.safe_load((base / "params.yaml").read_text(encoding="utf-8"))
        (benchmark,) = content["benchmarks"]
        content[benchmark]["model"] = {"name": network}
        (project / "params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
        for path in base.glob("*.*"):
            if path.name != "params.yaml":
                shutil.copy(path, project)
        work = project / "work" / benchmark
        work.mkdir(parents=True)
        (work / "prepared").symlink_to((base / "work" / benchmark / "prepared").resolve(), target_is_directory=True)
    return project


def run_plan(steps: Sequence[Step], benchmark: str, base: Path, *, minutes: float, workers: int) -> bool:
    """Run the steps in order, each with what is left of the minutes; whether all were begun.

    A step that runs out of time leaves none for the next. Only audits have no budget: one that is begun is ended.
    """
    end = time.monotonic() + 60 * minutes
    for number, step in enumerate(steps):
        left = (end - time.monotonic()) / 60
        if left <= 0:
            print(f"the time is over: {len(steps) - number} of {len(steps)} steps are left for the next time", flush=True)
            return False
        project = project_of(base, step.network)
        given = [part for name, value in step.options.items() for part in (f"--{name}", value) if part]
        budget = ["--workers", str(workers), "--budget-minutes", f"{left:.3f}"]
        tuned = ["--parameters", "tuned"] if step.tuned else []
        if step.command == "tune":
            from flows.experiments.plain_tuning import main as tune

            _call(tune, [benchmark, *given, *budget], project, f"tune {slug(step.network)}")
        elif step.command == "audit":
            options = {name: value for name, value in step.options.items() if name != "methods"}
            others = [part for name, value in options.items() for part in (f"--{name}", value)]
            for method in step.options["methods"].split(","):
                if time.monotonic() > end:
                    print(f"the time is over before the audit of {method}", flush=True)
                    return False
                _aru(["audit-model", benchmark, method, *others], project, verdict=True)
        else:
            _aru([step.command, benchmark, *given, *tuned, *budget], project)
    return True


def _aru(command: list[str], project: Path, *, verdict: bool = False) -> None:
    from aru.__main__ import main
    from aru.audit.verdicts import EXIT_CODES

    _call(main, command, project, f"aru {command[0]}", fine=tuple(EXIT_CODES.values()) if verdict else (0,))


def _call(main: Callable[[list[str]], int], command: list[str], project: Path, name: str, fine: Sequence[int] = (0,)) -> None:
    began = time.monotonic()
    with contextlib.chdir(project):
        code = main(command)
    print(f"{name}: exit code {code}, {time.monotonic() - began:.0f} s", flush=True)
    if code not in fine:
        raise SystemExit(code)
