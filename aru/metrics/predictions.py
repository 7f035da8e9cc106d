"""predictions.safetensors read back: every model's logits on every set, and what is derived from them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from aru.core.errors import InputError
from aru.core.files import load_tensors
from aru.core.names import FORGET, MODELS, UNSEEN
from aru.metrics.membership.matched import MatchedAttack, strata_of
from aru.metrics.utility import per_example_loss


@dataclass(frozen=True)
class Predictions:
    """Logits by model and set, targets by set, both in the manifest's order."""

    logits: dict[str, dict[str, torch.Tensor]]
    targets: dict[str, torch.Tensor]

    def losses(self, model: str, name: str) -> np.ndarray:
        """Loss of every image of the set `name`. Shape: (M,)."""
        return per_example_loss(self.logits[model][name], self.targets[name])

    @property
    def comparable(self) -> bool:
        """Whether some class has both forget and unseen images."""
        forget, unseen = (strata_of(self.targets[name]) for name in (FORGET, UNSEEN))
        return bool(np.intersect1d(forget, unseen).size)

    def matched_attack(self, model: str) -> MatchedAttack:
        """The class-matched loss attack on one model."""
        forget, unseen = (strata_of(self.targets[name]) for name in (FORGET, UNSEEN))
        return MatchedAttack(self.losses(model, FORGET), forget, self.losses(model, UNSEEN), unseen)


def read_predictions(path: Path) -> Predictions:
    """Read the predictions that `evaluate` wrote; the models come in the order original, unlearned, retrained."""
    tensors, meta = load_tensors(path)
    missing = [name for name in ("role", "targets", "rows") if name not in tensors]
    if missing or "roles" not in meta:
        raise InputError(f"{path} lacks {missing[0] if missing else 'the names of its roles'}: run evaluate again")
    chosen = {name: _rows(tensors["role"], code) for code, name in enumerate(meta["roles"])}
    logits: dict[str, dict[str, torch.Tensor]] = {
        model: {name: tensors[f"{model}/logits"][rows] for name, rows in chosen.items()}
        for model in MODELS
        if f"{model}/logits" in tensors
    }
    return Predictions(logits, {name: tensors["targets"][rows] for name, rows in chosen.items()})


def _rows(roles: torch.Tensor, code: int) -> slice | torch.Tensor:
    """The rows of a role: a slice where they follow one another, of which the file is read when they are used."""
    rows = torch.nonzero(roles == code).flatten()
    together = len(rows) > 0 and int(rows[-1]) - int(rows[0]) + 1 == len(rows)
    return slice(int(rows[0]), int(rows[-1]) + 1) if together else rows
