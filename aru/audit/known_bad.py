"""Models that are the original but for very little: `python -m aru known-bad` shows whether the quick level fails them.

Each of them reveals what the original does, or has its features, though none has its weights. What the audit says of them
on one's own data is its power there: how many people are asked, and how much the original remembers, decide it.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import torch
from torch import nn

from aru.audit import quick
from aru.audit.audit_file import CriterionRow, Judged
from aru.audit.case import AUDITED, Case, make_case
from aru.audit.criteria import KNOWN
from aru.audit.project_models import model_path
from aru.audit.record import judged
from aru.audit.thresholds import THRESHOLDS_FILE, read_thresholds
from aru.compute.copying import copied
from aru.compute.device import Compute, make_compute
from aru.compute.modes import all_trained
from aru.core.config import load_config
from aru.core.errors import InputError
from aru.core.names import ORIGINAL
from aru.core.seeds import generator, seeded
from aru.data.images import ImageSet, load_sets
from aru.data.manifest import read_manifest
from aru.nets.models import classifier, load_model
from aru.train.loop import predict_sets
from aru.train.losses import task_loss

STEPS = 60
BATCH = 64
_SHOWN = ("forgetting", "combined", "remaining", "people", "individuals", "likeness", "weights")


def noisy(model: nn.Module, relative: float) -> nn.Module:
    """A copy with Gaussian noise on every parameter, of this length relative to the parameter's own."""
    model, rng = copied(model), generator(0, "known-bad/noise")
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=rng).to(parameter.device)
            parameter.add_(noise * (relative * parameter.norm() / noise.norm()))
    return model


def heated(model: nn.Module, temperature: float) -> nn.Module:
    """A copy whose logits are divided by a temperature."""
    model = copied(model)
    with torch.no_grad():
        for parameter in model.get_submodule(classifier(model)).parameters():
            parameter.div_(temperature)
    return model


def stepped(model: nn.Module, retain: ImageSet, lr: float, compute: Compute) -> nn.Module:
    """A copy after one step of plain gradient descent on a batch of retained images."""
    return _descend(copied(model).train(), retain, lr, 1, compute)


def classifier_reset(model: nn.Module) -> nn.Module:
    """A copy with a fresh classifier."""
    model = copied(model)
    with seeded(0):
        cast(nn.Linear, model.get_submodule(classifier(model))).reset_parameters()
    return model


def classifier_refitted(model: nn.Module, retain: ImageSet, lr: float, compute: Compute) -> nn.Module:
    """A copy with a fresh classifier that is trained on retained images, while all else stays."""
    model = classifier_reset(model).eval().requires_grad_(False)
    all_trained(model.get_submodule(classifier(model)))
    return all_trained(_descend(model, retain, lr, STEPS, compute))


KNOWN_BAD: dict[str, Callable[[nn.Module, ImageSet, float, Compute], nn.Module]] = {
    "the original": lambda model, *_: model,
    "noise of .001": lambda model, *_: noisy(model, 0.001),
    "noise of .003": lambda model, *_: noisy(model, 0.003),
    "noise of .01": lambda model, *_: noisy(model, 0.01),
    "one step further": stepped,
    "classifier reset": lambda model, *_: classifier_reset(model),
    "classifier refitted": classifier_refitted,
    "temperature 3": lambda model, *_: heated(model, 3.0),
    "temperature 1/3": lambda model, *_: heated(model, 1 / 3),
}
"""name -> function(original, retained images, learning rate, compute)."""


def cases(benchmark: str, root: Path) -> Iterator[tuple[str, Case]]:
    """Every known-bad model of the benchmark's original, as the audit sees it."""
    config, work = load_config(root / "params.yaml", benchmark), root / "work" / benchmark
    path = model_path(work, ORIGINAL)
    if not path.is_file():
        raise InputError(f"there is no original model of {benchmark} yet: `aru run --benchmark {benchmark}` makes it")
    original, compute = load_model(path), make_compute(config.runtime)
    sets, manifest = load_sets(work / "prepared", config.data.task), read_manifest(work / "prepared" / "manifest.csv")
    answers: dict[str, dict[str, torch.Tensor]] = {
        ORIGINAL: predict_sets(original, {role: getattr(sets, role) for role in quick.QUICK_SETS}, compute=compute)
    }
    for name, change in KNOWN_BAD.items():
        models = {AUDITED: change(original, sets.retain, config.train.lr, compute).eval(), ORIGINAL: original}
        yield (
            name,
            make_case(
                models,
                sets,
                manifest,
                compute=compute,
                resamples=config.evaluate.resamples,
                seed=config.runtime.seed,
                roles=quick.QUICK_SETS,
                logits=answers,
            ),
        )


def audits(benchmark: str, root: Path) -> Iterator[tuple[str, Judged]]:
    """The name of, and what the quick level judges of, every known-bad model."""
    thresholds = read_thresholds(root / THRESHOLDS_FILE, KNOWN).on(benchmark)
    for name, case in cases(benchmark, root):
        yield name, judged(thresholds, "quick", quick.quick(case)[0])


def format_row(name: str, record: Judged) -> str:
    """One line: the verdict, and the figures with their intervals of some criteria."""
    rows = {row["name"]: row for row in record["criteria"]}
    return f"{name:20} {record['verdict']:13} " + "  ".join(f"{key} {_figure(rows[key])}" for key in _SHOWN)


def _descend(model: nn.Module, data: ImageSet, lr: float, steps: int, compute: Compute) -> nn.Module:
    compute.place(model)
    rng, parameters = generator(0, "known-bad/steps"), [one for one in model.parameters() if one.requires_grad]
    for _ in range(steps):
        images, targets = data.batch(torch.randint(len(data), (BATCH,), generator=rng), compute.device)
        slopes = torch.autograd.grad(task_loss(model(images), targets), parameters)
        for parameter, slope in zip(parameters, slopes, strict=True):
            parameter.data.sub_(lr * slope)
    return model.eval()


def _figure(row: CriterionRow) -> str:
    if not row["verdict"]:
        return "not tested"
    bounds = f" [{row['interval'][0]:.3f}, {row['interval'][1]:.3f}]" if row["interval"] else ""
    return f"{row['figure']:.3f}{bounds}{'' if row['verdict'] == 'pass' else ' ' + row['verdict']}"
