"""Memory that is freed stays with the process, to be used again."""

import ctypes
from functools import cache

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # <malloc.h>
_LIMITS = (2**30, 2**25)
"""Bytes; glibc before 2.35 refuses more than the second."""


@cache
def keep_freed_memory() -> bool:
    """Let glibc keep what PyTorch frees; elsewhere nothing changes. Returns whether it does.

    By default glibc hands what is larger than 32 MB back at once, and the next tensor costs the system a page fault every
    4 KiB: half a gigabyte of them in a training step of ResNet18 at 128 px.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # macOS and Windows have none
        return False
    return any(mallopt(_M_MMAP_THRESHOLD, limit) and mallopt(_M_TRIM_THRESHOLD, limit) for limit in _LIMITS)
