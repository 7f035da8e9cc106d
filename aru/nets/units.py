"""The units of a network that can be reset: which weights have them, along which axis, and what else belongs to a unit.

A unit, the "filter" of `mask.unit`, is what computes one output channel of a layer:

- Conv1d, Conv2d, Conv3d: the weights of one output channel over all inputs, and its bias;
- ConvTranspose1d to 3d of one group: the same, along the second axis of the weight;
- Linear, also each in the MLPs and attention of transformers: one row, with its bias;
- MultiheadAttention: one row of the projection to queries, keys and values;
- RNN, GRU, LSTM: one row of the weights from the input or from the hidden state, that is one gate of one hidden value.

Embeddings, norms, and parameters that a module of somebody's own holds have none: they stay as they are.
"""

from dataclasses import dataclass

import torch
from torch import nn

from aru.nets.adapted import Adapted
from aru.nets.computed_weights import require_own
from aru.nets.models import classifier

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


@dataclass(frozen=True)
class UnitLayer:
    """One weight with units.

    module: the name of the module that holds it; weight: its attribute; axis: along which its units lie, output channels as a
    rule; vectors: the module's attributes with one value a unit, such as biases.
    """

    module: str
    weight: str = "weight"
    axis: int = 0
    vectors: tuple[str, ...] = ("bias",)

    def parameter(self, model: nn.Module) -> torch.Tensor:
        """The weight itself, in `model` or any model of the same kind."""
        found: torch.Tensor = getattr(model.get_submodule(self.module), self.weight)
        return found

    def units_first(self, tensor: torch.Tensor) -> torch.Tensor:
        """A view of a tensor of the weight's shape whose first axis is that of the units."""
        return tensor.movedim(self.axis, 0)


def unit_layers(model: nn.Module) -> dict[str, UnitLayer]:
    """All layers with units, by name and in the order of the modules; those in `heads` are left out.

    Convolutions of one to three dimensions, transposed ones of one group, Linear layers, the projections of attention, and
    recurrent layers, of which a unit is one row: what one gate of one hidden value reads. A weight that two layers share
    counts once, and not at all where one of them is in `heads`. Embeddings and the weights of norms have no units of this
    kind. Raises InputError for a layer one of whose tensors is computed anew at each pass, as by weight_norm.
    """
    spared = heads(model)
    found: dict[str, UnitLayer] = {}
    seen = {id(parameter) for head in spared for parameter in model.get_submodule(head).parameters()}
    for name, module in model.named_modules():
        outside = not any(name == head or name.startswith(f"{head}.") for head in spared)
        for suffix, layer in _of_module(name, module).items() if outside else ():
            require_own(name, module, layer.weight, action="reset")
            weight = id(layer.parameter(model))
            if weight not in seen:
                seen.add(weight)
                found[f"{name}{suffix}"] = layer
    return found


def heads(model: nn.Module) -> tuple[str, ...]:
    """The names of the output layers, which keep their units: those that the caller named, else the classifier."""
    named = model.heads if isinstance(model, Adapted) else ()
    return tuple(f"network.{name}" for name in named) or (classifier(model),)


def unit_weights(model: nn.Module) -> dict[str, torch.Tensor]:
    """The weights of `unit_layers` with their units along the first axis: views, through which the model can be changed."""
    return {name: layer.units_first(layer.parameter(model)) for name, layer in unit_layers(model).items()}


def _of_module(name: str, module: nn.Module) -> dict[str, UnitLayer]:
    """The layers that one module holds, by what is added to its name."""
    if isinstance(module, (*_CONVOLUTIONS, nn.Linear)):
        return {"": UnitLayer(name)}
    if isinstance(module, _TRANSPOSED) and module.groups == 1:
        return {"": UnitLayer(name, axis=1)}
    if isinstance(module, nn.MultiheadAttention):
        # The parameter is absent where keys or values have sizes of their own.
        if "in_proj_weight" in dict(module.named_parameters(recurse=False)):
            return {".in_proj": UnitLayer(name, "in_proj_weight", vectors=("in_proj_bias",))}
        return {f".{part}_proj": UnitLayer(name, f"{part}_proj_weight", vectors=()) for part in "qkv"}
    if isinstance(module, nn.RNNBase):
        return {
            f".{weight}": UnitLayer(name, weight, vectors=(weight.replace("weight", "bias"),) if module.bias else ())
            for weight, _ in module.named_parameters(recurse=False)
            if weight.startswith(("weight_ih", "weight_hh"))
        }
    return {}
