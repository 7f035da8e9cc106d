"""`aru.unlearn`: a network and data of the caller's own in, an unlearned network of the same kind out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from aru.compute.device import Compute
from aru.core.config import Section
from aru.core.errors import InputError
from aru.core.progress import Progress
from aru.core.seeds import draw_seed, seeded
from aru.core.stopwatch import Stopwatch
from aru.data.datasets import Augmentation, Bounds, OwnSet, Source
from aru.data.images import Sets
from aru.library.new_networks import Fresh, network_source
from aru.library.own_task import Loss, read_task_sets, task_of
from aru.library.problem import DataOptions, adapted, filled_copy, read_sets
from aru.library.progress_bar import reporting
from aru.library.running import computing, with_gradients
from aru.library.saved import save
from aru.library.settings import configure
from aru.methods.aru.masking import Mask
from aru.methods.aru.pipeline import unlearn as attack_and_reset
from aru.methods.aru.presets import AruConfig
from aru.methods.method import Method, Option
from aru.methods.registry import METHODS, find
from aru.nets.adapted import Adapted, kind_of
from aru.nets.fresh import outputs_of
from aru.nets.models import classifier
from aru.train.history import History
from aru.train.tasks import CLASSIFICATION, Predict, Task

_PREFIX = "network."
_REFUSED: Mapping[Option, str] = {
    "fresh": "draws no weights anew",
    "heads": "resets no units",
    "loss": "is defined by the outputs or the labels of a classifier and takes no other loss",
}


@dataclass(frozen=True)
class Cost:
    """seconds: on the wall, by step. The same device, precision and number of threads give the same bytes on a CPU; on a GPU
    they may differ from run to run."""

    seconds: Mapping[str, float]
    device: str
    precision: str
    threads: int

    @property
    def total(self) -> float:
        """Seconds of all steps together."""
        return sum(self.seconds.values())


@dataclass(frozen=True)
class Inputs:
    """What the network was given: shape and number format of one input, and how it is normalised (`aru.unlearn`)."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    bounds: Bounds
    preprocessing: Mapping[str, Any] | None


@dataclass(frozen=True, eq=False)
class Unlearning:
    """What came of an unlearning.

    model: a network of the caller's kind, on its device and in its number format, in evaluation mode. mask: by layer, True
    where a unit was reset; noise: (M, C, H, W), in the order of the forget set, personal data as the images are; both are
    ARU's, None of other methods. history: a record of each epoch of ARU's fine-tune. settings: all parameters of the method.
    """

    model: nn.Module
    mask: Mask | None
    noise: torch.Tensor | None
    history: History
    cost: Cost
    method: str
    settings: Mapping[str, Any]
    seed: int
    inputs: Inputs

    def save(self, folder: str | Path, *, noise: bool = False) -> None:
        """Write weights and mask as safetensors and the rest as JSON, for `aru.load`; nothing is pickled.

        The noise is written only where `noise` says so: it is computed from people's images.
        """
        about = {
            "method": self.method,
            "settings": dict(self.settings),
            "seed": self.seed,
            "history": self.history,
            "cost": {
                "seconds": dict(self.cost.seconds),
                "device": self.cost.device,
                "precision": self.cost.precision,
                "threads": self.cost.threads,
            },
        }
        save(Path(folder), self.model, about, mask=self.mask, noise=self.noise if noise else None)


