"""The families of torchvision's and timm's classifiers, and the smallest member of each on the smallest images it takes."""

from collections import defaultdict

import timm
import torch
import torchvision

from aru.core.errors import InputError
from aru.nets.adapted import Adapted, adapt
from aru.nets.models import TIMM, build

SIDES = (32, 64, 96, 128, 192, 224, 256, 299)  # pixels
CLASSES = 4
_MEMBERS_TRIED = 3


def families() -> dict[str, list[str]]:
    """Family -> the names of its members for `aru.nets.models.build`.

    A family is the module that defines it: names alone would split and mix them. timm's toys for its own tests are left out.
    """
    models = torchvision.models
    of_torchvision = {name: models.get_model_builder(name).__module__ for name in models.list_models(module=models)}
    of_timm = {
        f"{TIMM}{name}": timm.models.model_entrypoint(name).__module__
        for name in timm.list_models(pretrained=False)
        if not name.startswith("test_")
    }
    found: dict[str, list[str]] = {}
    for library, members in (("torchvision", of_torchvision), ("timm", of_timm)):
        grouped = defaultdict(list)
        for name, module in members.items():
            grouped[module.rpartition(".")[2]].append(name)
        found |= {f"{library}/{family}": names for family, names in sorted(grouped.items())}
    return found


def by_size(members: list[str]) -> list[str]:
    """The members by their number of parameters, counted without memory for them where a constructor allows that."""
    sizes = {name: _size(name, "meta") or _size(name, "cpu") for name in members}
    return sorted((name for name in members if sizes[name]), key=lambda name: sizes[name]) or members


def built(members: list[str]) -> tuple[str, Adapted, int]:
    """The first of the members that is a classifier, for the smallest images that it takes in training: name, network, side.

    Raises the error of the first member where none of three can be used.
    """
    faults: list[Exception] = []
    for name in members[:_MEMBERS_TRIED]:
        fault: Exception = InputError(f"{name} takes no images")
        sides = sorted({*SIDES, _native_side(name)})
        for side in sides:
            try:
                return name, _trained_once(name, side), side
            except Exception as error:  # a size that a network does not take is said in many ways
                fault = error.with_traceback(None)  # whose frames hold the network
        faults.append(fault)
    raise faults[0]


def _trained_once(name: str, side: int) -> Adapted:
    network = adapt(build(name, CLASSES, resolution=side)).train()
    output = network(torch.rand(2, 3, side, side))
    if output.shape != (2, CLASSES):
        raise InputError(f"gives a tensor of shape {tuple(output.shape)} for 2 images and {CLASSES} classes")
    output.sum().backward()
    network.zero_grad(set_to_none=True)
    return network


def _native_side(name: str) -> int:
    """The side of the images that a network was made for, in pixels."""
    if not name.startswith(TIMM):
        return 224
    made_for = timm.get_pretrained_cfg(name.removeprefix(TIMM))
    return int(made_for.input_size[-1]) if made_for else 224


def _size(name: str, device: str) -> int:
    with torch.device(device):
        try:
            return sum(parameter.numel() for parameter in build(name, CLASSES, resolution=224).parameters())
        except Exception:  # whatever a constructor that computes with its weights raises: it has its turn on the other device
            return 0
