"""The criteria that the audit can measure, and the level at which each is measured first; thresholds.yaml has just these."""

import math

from aru.audit.thresholds import Level

COMPARED = (
    "forgetting",
    "attacks",
    "attacks_at_1pct",
    "combined",
    "remaining",
    "people",
    "people_at_5pct",
    "individuals",
    "uniformity",
)
"""Those of the level quick that hold forget images to unseen ones."""
QUICK = (*COMPARED, "test_accuracy", "weights", "likeness")
STANDARD = (
    "relative",
    "attack_gap",
    "forget_gap",
    "test_gap",
    "tow",
    "js_forget",
    "agreement_test",
    "retain_accuracy",
    "relearning_retain",
    "relearning_few",
    "label_probe",
    "identity_probe",
    "cka",
    "bystanders",
    "bystander_exposure",
)
FULL = ("u_lira", "lira_offline", "rmia", "iam", "worst_people", "worst_people_at_5pct", "interclass")
_BY_LEVEL: dict[Level, tuple[str, ...]] = {"quick": QUICK, "standard": STANDARD, "full": FULL}
KNOWN: dict[str, Level] = {name: level for level, names in _BY_LEVEL.items() for name in names}
ANY = (-math.inf, math.inf)
_SHARE, _DIFFERENCE = (0.0, 1.0), (-1.0, 1.0)
_SHARES = (
    *(name for name in COMPARED if name != "remaining"),
    "relative",
    "tow",
    "agreement_test",
    "u_lira",
    "lira_offline",
    "rmia",
    "worst_people",
    "worst_people_at_5pct",
)
_DIFFERENCES = (
    "test_accuracy",
    "attack_gap",
    "forget_gap",
    "test_gap",
    "retain_accuracy",
    "relearning_retain",
    "relearning_few",
    "label_probe",
    "identity_probe",
    "bystanders",
    "bystander_exposure",
    "interclass",
)
RANGES: dict[str, tuple[float, float]] = {
    **dict.fromkeys(KNOWN, ANY),
    **dict.fromkeys(_SHARES, _SHARE),
    **dict.fromkeys(_DIFFERENCES, _DIFFERENCE),
    "weights": (0.0, math.inf),
    "js_forget": (0.0, math.log(2)),
}
"""What a figure can be: shares, chances and AUCs from 0 to 1, their differences from -1 to 1, nats, or anything."""
