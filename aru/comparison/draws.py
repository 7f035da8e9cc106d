"""Forget draws: the people to forget, the people to retain, and those set aside for tuning."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from aru.compute.keys import digest
from aru.core.config import Config, MergeConfig
from aru.core.errors import InputError
from aru.core.label_columns import label_columns
from aru.core.names import SETS
from aru.data.classes import outputs_of, read_classes
from aru.data.images import Sets, load_images, sets_by_role
from aru.data.prepared import IMAGES, Stamp, manifest_of, pixels_of, stamp_of
from aru.data.splits import assign_roles
from aru.data.subjects import DEFAULT_MERGE, split_groups

Protocol = Literal["official", "clean", "tuning"]
PROTOCOLS: tuple[Protocol, ...] = ("official", "clean", "tuning")
TUNING_SHARE = 0.3
"""Share of the training people who are set aside for tuning and shadow calibration; clean draws never contain them."""
FORGET_SHARE = 0.15
"""Share of a clean draw's training people who are forgotten; the official cut forgets 15 % of the images."""
_TUNING_TEST, _TUNING_UNSEEN = 0.2, 0.2  # shares of the tuning people who are its test and its unseen people
_PEOPLE_SEED = 20240115  # the split of the people never changes; the month of the paper, arXiv 2401.08998


@dataclass(frozen=True)
class Draw:
    """One unlearning problem: official, the benchmark's own cut; clean or tuning, the `number`-th draw of people."""

    protocol: Protocol
    number: int = 0


def parse_protocol(name: str) -> Protocol:
    """The protocol of this name. Raises InputError where there is none."""
    found = next((protocol for protocol in PROTOCOLS if protocol == name), None)
    if found is None:
        raise InputError(f"unknown protocol {name!r}: the protocols are {', '.join(PROTOCOLS)}")
    return found


def draws_of(protocol: str, count: int, first: int = 0) -> list[Draw]:
    """`count` draws from number `first` on; the official cut is one, whatever the count."""
    if count < 1:
        raise InputError(f"{count} draws: at least one is needed")
    begin = draw_of(protocol, first)
    return [Draw(begin.protocol, first + further) for further in range(1 if begin.protocol == "official" else count)]


def draw_of(protocol: str, number: int) -> Draw:
    """The draw of this number, from 0 on; InputError where there is none."""
    known = parse_protocol(protocol)
    if number < 0:
        raise InputError(f"draw {number}: draws count from 0")
    if known == "official" and number:
        raise InputError(f"protocol {protocol} has one draw, number 0, not number {number}")
    return Draw(known, number)


def assign(manifest: pd.DataFrame, draw: Draw, config: Config) -> pd.DataFrame:
    """The manifest with the roles of this draw; a row that the draw does not use has the role "".

    official: the benchmark's cut to the letter, all people. clean: copies merged, each person on one side, unseen matched
    to forget by class, `FORGET_SHARE` of the training people forgotten, the tuning people nowhere. tuning: the same kind
    of problem made of the tuning people alone, of whom some are never trained on.
    """
    if draw.protocol == "official":
        forget = config.data.forget.model_dump(exclude_none=True)
        return assign_roles(
            manifest,
            layout=config.data.layout,
            protocol="official",
            forget=forget,
            seed=config.data.seed,
            merge=config.data.merge,
        )
    apart = tuning_people(manifest, config.data.merge)
    inside = manifest["subject"].isin(apart)
    part = _tuning_splits(manifest[inside], apart) if draw.protocol == "tuning" else manifest[~inside]
    people = part.loc[part["split"] == "train", "subject"].nunique()
    forget = {"draw": max(1, round(FORGET_SHARE * people)), "draw_seed": draw.number}
    roles = assign_roles(
        part.reset_index(drop=True),
        layout=config.data.layout,
        protocol="clean",
        forget=forget,
        seed=draw.number,
        merge=config.data.merge,
    )
    filled = manifest.assign(role="")
    filled.loc[part.index, "role"] = roles["role"].to_numpy()
    return filled


