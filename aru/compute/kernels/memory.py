"""What glibc does with memory that is freed: keep it for the next tensor, or give it back."""

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # <malloc.h>
_KEPT = (2**30, 2**25)
"""Bytes; glibc before 2.35 refuses more than the second."""
_RETURNED = 2**18


def keep_freed_memory() -> bool:
    """Let glibc keep what PyTorch frees; elsewhere nothing changes. Returns whether it does.

    By default glibc hands what is larger than 32 MB back at once, and the next tensor costs the system a page fault every
    4 KiB: half a gigabyte of them in a training step of ResNet18 at 128 px.
    """
    return any(_set(limit) for limit in _KEPT)


def return_freed_memory() -> bool:
    """Let glibc hand what is larger than 256 KiB back as soon as it is freed; the opposite of `keep_freed_memory`, whichever
    is called last. Returns whether it does.

    By default glibc raises that limit to the largest block that was ever freed, up to 32 MB. What is smaller is cut from one
    heap, in which a small object behind a large one keeps its room from the system: while 100,000 photos were read, a third.
    """
    return _set(_RETURNED)


def _set(limit: int) -> bool:
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # macOS and Windows have none
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, limit) and mallopt(_M_TRIM_THRESHOLD, limit))
