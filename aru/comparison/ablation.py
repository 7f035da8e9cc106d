"""ARU taken apart: one choice changed at a time, and the random mask beside every ratio (docs/protocol.md, "ARU")."""

_RATIOS = [round(0.1 * step, 1) for step in range(11)]
ABLATION: tuple[str, ...] = (
    "",
    # The noise: its direction, whether it is adversarial at all, its strength, whether it is seen alone.
    "attack.direction=min",
    "attack.noise=random",
    "attack.noise=none",
    "attack.steps=1",
    "attack.steps=30",
    "attack.eps=0.00784313725490196",
    "attack.eps=0.12549019607843137,attack.alpha=0.03137254901960784",
    "mask.contrast=perturbed",
    # What is ranked, and which end of the ranking goes.
    "mask.unit=kernel",
    "mask.unit=weight",
    "mask.select=smallest",
    "mask.select=random",
    "mask.scope=global",
    "mask.batchnorm=train",
    "mask.batchnorm=train,attack.noise=random",
    "mask.batchnorm=train,mask.select=smallest",
    # What becomes of it.
    "reset.value=zero",
    "reset.batchnorm=false",
    "reset.classifier=true",
    # How much goes, beside the random mask of equal size.
    *(f"mask.ratio={ratio}" for ratio in _RATIOS if ratio != 0.5),
    *(f"mask.ratio={ratio},mask.select=random" for ratio in _RATIOS if ratio not in (0.0, 0.5, 1.0)),
)
"""Changes of ARU's parameters, each a variant of the comparison; "" is ARU as the benchmark's section has it."""
