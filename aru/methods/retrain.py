"""Retrain: the oracle that every method is measured against."""

from torch import nn

from aru.compute.device import Compute
from aru.core.config import TrainConfig
from aru.core.names import RETAIN
from aru.core.progress import Progress, silent
from aru.core.seeds import draw_seed, generator
from aru.data.images import Sets
from aru.methods.method import NOT_DRAWN, Method, drawable
from aru.nets.fresh import fresh
from aru.train.descent import finish
from aru.train.loop import fit
from aru.train.tasks import CLASSIFICATION, Task


class RetrainConfig(TrainConfig):
    """The recipe of the original; the defaults are the benchmark's (arXiv 2311.02240)."""


def unlearn(
    model: nn.Module,
    sets: Sets,
    config: RetrainConfig,
    *,
    seed: int,
    compute: Compute,
    progress: Progress = silent,
    task: Task = CLASSIFICATION,
) -> nn.Module:
    """theta = train(theta_init, D_r): from scratch, on the retain set alone.

    With the seed of a run it ends in the weights of that run's stage 'retrain'.
    """
    result = fresh(model, seed=draw_seed(seed, "retrain/init"))
    fit(
        result,
        sets.retain,
        config,
        generator=generator(seed, "retrain"),
        compute=compute,
        progress=progress,
        text="retrain",
        task=task,
    )
    return finish(result)


METHODS = (
    Method(
        "retrain",
        RetrainConfig,
        unlearn,
        (RETAIN,),
        "arXiv 2311.02240",
        {"benchmark": RetrainConfig()},
        check=drawable,
        cannot=NOT_DRAWN,
        accepts=("fresh", "loss"),
    ),
)
