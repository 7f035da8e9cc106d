"""A request to a shadow pool: the people to forget, the photos to score, and the sets of each shadow.

A request is a draw's forget people. In a shadow its forget set is all that the shadow saw of them, and its retain set the
rest of what it saw; so no retain set holds a photo of a forgotten person.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from aru.comparison.draws import Draw, load_draw
from aru.core.config import Config
from aru.core.errors import InputError
from aru.data.images import ImageSet, Sets
from aru.data.prepared import manifest_of, pixels_of
from aru.shadows.pool import Shadow
from aru.shadows.population import load_population, without_copies


@dataclass(frozen=True, eq=False)
class Request:
    """The photos of a draw whose logits are computed, without copies.

    forget: the draw's forget set; unseen, test: those of its sets that show nobody who is in a shadow. people: the people to
    forget; photos, subjects, files, pixels, roles: (M,) of forget, unseen and test in this order; pixels: digests of
    what was decoded from the files.
    """

    draw: Draw
    forget: ImageSet
    unseen: ImageSet
    test: ImageSet
    people: tuple[str, ...]
    photos: np.ndarray
    subjects: np.ndarray
    files: np.ndarray
    pixels: np.ndarray
    roles: np.ndarray

    @property
    def sets(self) -> tuple[ImageSet, ImageSet, ImageSet]:
        """The sets in the order of the photos."""
        return self.forget, self.unseen, self.test

    @property
    def targets(self) -> torch.Tensor:
        """The labels in the order of the photos."""
        return torch.cat([data.targets for data in self.sets])


def load_request(draw: Draw, config: Config, prepared: Path) -> Request:
    """The request of a draw."""
    sets, _, _ = load_draw(prepared, draw, config)
    manifest, population = manifest_of(prepared), load_population(prepared, draw.protocol, config)
    chosen = [without_copies(data, manifest) for data in (sets.forget, sets.unseen, sets.test)]
    inside = set(population.people)
    for place in (1, 2):
        strangers = ~manifest["subject"].iloc[chosen[place].rows].isin(inside).to_numpy()
        chosen[place] = chosen[place].take(np.flatnonzero(strangers))
    places = np.concatenate([data.rows for data in chosen])
    rows, pixels = manifest.iloc[places], pixels_of(prepared)[places]
    roles = np.repeat(["forget", "unseen", "test"], [len(data) for data in chosen])
    people = tuple(sorted(set(rows["subject"].to_numpy()[roles == "forget"])))
    photos, subjects, files = (rows[name].to_numpy() for name in ("photo", "subject", "digest"))
    forget, unseen, test = chosen
    return Request(draw, forget, unseen, test, people, photos, subjects, files, pixels, roles)


def trained_on_any(shadow: Shadow, request: Request, config: Config, prepared: Path) -> bool:
    """Whether a shadow was trained on anyone of a request."""
    population = load_population(prepared, shadow.protocol, config)
    return bool(np.isin(population.people[shadow.sees], request.people).any())


def sets_of_shadow(shadow: Shadow, request: Request, config: Config, prepared: Path) -> Sets:
    """The unlearning problem of one shadow: what it saw of the request's people, and what it saw of the others."""
    population = load_population(prepared, shadow.protocol, config)
    forgotten = np.isin(population.subjects[shadow.positions], request.people)
    forget, retain = (population.train.take(shadow.positions[side]) for side in (forgotten, ~forgotten))
    if not len(retain):
        raise InputError(
            f"shadow {shadow.number} saw nobody but the {len(request.people)} people to forget: nothing is "
            "left to retain; forget fewer people, or build a pool of more people"
        )
    return Sets(forget, retain, request.test, request.unseen)
