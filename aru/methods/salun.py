"""SalUn: random labels, but only the weights that matter most to the forget set may move."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from pydantic import Field
from torch import nn

from aru.compute.device import Compute
from aru.core.names import FORGET, RETAIN
from aru.core.progress import Progress, silent
from aru.core.seeds import generator
from aru.data.images import Sets
from aru.methods.importance import Gradients, summed_gradient
from aru.methods.method import Method
from aru.methods.random_labels import RandomLabelsConfig, drawn_label_steps, total_steps
from aru.train.descent import Step, counter, descend, finish, student
from aru.train.optimizers import make_optimizer


class SalUnConfig(RandomLabelsConfig):
    """The paper's; the relabelling's parameters and the share of weights that may move."""

    lr: float = Field(0.013, gt=0)
    weight_decay: float = Field(5e-4, ge=0)
    share: float = Field(0.5, gt=0, le=1, description="of all weights, those of the largest gradients, that may move")


Mask = dict[str, torch.Tensor]


def unlearn(
    model: nn.Module, sets: Sets, config: SalUnConfig, *, seed: int, compute: Compute, progress: Progress = silent
) -> nn.Module:
    """theta = m (theta0 + delta) + (1 - m) theta0, m = 1[|grad CE(D_f; theta0)| in the top share] (arXiv 2310.12508).

    Frozen weights are put back after every step, so that momentum and weight decay do not move them either.
    """
    gradient = summed_gradient(
        model, sets.forget, batch_size=config.batch_size, compute=compute, progress=silent, text="salun"
    )
    mask = saliency(gradient, config.share)
    result = student(model, compute, batchnorm=config.batchnorm)
    random = generator(seed, "salun")
    hold = projection(result, mask)

    def steps() -> Iterator[Step]:
        for step in drawn_label_steps(result, sets, config, generator=random, compute=compute):
            yield replace(step, grad_hook=lambda: mask_gradients(result, mask))

    descend(
        steps(),
        make_optimizer(result.parameters(), config),
        compute=compute,
        generator=random,
        step_done=counter(progress, total_steps(sets, config), "salun"),
        project=hold,
    )
    return finish(result)


def saliency(gradient: Gradients, share: float) -> Mask:
    """True for the int(share * n) weights of the largest |gradient| over the whole model; ties go to the lower index."""
    flat = torch.cat([value.abs().flatten() for value in gradient.values()])
    marked = torch.zeros(len(flat), dtype=torch.bool, device=flat.device)
    if count := int(share * len(flat)):
        least = flat.topk(count, sorted=False).values.min()
        marked = flat > least
        marked[(flat == least).nonzero().flatten()[: count - int(marked.sum())]] = True
    parts = marked.split([value.numel() for value in gradient.values()])
    return {name: part.view(value.shape) for (name, value), part in zip(gradient.items(), parts, strict=True)}


def mask_gradients(model: nn.Module, mask: Mask) -> None:
    """Zero the gradients of the frozen weights."""
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            parameter.grad.mul_(mask[name])


def projection(model: nn.Module, mask: Mask) -> Callable[[], None]:
    """A function that puts the frozen weights back to what they are now."""
    parameters = {name: parameter for name, parameter in model.named_parameters() if name in mask}
    held = {name: parameter.detach().clone() for name, parameter in parameters.items()}

    @torch.no_grad()
    def project() -> None:
        for name, parameter in parameters.items():
            parameter.copy_(torch.where(mask[name], parameter, held[name]))

    return project


METHODS = (
    Method(
        "salun",
        SalUnConfig,
        unlearn,
        (FORGET, RETAIN),
        "arXiv 2310.12508; 2410.01276",
        {
            "paper": SalUnConfig(),
            "deepunlearn": SalUnConfig(lr=0.01, momentum=0.0, weight_decay=0.0, augment=False),
        },
    ),
)
