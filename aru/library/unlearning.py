"""`aru.unlearn`: a network and data of the caller's own in, an unlearned network of the same kind out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from aru.compute.device import Compute
from aru.core.config import Section
from aru.core.errors import InputError
from aru.core.progress import Progress
from aru.core.seeds import draw_seed
from aru.core.stopwatch import Stopwatch
from aru.data.datasets import Augmentation, Bounds, OwnSet, Source
from aru.data.images import Sets
from aru.library.problem import DataOptions, adapted, filled_copy, read_sets
from aru.library.progress_bar import reporting
from aru.library.running import computing
from aru.library.saved import save
from aru.library.settings import configure
from aru.methods.aru.masking import Mask
from aru.methods.aru.pipeline import unlearn as attack_and_reset
from aru.methods.aru.presets import AruConfig
from aru.methods.method import Method
from aru.methods.registry import find
from aru.nets.adapted import Adapted
from aru.train.history import History

Fresh = nn.Module | Callable[[], nn.Module]
_PREFIX = "network."


@dataclass(frozen=True)
class Cost:
    """seconds: on the wall, by step. Where and how it ran: the same of all four give the same bytes."""

    seconds: Mapping[str, float]
    device: str
    precision: str
    threads: int

    @property
    def total(self) -> float:
        """Seconds of all steps together."""
        return sum(self.seconds.values())


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
    outputs: int | None = None,
    workers: int = 0,
    **settings: Any,
) -> Unlearning:
    """Make a trained network forget some of its training images; the network that is given is not changed.

    model: any classifier, a `torch.nn.Module` that takes a batch of images and gives logits. forget, retain: what it was
    trained on, as a map-style dataset of (image, label), a data loader over one, or a pair of arrays. method, preset,
    settings: as `aru.methods()` lists them; ``mask__ratio=0.3`` sets the parameter `ratio` of the section `mask`. bounds: the
    least and greatest value of float images; preprocessing: ``{"mean": ..., "std": ..., "axis": -3}`` of the network, so that
    noise is bounded in pixels. augment: a function of one image (C, H, W), "mufac" for that benchmark's, or none. fresh: a
    network with new weights, or a function that makes one, where a layer cannot draw its own. progress: whether a bar is
    shown, by default in a notebook only; callbacks: called as ``(done, total, text)``.

    Parameters that do not require a gradient are unlearned, too: what was trained is not known from that. Raises InputError,
    before work starts, for what the method cannot do with this network or data, TrainingError for a loss that is not finite.
    """
    chosen = find(method)
    config = configure(chosen, preset, settings, augmented=augment is not None)
    options = DataOptions(bounds, preprocessing, augment, outputs, workers)
    working = adapted(model, options)
    sets = read_sets(working, {"forget": forget, "retain": retain}, options)
    source = _fresh_network(fresh, working, chosen, seed)
    _check(chosen, working, config, sets, source)
    with computing(device, precision) as compute, reporting(progress, callbacks) as report:
        result = _run(chosen, working, sets, config, seed, compute, report, source)
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
        )


def _run(
    method: Method,
    model: Adapted,
    sets: Sets,
    config: Section,
    seed: int,
    compute: Compute,
    progress: Progress,
    source: nn.Module | None,
) -> tuple[Any, Mask | None, torch.Tensor | None, History, dict[str, float]]:
    if method.name == "aru" and isinstance(config, AruConfig):
        made = attack_and_reset(model, sets, config, seed=seed, compute=compute, progress=progress, source=source)
        marked = {name.removeprefix(_PREFIX): marks for name, marks in made.mask.items()}
        return made.model, marked, made.noise, made.history, made.seconds
    watch = Stopwatch()
    result = method.function(model, sets, config, seed=seed, compute=compute, progress=progress)
    return result, None, None, [], {method.name: watch.seconds}


def _fresh_network(fresh: Fresh | None, model: Adapted, method: Method, seed: int) -> Adapted | None:
    """The network with new values that the caller gave, wrapped as his model is."""
    if fresh is None:
        return None
    if method.name != "aru":
        raise InputError(f"fresh= gives new values to ARU's reset, {method.name} takes none: leave it out")
    if isinstance(fresh, nn.Module):
        new = fresh
    else:
        with torch.random.fork_rng():
            torch.manual_seed(draw_seed(seed, "reset"))
            new = fresh()
    if not isinstance(new, nn.Module):
        raise InputError(f"fresh= made a {type(new).__name__}: a network of the model's kind is needed")
    wrapped = adapted(new, DataOptions()).cpu()
    shapes = [{name: tensor.shape for name, tensor in one.state_dict().items()} for one in (model.network, wrapped.network)]
    for name in sorted(shapes[0].keys() | shapes[1].keys()):
        if shapes[0].get(name) != shapes[1].get(name):
            raise InputError(
                f"fresh= and the model differ at {name!r} (shapes {shapes[1].get(name)} and {shapes[0].get(name)}): give a "
                "network of the same kind"
            )
    return model.around(wrapped.network).cpu()


def _check(method: Method, model: Adapted, config: Section, sets: Sets, source: nn.Module | None) -> None:
    """Say before work starts what a method cannot do with this network."""
    if isinstance(config, AruConfig):
        example = sets.retain.example()
        if not example.is_floating_point():
            raise InputError(f"{method.name} adds noise to its inputs, which are {example.dtype}: use a method that does not")
    if sets.retain.targets.is_floating_point() and not method.multilabel:
        raise InputError(f"{method.name} is not defined for several labels an image: use a method that is (`aru.methods()`)")
    if isinstance(sets.retain, OwnSet) and sets.retain.augmentation == "mufac" and sets.retain.shape[0] != 3:
        raise InputError(f"augment is 'mufac', for 3 channels; the images' shape is {sets.retain.shape}: give a function")
    if method.check is not None and source is None:
        method.check(model, config)
