"""An unlearning in a folder: weights, mask and noise as safetensors, the rest as JSON, and back into a network."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from aru.compute.copying import copied
from aru.core.errors import InputError
from aru.core.files import file_md5, load_tensors, save_tensors, write_json
from aru.nets.adapted import unwrapped
from aru.nets.models import first_not_finite, state_tensors

WEIGHTS, MASK, NOISE, ABOUT = "model.safetensors", "mask.safetensors", "noise.safetensors", "unlearning.json"


def save(
    folder: Path,
    model: nn.Module,
    about: Mapping[str, Any],
    *,
    mask: Mapping[str, torch.Tensor] | None,
    noise: torch.Tensor | None,
) -> None:
    """Write all that there is; files of an earlier unlearning that this one has not are removed."""
    save_weights(folder / WEIGHTS, model)
    write_json(folder / ABOUT, dict(about))
    for name, tensors in ((MASK, mask), (NOISE, None if noise is None else {"noise": noise})):
        if tensors is None:
            (folder / name).unlink(missing_ok=True)
        else:
            save_tensors(folder / name, dict(tensors))


def save_weights(path: Path, model: nn.Module) -> None:
    """Write a network's weights as safetensors: the same bytes for the same weights."""
    # safetensors refuses tensors that share memory, as tied weights do.
    save_tensors(path, {name: tensor.detach().clone() for name, tensor in state_tensors(model).items()})


def weights_md5(model: nn.Module) -> str:
    """The MD5 of the file that `save_weights` writes of a network, out of its wrappers."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / WEIGHTS
        save_weights(path, unwrapped(model))
        return file_md5(path)


def load(folder: str | Path, model: nn.Module) -> nn.Module:
    """A copy of `model`, in evaluation mode, with the weights that `Unlearning.save` wrote; `model` is not changed.

    Raises InputError where names or shapes do not fit, or a weight is not finite.
    """
    path = Path(folder) / WEIGHTS
    tensors = load_tensors(path)[0]
    result = copied(unwrapped(model))
    own = state_tensors(result)
    for name in sorted(own.keys() ^ tensors.keys()):
        raise InputError(
            f"{path} {'lacks the' if name in own else 'has an unknown'} tensor {name!r}: give the kind of network that was "
            "unlearned"
        )
    for name, tensor in tensors.items():
        if tensor.shape != own[name].shape:
            raise InputError(
                f"{path}: {name} has shape {tuple(tensor.shape)}, the network's has {tuple(own[name].shape)}: give the kind "
                "of network that was unlearned"
            )
        if first_not_finite({name: tensor}, own):
            raise InputError(f"{path}: {name} has values that are not finite: unlearn again")
    with torch.no_grad():
        for name, tensor in tensors.items():
            own[name].copy_(tensor)
    return result.eval()