@with_gradients
def unlearn(
    model: nn.Module,
    *,
    forget: Source,
    retain: Source,
    method: str = "aru",
    preset: str | None = None,
    seed: int = 0,
    device: str | torch.device = "auto",
    precision: str = "auto",
    progress: bool | None = None,
    callbacks: Sequence[Progress] = (),
    bounds: Bounds = (0.0, 1.0),
    preprocessing: Mapping[str, Any] | None = None,
    augment: Augmentation | None = None,
    fresh: Fresh | None = None,
    loss: Loss | None = None,
    predict: Predict | None = None,
    heads: Sequence[str] = (),
    outputs: int | None = None,
    workers: int = 0,
    **settings: Any,
) -> Unlearning:
    """Make a trained network forget some of its training images; the network that is given is not changed.

    model: any classifier, a `torch.nn.Module` that takes a batch of images and gives logits, or with `loss` any network.
    forget, retain: what it was trained on, as a map-style dataset of (image, label), a data loader over one, or a pair of
    arrays. method, preset,
    settings: as `aru.methods()` lists them; ``mask__ratio=0.3`` sets the parameter `ratio` of the section `mask`. bounds: the
    least and greatest value of float images; preprocessing: ``{"mean": ..., "std": ..., "axis": -3}`` of the network, so that
    noise is bounded in pixels. augment: a function of one image (C, H, W), "mufac" for that benchmark's, or none. fresh: a
    network with new weights, or a function that makes one, from which a method takes them; needed where a layer cannot draw
    its own. loss: for another task than classification, ``(model, (inputs, targets))`` -> a loss for each sample (B,) or their
    mean, or "segmentation" or "detection" for torchvision's; targets are then tensors of one shape or dictionaries of
    tensors, and `outputs` is the number of classes where they have some. predict: ``(model, inputs)`` -> what evaluation will
    read; it is tried before work starts. heads: the names of the output modules, which ARU's reset spares; by default the
    classifier. progress: whether a bar is shown, by default in a notebook only; callbacks: called as ``(done, total, text)``.

    Parameters that do not require a gradient are unlearned, too: what was trained is not known from that. Raises InputError,
    before work starts, for what the method cannot do with this network or data, TrainingError for a loss that is not finite.
    """
    chosen = find(method)
    config = configure(chosen, preset, settings, augmented=augment is not None)
    options = DataOptions(bounds, preprocessing, augment, outputs, workers)
    task = task_of(loss, predict)
    _check_options(chosen, {"fresh": fresh is not None, "loss": loss is not None, "heads": bool(heads)})
    working = adapted(model, options, raw=loss is not None, heads=heads)
    given = {"forget": forget, "retain": retain}
    sets = read_sets(working, given, options) if loss is None else read_task_sets({"model": working}, given, options, task)
    if fresh is not None:
        working.drawn = network_source(fresh, working)
    _check(chosen, working, config, sets, task)
    draws = seeded(draw_seed(seed, "caller"))  # what loss= and forward passes draw outside of the generators of methods
    kernels: Literal["fast", "torch"] = "torch" if callable(loss) else "fast"  # ours cannot be differentiated twice
    with computing(device, precision, kernels=kernels) as compute, reporting(progress, callbacks) as report, draws:
        result = _run(chosen, working, sets, config, seed, compute, report, task)
        mask, noise, history, seconds = result[1:]
        return Unlearning(
            filled_copy(model, result[0].network),
            mask,
            noise,
            history,
            Cost(seconds, str(compute.device), compute.precision, torch.get_num_threads()),
            chosen.name,
            config.model_dump(mode="json"),
            seed,
            Inputs(tuple(sets.retain.shape), sets.retain.example().dtype, bounds, preprocessing),
        )


def _run(
    method: Method,
    model: Adapted,
    sets: Sets,
    config: Section,
    seed: int,
    compute: Compute,
    progress: Progress,
    task: Task,
) -> tuple[Any, Mask | None, torch.Tensor | None, History, dict[str, float]]:
    if method.name == "aru" and isinstance(config, AruConfig):
        made = attack_and_reset(model, sets, config, seed=seed, compute=compute, progress=progress, task=task)
        marked = {name.removeprefix(_PREFIX): marks for name, marks in made.mask.items()}
        return made.model, marked, made.noise, made.history, made.seconds
    watch = Stopwatch()
    of_task = {} if task is CLASSIFICATION else {"task": task}  # `accepts` says that the function takes it
    result = method.function(model, sets, config, seed=seed, compute=compute, progress=progress, **of_task)
    return result, None, None, [], {method.name: watch.seconds}


def _check_options(method: Method, given: Mapping[Option, bool]) -> None:
    """Refuse what this method takes no notice of."""
    for option, is_given in given.items():
        if is_given and option not in method.accepts:
            others = ", ".join(name for name, one in METHODS.items() if option in one.accepts)
            raise InputError(f"{method.name} {_REFUSED[option]}: leave {option}= out, or use one of {others}")


def _check(method: Method, model: Adapted, config: Section, sets: Sets, task: Task) -> None:
    """Say before work starts what a method cannot do with this network."""
    if isinstance(config, AruConfig) and config.attack.noise != "none":
        example = sets.retain.example()
        if not example.is_floating_point():
            raise InputError(f"{method.name} adds noise to its inputs, which are {example.dtype}: set attack__noise to 'none'")
    several = task is CLASSIFICATION and sets.retain.targets.is_floating_point()
    if several and not method.multilabel:
        raise InputError(f"{method.name} is not defined for several labels an image: use a method that is (`aru.methods()`)")
    if isinstance(sets.retain, OwnSet) and sets.retain.augmentation == "mufac" and sets.retain.shape[0] != 3:
        raise InputError(f"augment is 'mufac', for 3 channels; the images' shape is {sets.retain.shape}: give a function")
    if isinstance(config, AruConfig) and config.finetune.distillation > 0 and (several or task is not CLASSIFICATION):
        raise InputError(
            "finetune.distillation compares outputs of one softmax and is defined for classes alone: set "
            "finetune__distillation=0"
        )
    if task is CLASSIFICATION and "heads" in method.accepts and not model.heads and outputs_of(model) != sets.retain.outputs:
        raise InputError(
            f"{classifier(model).removeprefix(_PREFIX)}, taken for the layer of the logits as the last of its kind, gives "
            f"{outputs_of(model)} values and {kind_of(model)} {sets.retain.outputs} logits: name the layer that a reset is to "
            "spare by heads=, as ['fc']"
        )
    if method.check is not None:
        method.check(model, config)
