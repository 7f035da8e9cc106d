"""Weights that a module computes from other parameters at each pass: what is written into them is lost."""

import torch
from torch import nn

from aru.core.errors import InputError

FRESH = ", or give fresh=, a function that makes a new network of this kind"
"""The other remedy, where new values can come from elsewhere."""
_STEMS = ("_orig", "_g")  # weight_orig of spectral_norm and pruning, weight_g of weight_norm


def require_own(name: str, module: nn.Module, *needed: str, action: str, otherwise: str = "") -> None:
    """Raise InputError where a tensor of `module`, named `name`, is computed from others, or one of `needed` no parameter.

    Computed are those of weight_norm, spectral_norm, pruning and any parametrization. action: what cannot be done with the
    tensor, as in "reset"; otherwise: a second remedy.
    """
    own = dict(module.named_parameters(recurse=False))
    stems = [parameter.removesuffix(suffix) for parameter in own for suffix in _STEMS if parameter.endswith(suffix)]
    computed = [stem for stem in stems if stem not in own and isinstance(getattr(module, stem, None), torch.Tensor)]
    parametrized = getattr(module, "parametrizations", None)
    if isinstance(parametrized, nn.ModuleDict):  # as register_parametrization makes one
        computed += list(parametrized)
    for tensor in (*computed, *(tensor for tensor in needed if tensor not in own)):
        raise InputError(
            f"{name or 'the model'} ({type(module).__name__}) has a {tensor} that is computed from other parameters, so that "
            f"it cannot be {action}: take it off first, by remove_weight_norm, remove_spectral_norm, prune.remove or "
            f"parametrize.remove_parametrizations of torch.nn.utils{otherwise}"
        )
