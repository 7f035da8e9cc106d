"""What an audit looks at: the models, their answers to the four sets, and who is on each image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
import torch
from torch import nn

from aru.compute.device import Compute
from aru.core.names import FORGET, RETAIN, SETS, TRAINED, UNSEEN
from aru.data.ids import UNKNOWN_PERSON
from aru.data.images import ImageSet, Sets
from aru.data.kin import kin
from aru.data.manifest import people_are_classes
from aru.metrics.membership.matched import strata_of
from aru.stats.stand_ins import enough, stand_ins
from aru.train.loop import predict_sets

AUDITED = "audited"

Logits = dict[str, dict[str, torch.Tensor]]
Losses = Mapping[str, Mapping[str, np.ndarray]]


@dataclass(frozen=True, eq=False)
class Case:
    """One audit's material.

    models: `audited` and `original`, and `retrained` where there is one. logits[model][set] (M, C), of the sets that the
    level looks at. sets: their unseen images show nobody who was trained on or forgotten (where people are the classes,
    forgotten people alone); `acquainted` is how many were left out for that, and the manifest has no rows of them.
    resamples, seed: of the bootstrap.
    losses[model][set] (M,): of a task other than classification, which has no logits; None for a classifier.
    references[number][set] (M, C): what further retrained models answer to the forget and the unseen set.
    """

    models: Mapping[str, nn.Module]
    logits: Logits
    sets: Sets
    manifest: pd.DataFrame
    compute: Compute
    acquainted: int
    resamples: int
    seed: int
    losses: Losses | None = None
    references: Sequence[Mapping[str, torch.Tensor]] = ()

    @property
    def targets(self) -> dict[str, torch.Tensor]:
        """Labels by set."""
        return {role: getattr(self.sets, role).targets for role in SETS}

    def strata(self, role: str) -> np.ndarray:
        """The class of every image of a set, among whose images it is compared; of a task without classes all alike. (M,)."""
        targets = self.targets[role]
        return strata_of(targets) if self.losses is None else np.zeros(len(targets), dtype=np.int64)

    def people(self, role: str) -> np.ndarray:
        """The subject of every image of a set. Shape: (M,)."""
        return self.column(role, "subject")

    def kin(self, role: str) -> np.ndarray:
        """A number of every image of a set; images of one person or of one family have the same. Shape: (M,)."""
        return self._kin[(self.manifest["role"] == role).to_numpy()]

    @cached_property
    def _kin(self) -> np.ndarray:
        """Of the manifest's rows. Who is not in the sets that are compared joins nobody."""
        compared = self.manifest["role"].isin((FORGET, UNSEEN)).to_numpy()
        found = np.full(len(self.manifest), -1)
        found[compared] = kin(self.manifest[compared])
        return found

    @property
    def without_person(self) -> int:
        """Forget and unseen images of which nobody knows whom they show: each counts as a person of its own."""
        if "person" not in self.manifest:
            return 0
        rows = self.manifest[self.manifest["role"].isin((FORGET, UNSEEN))]
        return int(rows["person"].str.startswith(UNKNOWN_PERSON).sum())

    @cached_property
    def stand_ins(self) -> list[tuple[np.ndarray, np.ndarray]] | None:
        """Unseen people in the place of the forgotten ones (`aru.stats.stand_ins`); None where the bootstrap serves.

        Raises InputError where there are too few people for either.
        """
        forgotten, unseen = self.people(FORGET), self.people(UNSEEN)
        return None if enough(forgotten, unseen) else stand_ins(forgotten, unseen, seed=self.seed)

    def column(self, role: str, name: str) -> np.ndarray:
        """A column of the manifest for every image of a set. Shape: (M,)."""
        return self.manifest.loc[self.manifest["role"] == role, name].to_numpy(dtype=str)


def make_case(
    models: Mapping[str, nn.Module],
    sets: Sets,
    manifest: pd.DataFrame,
    *,
    compute: Compute,
    resamples: int,
    seed: int,
    roles: Sequence[str] = SETS,
    logits: Mapping[str, Mapping[str, torch.Tensor]] | None = None,
    losses: Losses | None = None,
    references: Sequence[Mapping[str, torch.Tensor]] = (),
) -> Case:
    """Leave acquaintances out of the unseen set and let the models answer to the sets of these roles, unseen among them.

    logits: answers that are known; models whose answers are all given need not be there. losses: of every model on the forget
    and the unseen set, for a task other than classification, whose models answer nothing here. references: logits of
    further retrained models, of the forget and the unseen set. Few unseen images, or none, are no error: what cannot be
    measured on them is not tested, and says so.
    """
    unseen = manifest[manifest["role"] == UNSEEN]
    trained = (RETAIN,) if people_are_classes(manifest) else TRAINED  # there, unseen photos of the forgotten are the measure
    known = set(manifest.loc[manifest["role"].isin(trained), "subject"])
    strange = (~unseen["subject"].isin(known)).to_numpy()
    kept = np.flatnonzero(strange)
    answers: Logits = {name: dict(given) for name, given in (logits or {}).items()}
    for name, model in models.items() if losses is None else ():
        if name not in answers:
            answers[name] = predict_sets(model, {role: getattr(sets, role) for role in roles}, compute=compute)
    for own in answers.values():
        own[UNSEEN] = own[UNSEEN][torch.from_numpy(kept)]
    return Case(
        models,
        answers,
        replace(sets, unseen=_take(sets.unseen, kept)),
        manifest.drop(unseen.index[~strange]),
        compute,
        int((~strange).sum()),
        resamples,
        seed,
        None if losses is None else {name: {**own, "unseen": own["unseen"][kept]} for name, own in losses.items()},
        [{**one, UNSEEN: one[UNSEEN][torch.from_numpy(kept)]} for one in references],
    )


def _take(data: ImageSet, kept: np.ndarray) -> ImageSet:
    return data if len(kept) == len(data) else data.take(kept)
