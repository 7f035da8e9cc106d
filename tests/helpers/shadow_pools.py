"""A small project with a pool of two shadow models, and what its tests do with pools."""

from pathlib import Path
from typing import Any

import yaml

from aru.comparison.choices import Choice, parse_choice
from aru.comparison.draws import Draw
from aru.compute.device import make_compute
from aru.core.config import Config, load_config
from aru.shadows.pool import Shadow, open_pool, shadows_of, train_shadow
from aru.shadows.population import load_population
from aru.shadows.status import status, to_build
from aru.shadows.unlearned import not_unlearned, unlearn_shadow
from aru.stages.runner import run
from tests.helpers.archives import mufac_members, write_zip

CHECKOUT = Path(__file__).resolve().parents[2]


PERSON = "F0001/D"


SMALL: dict[str, dict[str, Any]] = {
    "model": {"name": "shufflenet_v2_x0_5"},
    "data": {"resolution": 64, "forget": {"subjects": [PERSON]}, "merge": {"same": [[PERSON, "F0002/D"]]}},
    "train": {"epochs": 2, "batch_size": 16, "lr": 0.01, "schedule": "constant"},
    "runtime": {"precision": "fp32"},
    "finetune": {"epochs": 1, "batch_size": 16},
}


def archive_members() -> dict[str, bytes]:
    """An archive in which a photo is filed twice under one person, and F0001/D shares a photo with F0002/D.

    One of two photos makes them suspects only; that they are one person, the parameters say.
    """
    members = mufac_members(families=30, photos=2)
    table = members["custom_train_dataset.csv"].decode()
    first = next(name for name in members if "F0001_AGE_D" in name)
    age = Path(first).stem[-2]
    for family in ("F0001", "F0002"):
        name = f"{family}_AGE_D_18_{age}9.jpg"
        members[f"train_images/{name}"] = members[first]
        table += f"{family},D,{age},{name}\n"
    return members | {"custom_train_dataset.csv": table.encode()}


def write_params(root: Path, changes: dict[str, dict[str, Any]]) -> Config:
    """Write params.yaml with these changes of `SMALL`, and load it."""
    section = yaml.safe_load((CHECKOUT / "params.yaml").read_text())["faces"]
    for name in {*SMALL, *changes}:
        section[name] |= SMALL.get(name, {}) | changes.get(name, {})
    (root / "params.yaml").write_text(yaml.safe_dump({"benchmarks": {"small": "data/small.zip"}, "small": section}))
    return load_config(root / "params.yaml", "small")


def prepare(root: Path) -> None:
    """Write the archive and the parameters, and run the stage `prepare`."""
    write_zip(root / "data" / "small.zip", archive_members())
    write_params(root, {})
    run("prepare", "small", root=root)


def plan(root: Path, models: int, protocol: str = "official", config: Config | None = None) -> list[Shadow]:
    """The first `models` shadows of a protocol."""
    config = config or load_config(root / "params.yaml", "small")
    population = load_population(root / "work" / "small" / "prepared", protocol, config)
    return shadows_of(population, config, make_compute(config.runtime), models)


def build(root: Path, models: int) -> list[Shadow]:
    """Train the shadows that are missing or stale."""
    shadows, config = plan(root, models), load_config(root / "params.yaml", "small")
    for shadow in to_build(states(root, shadows)):
        train_shadow(shadow, config, root / "work" / "small")
    return shadows


def states(root: Path, shadows: list[Shadow]) -> list:
    """The entries of the shadows."""
    config = load_config(root / "params.yaml", "small")
    population = load_population(root / "work" / "small" / "prepared", shadows[0].protocol, config)
    return status(shadows, store_of(root), population.scored)


def store_of(root: Path) -> Any:
    """The store of the pool."""
    return open_pool(root / "work" / "small")


def contents(root: Path, shadow: Shadow) -> dict[str, bytes]:
    """What an entry's files say; the record, which has times in it, apart."""
    folder = store_of(root).at(shadow.key)
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "record.json"}


def choice(config: Config, text: str = "finetune{epochs=1}") -> Choice:
    """A method with few epochs."""
    return parse_choice(text, config)


def unlearn(root: Path, shadows: list[Shadow], draw: Draw, chosen: Choice) -> None:
    """Unlearn the shadows that were trained on the people of the draw."""
    config, work = load_config(root / "params.yaml", "small"), root / "work" / "small"
    for shadow in not_unlearned(shadows, draw, chosen, config, work):
        unlearn_shadow(shadow, draw, chosen, config, work)
