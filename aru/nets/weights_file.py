"""Weights from elsewhere: safetensors, or a state_dict of `torch.save`, of which nothing but tensors is ever read."""

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from aru.core.errors import InputError
from aru.core.files import load_tensors
from aru.nets.models import classifier, load_weights, state_tensors

_WRAPPERS = ("state_dict", "model_state_dict", "model")
_PREFIXES = ("module.", "_orig_mod.", "model.", "network.", "net.")
_REFUSED = r"GLOBAL ([\w.]+)"
"""What PyTorch says that a pickle needs beside tensors."""
_COUNTS = "num_batches_tracked"
Tensors = dict[str, torch.Tensor]


def read_weights(path: Path) -> tuple[Tensors, list[str]]:
    """The tensors of a file and what was taken out of which wrapper. Raises InputError for all else; no pickled code runs."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} does not exist: name a .safetensors file, or a state_dict written by torch.save")
    if path.suffix == ".safetensors":
        return load_tensors(path)[0], []
    try:
        if zipfile.is_zipfile(path) and (part := zipfile.ZipFile(path).testzip()):  # PyTorch does not look at its checksums
            raise zipfile.BadZipFile(f"{part} has another checksum")
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged files and refused pickles fail in many ways
        found = re.search(_REFUSED, str(error))
        if found:
            kind = f"holds more than tensors: {found.group(1)}"
        else:
            kind = "is damaged" if zipfile.is_zipfile(path) else "is no file of torch.save, or a part of one"
        raise InputError(
            f"{path} {kind}; nothing of it was run. Write the state_dict alone, by torch.save(model.state_dict(), FILE) or "
            "safetensors.torch.save_file"
        ) from error
    notes = []
    for name in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(name), Mapping):
            content = content[name]
            notes.append(f"weights are taken from the entry {name!r}")
    if (
        not isinstance(content, Mapping)
        or not all(isinstance(value, torch.Tensor) for value in content.values())
        or not content
    ):
        raise InputError(f"{path} holds no state_dict (a mapping of names to tensors): write model.state_dict()")
    return dict(content), notes


def without_prefixes(tensors: Tensors, own: Mapping[str, torch.Tensor]) -> tuple[Tensors, list[str]]:
    """The tensors under a network's own names, without what wrappers put before all of them, and what was left out."""
    notes = []
    while prefix := next((one for one in _PREFIXES if tensors and all(name.startswith(one) for name in tensors)), None):
        if set(tensors) <= set(own):
            break
        tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
        notes.append(f"the prefix {prefix!r} of all names is left out")
    return tensors, notes


def fill(model: nn.Module, tensors: Tensors, *, where: str) -> list[str]:
    """Fill a network in with weights whose names may bear prefixes of wrappers; what was changed is returned in sentences.

    Raises InputError where names, shapes or the number of classes do not fit.
    """
    own = state_tensors(model)
    tensors, notes = without_prefixes(tensors, own)
    counts = [name for name in own if name.endswith(_COUNTS) and name not in tensors]
    if counts:
        tensors = tensors | {name: own[name] for name in counts}
        notes.append(f"{len(counts)} counters {_COUNTS!r} are missing and set to 0")
    if any(tensor.dtype in (torch.float16, torch.bfloat16, torch.float64) for tensor in tensors.values()):
        tensors = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
        notes.append("weights are converted to float32")
    head = f"{classifier(model)}.weight"
    if head in tensors and len(tensors[head]) != len(own[head]):
        raise InputError(
            f"{where} has {len(tensors[head])} classes ({head}), the task has {len(own[head])}: import weights of this task, "
            "or set data.task"
        )
    load_weights(model, tensors, where=where)
    return notes
