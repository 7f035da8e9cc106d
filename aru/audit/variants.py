"""Which variant of an attack a figure is of, by the library's names (docs/audit.md, "Figures, and where they come from")."""

import numpy as np

from aru.metrics.shadow_attacks.shadow_signals import resolved

DEVIATIONS = {
    "pooled": "one deviation for all photos, around each one's own mean",
    "example": "each photo's own deviation",
}
RMIA = "offline; other photos are divided by their mean over the reference models"


def lira(*sides: np.ndarray) -> str:
    """Of LiRA with `variance="auto"`; sides: which shadows (K, M) each Gaussian is of."""
    return f"{_variances(sides)}; means, deviations with n - 1"


def lira_offline(*sides: np.ndarray) -> str:
    """Of offline LiRA with `variance="auto"`; sides: which shadows (K, M) never saw the photos of a set."""
    return f"{lira(*sides)}; one-sided"


def iam(unseen: np.ndarray) -> str:
    """Of IAM with `deviation="example"`, by the shadows (K, M) that never saw the photos."""
    return f"law normal, deviation example, of the shadows around their mean; {_variances([unseen])}"


def _variances(sides: tuple[np.ndarray, ...] | list[np.ndarray]) -> str:
    found = dict.fromkeys(resolved("auto", side) for side in sides)
    return " and ".join(f"variance {name} ({DEVIATIONS[name]})" for name in found)
