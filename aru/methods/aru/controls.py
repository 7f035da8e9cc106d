"""ARU behind the signature of the methods, and the controls without which its results mean nothing."""

from typing import Any

from torch import nn

from aru.compute.device import Compute
from aru.core.config import PRESETS, AttackConfig, FinetuneConfig, MaskConfig, ResetConfig, Section
from aru.core.progress import Progress, silent
from aru.core.seeds import draw_seed, generator
from aru.data.images import Sets
from aru.methods.aru.attack import attack
from aru.methods.aru.masking import mask
from aru.methods.aru.pipeline import finetune_loss
from aru.methods.aru.resetting import reset
from aru.methods.method import Method, Unlearn
from aru.nets.fresh import fresh
from aru.train.descent import finish
from aru.train.loop import fit


class AruConfig(Section):
    """The sections of ARU's stages, as in params.yaml."""

    attack: AttackConfig = AttackConfig()
    mask: MaskConfig = MaskConfig()
    reset: ResetConfig = ResetConfig()
    finetune: FinetuneConfig = FinetuneConfig()


def unlearn(
    model: nn.Module, sets: Sets, config: AruConfig, *, seed: int, compute: Compute, progress: Progress = silent
) -> nn.Module:
    """Attack D_f; rank the filters by |g_x - g_n|; draw the chosen half anew; fine-tune on D_r (arXiv 2401.08998).

    With the same seed and sections it ends in the weights of `pipeline.unlearn`, which the flow's stages share.
    """
    noise = attack(model, sets.forget, config.attack, generator=generator(seed, "attack"), compute=compute, progress=progress)
    _, marked = mask(
        model,
        sets.forget,
        noise,
        config.mask,
        generator=generator(seed, "mask"),
        compute=compute,
        retain=sets.retain,
        progress=progress,
    )
    result = reset(
        model, fresh(model, seed=draw_seed(seed, "reset")), marked, config.reset, resolution=sets.retain.images.shape[1]
    )
    return _finetune(result, model, sets, config, seed=seed, compute=compute, progress=progress)


class NothingConfig(Section):
    """Nothing to choose."""


def do_nothing(
    model: nn.Module, sets: Sets, config: NothingConfig, *, seed: int, compute: Compute, progress: Progress = silent
) -> nn.Module:
    """The original as it is: what a method must at least improve on."""
    return finish(compute.twin(model))


def reset_all(
    model: nn.Module, sets: Sets, config: AruConfig, *, seed: int, compute: Compute, progress: Progress = silent
) -> nn.Module:
    """Every weight drawn anew, then ARU's fine-tune: what the fine-tune alone is worth. Only its section is used."""
    result = fresh(model, seed=draw_seed(seed, "reset"))
    return _finetune(result, model, sets, config, seed=seed, compute=compute, progress=progress)


def _finetune(
    model: nn.Module, source: nn.Module, sets: Sets, config: AruConfig, *, seed: int, compute: Compute, progress: Progress
) -> nn.Module:
    fit(
        model,
        sets.retain,
        config.finetune,
        generator=generator(seed, "finetune"),
        compute=compute,
        loss=finetune_loss(source, config.finetune, compute=compute),
        progress=progress,
        text="fine-tune",
        lr_name="finetune.lr",
    )
    return finish(model)


def _control(**fixed: dict[str, Any]) -> Unlearn:
    """ARU with some parameters fixed, whatever the configuration says: what makes it that control."""

    def controlled(
        model: nn.Module, sets: Sets, config: AruConfig, *, seed: int, compute: Compute, progress: Progress = silent
    ) -> nn.Module:
        sections = {name: getattr(config, name).model_copy(update=values) for name, values in fixed.items()}
        return unlearn(model, sets, config.model_copy(update=sections), seed=seed, compute=compute, progress=progress)

    return controlled


def _presets() -> dict[str, Section]:
    return {name: AruConfig.model_validate(PRESETS[name]) for name in PRESETS}


_SOURCE, _NEEDS = "arXiv 2401.08998", ("forget", "retain")
_CHANGES: dict[str, dict[str, dict[str, Any]]] = {
    "random-mask": {"mask": {"select": "random"}},
    "random-noise": {"attack": {"noise": "random"}},
    "no-attack": {"attack": {"noise": "none"}},
}
ARU = Method("aru", AruConfig, unlearn, _NEEDS, _SOURCE, _presets())
CONTROLS = [
    Method("nothing", NothingConfig, do_nothing, (), "control", {"control": NothingConfig()}, deterministic=True),
    *(
        Method(name, AruConfig, _control(**fixed), _NEEDS, f"control of {_SOURCE}", _presets())
        for name, fixed in _CHANGES.items()
    ),
    Method("reset-all", AruConfig, reset_all, ("retain",), f"control of {_SOURCE}", _presets()),
]
