"""The controls, without which ARU's results mean nothing."""

from torch import nn

from aru.compute.device import Compute
from aru.core.config import Section
from aru.core.names import FORGET, RETAIN
from aru.core.progress import Progress, silent
from aru.core.seeds import draw_seed
from aru.data.images import Sets
from aru.methods.aru.finetuning import finetune
from aru.methods.aru.pipeline import NAMED, SOURCE, WITHOUT_UNITS, unlearn
from aru.methods.aru.presets import AruConfig
from aru.methods.aru.resetting import check_units
from aru.methods.method import NOT_DRAWN, Method, Unlearn, drawable
from aru.nets.fresh import fresh
from aru.train.descent import finish
from aru.train.tasks import CLASSIFICATION, Task


class NothingConfig(Section):
    """No parameters."""


def do_nothing(
    model: nn.Module, sets: Sets, config: NothingConfig, *, seed: int, compute: Compute, progress: Progress = silent
) -> nn.Module:
    """The original as it is: what a method must at least improve on."""
    return finish(compute.placed_copy(model))


def reset_all(
    model: nn.Module,
    sets: Sets,
    config: AruConfig,
    *,
    seed: int,
    compute: Compute,
    progress: Progress = silent,
    task: Task = CLASSIFICATION,
) -> nn.Module:
    """Every weight drawn anew, then ARU's fine-tune: what the fine-tune alone is worth. Only its section is used."""
    result = fresh(model, seed=draw_seed(seed, "reset"))
    finetune(result, model, sets.retain, config.finetune, seed=seed, compute=compute, progress=progress, task=task)
    return result


def _aru_with(section: str, parameter: str, value: str) -> Unlearn:
    """ARU with one parameter fixed, whatever the configuration says."""

    def controlled(
        model: nn.Module,
        sets: Sets,
        config: AruConfig,
        *,
        seed: int,
        compute: Compute,
        progress: Progress = silent,
        task: Task = CLASSIFICATION,
    ) -> nn.Module:
        fixed = getattr(config, section).model_copy(update={parameter: value})
        changed = config.model_copy(update={section: fixed})
        return unlearn(model, sets, changed, seed=seed, compute=compute, progress=progress, task=task).model

    return controlled


_FIXED = (
    ("random-mask", "mask", "select", "random"),
    ("random-noise", "attack", "noise", "random"),
    ("no-attack", "attack", "noise", "none"),
)
METHODS = (
    Method("nothing", NothingConfig, do_nothing, (), "control", {"control": NothingConfig()}, deterministic=True),
    *(
        Method(
            name,
            AruConfig,
            _aru_with(*fixed),
            (FORGET, RETAIN),
            f"control of {SOURCE}",
            NAMED,
            check=check_units,
            cannot=WITHOUT_UNITS,
            accepts=("fresh", "heads", "loss"),
        )
        for name, *fixed in _FIXED
    ),
    Method(
        "reset-all",
        AruConfig,
        reset_all,
        (RETAIN,),
        f"control of {SOURCE}",
        NAMED,
        check=drawable,
        cannot=NOT_DRAWN,
        accepts=("fresh", "loss"),
    ),
)
