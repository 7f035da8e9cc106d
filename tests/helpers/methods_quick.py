"""Every method with parameters that take a second on small sets."""

from aru.methods.registry import METHODS

QUICK = {
    "epochs": 1,
    "batch_size": 8,
    "forget_batch_size": 8,
    "warmup_epochs": 1,
    "repair_epochs": 1,
    "iterations": 2,
    "noise_steps": 2,
    "least_steps": 2,
    "steps": 2,
    "eps": 1.0,
}


def quick(name, preset=None):
    """The parameters of a method, shortened."""
    method = METHODS[name]
    if "finetune" in method.config.model_fields:
        return method.configure(
            preset, attack={"steps": 1, "batch_size": 8}, mask={"batch_size": 8}, finetune={"epochs": 1, "batch_size": 8}
        )
    changes = {key: value for key, value in QUICK.items() if key in method.config.model_fields}
    return method.configure(preset, **changes, **({"alpha": 1.2} if name == "ssd" else {}))  # at 10 few sets keep all
