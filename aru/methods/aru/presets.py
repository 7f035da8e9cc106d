"""The parameters of ARU, and its named presets."""

from aru.core.config import AttackConfig, Config, FinetuneConfig, MaskConfig, ResetConfig, Section


class AruConfig(Section):
    """The parameters of ARU's four steps: the same sections as in params.yaml."""

    attack: AttackConfig = AttackConfig()
    mask: MaskConfig = MaskConfig()
    reset: ResetConfig = ResetConfig()
    finetune: FinetuneConfig = FinetuneConfig()

    @classmethod
    def of(cls, config: Config) -> "AruConfig":
        """The sections of a benchmark's configuration."""
        return cls(attack=config.attack, mask=config.mask, reset=config.reset, finetune=config.finetune)


PRESETS: dict[str, dict[str, dict[str, str | float | bool]]] = {
    # The paper's text; what it leaves open is this project's choice (docs/protocol.md).
    "paper": {
        "attack": {"noise": "adversarial", "direction": "max", "eps": 8 / 255, "alpha": 2 / 255, "steps": 10, "start": "zero"},
        "mask": {
            "unit": "filter",
            "select": "largest",
            "ratio": 0.5,
            "scope": "layer",
            "batchnorm": "eval",
            "contrast": "noise",
            "normalise": "none",
            "schedule": "flat",
        },
        "reset": {"value": "reinitialise", "strength": 1.0, "batchnorm": True, "classifier": False},
    },
    # A co-author's Vision-Transformer port (docs/protocol.md, "ARU", right column).
    "vitmul": {
        "attack": {
            "noise": "adversarial",
            "direction": "min",
            "eps": 8 / 255,
            "alpha": 2 / 255,
            "steps": 7,
            "start": "uniform",
        },
        "mask": {
            "unit": "kernel",
            "select": "smallest",
            "ratio": 0.5,
            "scope": "layer",
            "batchnorm": "train",
            "contrast": "noise",
            "normalise": "none",
            "schedule": "flat",
            "batch_size": 64,
        },
        "reset": {"value": "zero", "strength": 1.0, "batchnorm": False, "classifier": False},
        "finetune": {
            "optimiser": "adamw",
            "lr": 1e-3,
            "momentum": 0.9,
            "weight_decay": 0.02,
            "schedule": "cosine",
            "epochs": 10,
            "batch_size": 64,
            "augment": True,
            "distillation": 0.0,
            "temperature": 4.0,
        },
    },
    # This project's own: what docs/results.md measures against the paper's choices, ingredient by ingredient.
    "best": {
        "attack": {"noise": "adversarial", "direction": "max", "eps": 8 / 255, "alpha": 8 / 255, "steps": 1, "start": "zero"},
        "mask": {
            "unit": "filter",
            "select": "smallest",
            "ratio": 0.5,
            "scope": "layer",
            "batchnorm": "eval",
            "contrast": "noise",
            "normalise": "none",
            "schedule": "flat",
        },
        "reset": {"value": "reinitialise", "strength": 1.0, "batchnorm": True, "classifier": False},
        "finetune": {
            "optimiser": "sgd",
            "lr": 0.02,
            "momentum": 0.9,
            "weight_decay": 5e-4,
            "schedule": "cosine",
            "epochs": 3,
            "batch_size": 64,
            "augment": True,
            "distillation": 0.5,
            "temperature": 4.0,
        },
    },
}
"""ARU's named variants, as overrides of a benchmark's sections.

Those that have a fine-tune of their own name the same parameters of it: what one sets, the next sets, too.
"""
# What led on people who are in no table (docs/results/clean-64px.md); it changes when something else does.
PRESETS["recommended"] = {
    **PRESETS["best"],
    "finetune": {**PRESETS["best"]["finetune"], "optimiser": "adamw", "lr": 1e-3, "weight_decay": 0.02},
}