def tuning_people(manifest: pd.DataFrame, merge: MergeConfig = DEFAULT_MERGE) -> list[str]:
    """The subjects set aside for tuning, a fixed share of those with a training photo, in a fixed random order.

    Who may be the same person is set aside together, beyond the share.
    """
    people = np.array(sorted(manifest.loc[manifest["split"] == "train", "subject"].unique()))
    count = round(TUNING_SHARE * len(people))
    if count < 10:
        raise InputError(
            f"{len(people)} people have training photos: setting {TUNING_SHARE:.0%} aside leaves {count} for "
            "tuning, at least 10 are needed: bring in more people, or compare under protocol official with the defaults"
        )
    chosen = np.random.default_rng(_PEOPLE_SEED).permutation(people)[:count].tolist()
    side = dict(zip(manifest["subject"], split_groups(manifest, merge), strict=True))
    held = {side[subject] for subject in chosen}
    return chosen + sorted({subject for subject in side if side[subject] in held}.difference(chosen))


def load_draw(prepared: Path, draw: Draw, config: Config) -> tuple[Sets, dict[str, np.ndarray], dict[str, str]]:
    """The sets of a draw from what the stage `prepare` wrote; the subject of every image, by set; a digest of each set.

    Raises InputError where the images are of another size than the parameters say.
    """
    return _load_draw(Path(prepared), stamp_of(prepared), draw, config)


@lru_cache(maxsize=4)
def _load_draw(prepared: Path, stamp: Stamp, draw: Draw, config: Config) -> tuple[Sets, dict[str, np.ndarray], dict[str, str]]:
    manifest = assign(manifest_of(prepared), draw, config)
    images = load_images(prepared / IMAGES, len(manifest))
    side = images.shape[1]
    if side != config.data.resolution:
        raise InputError(
            f"the images in {prepared} are {side} px wide, data.resolution is {config.data.resolution}: run the "
            "stage 'prepare' again"
        )
    outputs = outputs_of(read_classes(prepared), config.data.task)
    sets = sets_by_role(manifest, images, config.data.task, outputs)
    subjects = manifest["subject"].to_numpy()
    digests = set_digests(manifest, pixels_of(prepared), outputs, config)
    return sets, {name: subjects[getattr(sets, name).rows] for name in vars(sets)}, digests


def distinct_draws(prepared: Path, draws: Iterable[Draw], config: Config) -> tuple[dict[Draw, dict[str, str]], list[str]]:
    """Each draw with its digests by set, and a sentence for each that is an earlier one of its protocol again.

    Few people can be drawn alike by two numbers; one problem that counted twice would make intervals too narrow.
    """
    found: dict[Draw, dict[str, str]] = {}
    left_out = []
    for draw in dict.fromkeys(draws):
        _, _, sets = load_draw(prepared, draw, config)
        same = next((known for known in found if known.protocol == draw.protocol and found[known] == sets), None)
        if same is None:
            found[draw] = sets
        else:
            left_out.append(f"{draw.protocol} draw {draw.number} is draw {same.number} again and is left out: it counts once")
    return found, left_out


def set_digests(manifest: pd.DataFrame, pixels: np.ndarray, outputs: int, config: Config) -> dict[str, str]:
    """A digest of each set: its images' pixels and labels in order, their size, and the outputs of a model of them.

    pixels: (N,) digests of the manifest's rows; outputs: which a class adds that occurs in no set of training, too.
    """
    rows = manifest[list(label_columns(config.data.task))].assign(pixels=pixels)
    found: dict[str, str] = {}
    parts: dict[str, Any] = {role: manifest["role"] == role for role in SETS}
    parts["train"] = parts["forget"] | parts["retain"]
    for name, chosen in parts.items():
        found[name] = digest([config.data.resolution, config.data.task, outputs, rows[chosen].to_numpy().tolist()])
    return found


def _tuning_splits(part: pd.DataFrame, people: list[str]) -> pd.DataFrame:
    """Training rows of the tuning people, some of the people moved to the test and unseen sides."""
    tests, unseen = (round(share * len(people)) for share in (_TUNING_TEST, _TUNING_UNSEEN))
    side = dict.fromkeys(people, "train") | dict.fromkeys(people[:tests], "val")
    side |= dict.fromkeys(people[tests : tests + unseen], "test")
    rows = part[part["split"] == "train"]
    return rows.assign(split=rows["subject"].map(side))
