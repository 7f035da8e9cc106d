"""The blocks of a network, from its named children: what "the last k" means for any classifier."""

from torch import nn

from aru.core.errors import InputError
from aru.nets.adapted import Adapted, kind_of
from aru.nets.models import classifier

_WRAPPERS = ("features", "encoder", "layers", "trunk_output", "blocks", "stages")
"""How torchvision and timm name what holds all blocks."""


def blocks(model: nn.Module) -> list[list[nn.Module]]:
    """The parameterised modules in the order of the forward pass, grouped; the last group holds the classifier.

    A block is a child of the model that has parameters; children named features, encoder, layers, trunk_output, blocks or
    stages are opened and give their own children, and so are a network in an adapter and a ModuleList, which is never run
    itself. Where all but the classifier lies in one child, as in a wrapper or in transformers' networks, that is opened, too.
    A child without a matrix (a norm) belongs to the block before it. So a ResNet has conv1 + bn1, layer1 to layer4,
    fc; a Vision Transformer its patch projection, each encoder layer (the last one with the final norm), and the head.
    """
    last = classifier(model)
    groups: list[list[nn.Module]] = []
    for name, module in _children(model, "", last):
        head = last == name or last.startswith(f"{name}.")
        if groups and not head and all(parameter.ndim < 2 for parameter in module.parameters()):
            groups[-1].append(module)
        else:
            groups.append([module])
    return groups


def last_blocks(model: nn.Module, count: int) -> list[nn.Module]:
    """The modules of the last `count` blocks, the classifier's being the first counted."""
    groups = blocks(model)
    if count > len(groups):
        raise InputError(f"blocks is {count}, but {kind_of(model)} has {len(groups)}: choose 1 to {len(groups)}")
    return [module for group in groups[-count:] for module in group]


def frozen_modules(model: nn.Module, trained: list[nn.Module]) -> list[nn.Module]:
    """Every module that has own parameters or statistics and lies in none of `trained`."""
    inside = {inner for module in trained for inner in module.modules()}
    return [
        module
        for module in model.modules()
        if module not in inside
        and (next(module.parameters(recurse=False), None) is not None or next(module.buffers(recurse=False), None) is not None)
    ]


def _children(model: nn.Module, prefix: str, last: str) -> list[tuple[str, nn.Module]]:
    found = []
    children = [(name, child) for name, child in model.named_children() if next(child.parameters(), None) is not None]
    bodies = [name for name, _ in children if not f"{last}.".startswith(f"{prefix}{name}.")]
    containers = [name for name, _ in children] if len(children) == 1 else bodies if len(children) == 2 else []
    for name, child in children:
        path = f"{prefix}{name}"
        whole = len(containers) == 1 and name in containers and next(child.children(), None) is not None
        opened = whole or name in _WRAPPERS or isinstance(model, Adapted) or isinstance(child, nn.ModuleList)
        found += _children(child, f"{path}.", last) if opened else [(path, child)]
    return found
