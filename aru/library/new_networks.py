"""New networks of the caller's kind, from `fresh=`: where methods take new weights from, if he gives them."""

from collections.abc import Callable

from torch import nn

from aru.compute.copying import copied
from aru.compute.modes import all_trained
from aru.core.errors import InputError
from aru.nets.adapted import Adapted, adapt
from aru.nets.models import state_tensors

Fresh = nn.Module | Callable[[], nn.Module]
"""A network with new weights, or a function that makes one; its random draws come from the seed of the call."""


def network_source(fresh: Fresh, model: Adapted) -> Callable[[], nn.Module]:
    """A function that makes a network of the kind of `model`, in float32, or says by an InputError how it differs."""
    make: Callable[[], nn.Module] = (lambda: copied(fresh)) if isinstance(fresh, nn.Module) else fresh
    if not callable(make):
        raise InputError(f"fresh is a {type(fresh).__name__}: give a network with new weights, or a function that makes one")
    wanted = {name: tensor.shape for name, tensor in state_tensors(model.network).items()}

    def new() -> nn.Module:
        made = make()
        if not isinstance(made, nn.Module):
            raise InputError(f"fresh= made a {type(made).__name__}: a network of the model's kind is needed")
        network = all_trained(adapt(made).network)
        shapes = {name: tensor.shape for name, tensor in state_tensors(network).items()}
        for name in sorted(wanted.keys() | shapes.keys()):
            if wanted.get(name) != shapes.get(name):
                raise InputError(
                    f"fresh= and the model differ at {name!r} (shapes {shapes.get(name)} and {wanted.get(name)}): give a "
                    "network of the same kind"
                )
        return network

    return new
