"""What tuning leaves behind: every method's trials, and the file of frozen parameters that a comparison reads."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NotRequired, TypedDict, cast

import yaml

from aru.comparison.choices import Tuned, nested
from aru.comparison.draws import tuning_people
from aru.comparison.keys import trained_here
from aru.comparison.parameter_sets import CAPPED, DEFAULT, TUNED
from aru.comparison.spaces import SPACES
from aru.comparison.trials import OBJECTIVE, Outcome, Setting, State, tuning_draws
from aru.compute.keys import digest
from aru.core.config import Config
from aru.core.errors import InputError
from aru.core.files import atomic_path
from aru.core.safe_yaml import parse_yaml
from aru.data.manifest import read_manifest
from aru.methods.chosen import PRESET
from aru.methods.registry import find

_HEADER = "# Written by `aru tune`; read by `aru benchmark --parameters tuned`. No parameters: the defaults were best.\n"
_STATES: tuple[State, ...] = ("done", "failed", "over the cap")


class TrialRow(TypedDict):
    """A trial in the curve of its method: what it changed and scored, and the best score and CPU seconds up to it."""

    trial: int
    parameters: dict[str, Any]
    state: State
    score: float | None
    cpu_seconds: float
    message: str
    best: float | None
    spent_cpu_seconds: float


class TunedFor(TypedDict):
    """What tuned parameters may be reported on: the same images, network and recipe, and none of the people tuned on.

    people: a digest of the tuning people, so that no draw of a comparison contains them. train: the recipe of originals.
    network: what the section `model` sets beside the name, such as the digests of own code and of first weights.
    """

    benchmark: str
    task: str
    model: str
    network: NotRequired[dict[str, Any]]
    resolution: int
    train: dict[str, Any]
    people: str


class TunedSetting(TunedFor):
    """The fields of `Setting` and the objective beside what the parameters hold for."""

    trials: int
    cap: float
    draws: int
    seeds: int
    seed: int
    objective: str


class CappedTrial(TypedDict):
    """As of `TunedMethod`, of the trials that cost no more than the cap."""

    parameters: dict[str, Any] | None
    score: float | None


class TunedMethod(TypedDict):
    """The best trial of a method; parameters None where no trial had a score, empty where the defaults were best.

    base: the defaults that the parameters change, those of them that are others by now. capped: the best trial within the
    cap, where the best of all is a published setting beyond it.
    """

    base: NotRequired[dict[str, Any]]
    parameters: dict[str, Any] | None
    score: float | None
    capped: NotRequired["CappedTrial"]
    score_of_defaults: float | None
    trials: dict[State, int]


class MeasuredMethod(TypedDict):
    """What a clock measured of a method."""

    cpu_seconds: float


class TunedFile(TypedDict):
    """The content of `tuned_file`, methods by name."""

    meta: TunedSetting
    methods: dict[str, TunedMethod]
    measured: dict[str, MeasuredMethod]


@dataclass(frozen=True)
class Trial:
    """The parameters that a trial changed, dotted, and what came of it; the first trial changes none."""

    parameters: Mapping[str, Any]
    outcome: Outcome


def best(trials: Sequence[Trial]) -> Trial | None:
    """The trial of the highest score, the earliest of equals; None where none has one."""
    scored = [trial for trial in trials if trial.outcome.score is not None]
    return max(scored, key=lambda trial: trial.outcome.score or 0.0, default=None)


def curve(trials: Sequence[Trial]) -> list[TrialRow]:
    """A row a trial, in their order."""
    rows: list[TrialRow] = []
    for number, trial in enumerate(trials):
        leader, outcome = best(trials[: number + 1]), trial.outcome
        rows.append(
            {
                "trial": number,
                "parameters": dict(trial.parameters),
                "state": outcome.state,
                "score": outcome.score,
                "cpu_seconds": outcome.cpu_seconds,
                "message": outcome.message,
                "best": leader.outcome.score if leader else None,
                "spent_cpu_seconds": round(sum(each.outcome.cpu_seconds for each in trials[: number + 1]), 3),
            }
        )
    return rows


def tuned_file(root: Path, benchmark: str, config: Config) -> Path:
    """The file of frozen parameters of a benchmark, network and resolution: several lie side by side."""
    network = re.sub(r"[^\w.-]+", "-", config.model.name)
    return Path(root) / "tuned" / f"{benchmark}-{network}-{config.data.resolution}px.yaml"


def tuned_for(benchmark: str, config: Config, work: Path) -> TunedFor:
    """What parameters hold for that are tuned now; of the tuning people a digest, not their ids."""
    people = tuning_people(read_manifest(work / "prepared" / "manifest.csv"), config.data.merge)
    network = {name: value for name, value in trained_here(config).items() if name != "name" and value is not None}
    holds: TunedFor = {
        "benchmark": benchmark,
        "task": config.data.task,
        "model": config.model.name,
        "resolution": config.data.resolution,
        "train": config.train.model_dump(mode="json"),
        "people": digest(sorted(people)),
    }
    if network:
        holds["network"] = network
    return holds


def meta_of(setting: Setting, config: Config, work: Path) -> TunedSetting:
    """What the frozen parameters hold for, and how they were searched; draws are those that differ."""
    return {
        **tuned_for(setting.benchmark, config, work),
        "trials": setting.trials,
        "cap": setting.cap,
        "draws": len(tuning_draws(setting, config, work / "prepared")[0]),
        "seeds": setting.seeds,
        "seed": setting.seed,
        "objective": OBJECTIVE,
    }


def frozen(meta: TunedSetting, methods: Mapping[str, Sequence[Trial]], affordable: float = math.inf) -> TunedFile:
    """The file's content. What was measured with a clock stands apart: all else is the same when it is made again.

    affordable: the CPU seconds that the cap leaves a trial, all its models together.
    """
    content: TunedFile = {"meta": meta, "methods": {}, "measured": {}}
    for name, trials in methods.items():
        leader = best(trials)
        content["methods"][name] = {
            "parameters": dict(leader.parameters) if leader else None,
            "score": leader.outcome.score if leader else None,
            "score_of_defaults": trials[0].outcome.score,
            "trials": {state: sum(trial.outcome.state == state for trial in trials) for state in _STATES},
        }
        within = best([trial for trial in trials if trial.outcome.cpu_seconds <= affordable])
        if within is not leader:
            content["methods"][name]["capped"] = {
                "parameters": dict(within.parameters) if within else None,
                "score": within.outcome.score if within else None,
            }
        content["measured"][name] = {"cpu_seconds": round(sum(trial.outcome.cpu_seconds for trial in trials), 1)}
    return content


def merged(path: Path, content: TunedFile) -> TunedFile:
    """The content with the methods that the file has beside them; a file made in another setting is refused."""
    if not path.is_file():
        return content
    old = _read(path)
    if said := _differing(old["meta"], content["meta"]):
        raise InputError(
            f"{path} holds methods of {said}: tuning is equal with one setting only; move the file away to begin anew"
        )
    return {
        "meta": content["meta"],
        "methods": {**old["methods"], **content["methods"]},
        "measured": {**old["measured"], **content["measured"]},
    }


def write_tuned(path: Path, content: TunedFile) -> None:
    """Write the file: sorted, the same bytes for the same content."""
    text = yaml.safe_dump(dict(content), sort_keys=True, allow_unicode=True, default_flow_style=False)
    with atomic_path(path) as temporary:
        temporary.write_text(_HEADER + text, encoding="utf-8")


def load_tuned(path: Path, variant: str = TUNED) -> Tuned:
    """The tuned parameters, `TUNED` or `CAPPED`, as changes of the defaults; methods without a scored trial are not there.

    Raises InputError where the file is missing or damaged, or holds a method or a value that tuning could not choose.
    """
    content, found = _read(path), {}
    for name, entry in content["methods"].items():
        find(name)
        source = entry.get("capped", entry) if variant == CAPPED and isinstance(entry, dict) else entry
        parameters = source.get("parameters", ()) if isinstance(source, dict) else ()
        if not (parameters is None or isinstance(parameters, dict)):
            raise InputError(f"{path}: {name} has no parameters: run `aru tune --methods {name}` again")
        base = entry.get("base", {}) if isinstance(entry, dict) else {}
        if not isinstance(base, dict):
            raise InputError(f"{path}: base of {name} is {base!r}: give the parameters that the tuned ones change, or none")
        find(name).configure(**nested(base))
        for key, value in (parameters or {}).items():
            if key == PRESET and value in find(name).presets:
                continue
            if key not in SPACES.get(name, {}) or not SPACES[name][key].holds(value):
                raise InputError(
                    f"{path}: {name} has {key} = {value!r}, which is not in the space of its tuning "
                    "(aru/comparison/spaces.py): remove the file and tune again"
                )
        if parameters is not None:
            found[name] = nested({**base, **parameters})
    return Tuned(variant, found)


def tuned_parameters(root: Path, benchmark: str, config: Config, work: Path, variant: str = TUNED) -> Tuned:
    """What `load_tuned` finds in the `tuned_file` below `root`; `work` has the prepared images.

    Raises InputError, too, where it was tuned for another recipe, or on people who are not the tuning people by now:
    such would be among those who are reported.
    """
    path = tuned_file(root, benchmark, config)
    found = load_tuned(path, variant)
    now = tuned_for(benchmark, config, work)
    before = {name: value for name, value in _read(path)["meta"].items() if name in TunedFor.__annotations__}
    if said := _differing(before, now):
        raise InputError(f"{path} was tuned for {said}: `aru tune` in this setting, with the file moved away")
    return found


def chosen_parameters(
    root: Path, benchmark: str, config: Config, work: Path, parameters: str, protocols: Iterable[str]
) -> Tuned | None:
    """What plain names of methods stand for in a comparison under these protocols: None is their defaults.

    parameters: one of `PARAMETERS`. Raises InputError as `tuned_parameters` and `check_tuned_protocol` do.
    """
    if parameters == DEFAULT:
        return None
    for protocol in protocols:
        check_tuned_protocol(protocol)
    return tuned_parameters(root, benchmark, config, work, parameters)


def check_tuned_protocol(protocol: str) -> None:
    """Refuse tuned parameters where the people they were tuned on are among those who are reported."""
    if protocol != "clean":
        raise InputError(
            f"tuned parameters cannot be reported under protocol {protocol!r}: the tuning people are part of it; "
            "use protocol clean, whose draws never contain them, or the defaults"
        )


def _differing(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """The first field whose values differ, of a recipe its first parameter, with both; empty where all are equal."""
    for name in {**before, **now}:
        old, new = before.get(name), now.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping) and old != new:
            return f"{name}.{_differing(old, new)}"
        if old != new:
            return f"{name} {old!r}, not {new!r}"
    return ""


def _read(path: Path) -> TunedFile:
    try:
        content = parse_yaml(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        there = ", ".join(sorted(each.name for each in Path(path).parent.glob("*.yaml")))
        others = f" (others there: {there})" if there else ""
        raise InputError(f"{path} does not exist: `aru tune` writes it{others}") from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path} is not YAML ({error}): remove it and run `aru tune` again") from error
    parts = ("meta", "methods", "measured")
    if not isinstance(content, dict) or not all(isinstance(content.get(part), dict) for part in parts):
        raise InputError(f"{path} is not a file of tuned parameters ({', '.join(parts)}): remove it and run `aru tune` again")
    return cast(TunedFile, content)
