"""What this machine's processor can do."""

import torch


def has(name: str) -> bool:
    """Whether PyTorch reports instructions, such as ``avx512_bf16`` or ``amx_tile``; False where it does not know the name."""
    return bool(getattr(torch.cpu, f"_is_{name}_supported", lambda: False)())
