"""Device, precision and threads of one call of the library."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from pydantic import ValidationError

from aru.compute.device import Compute, device_of, make_compute, process_settings_kept
from aru.core.config import RuntimeConfig
from aru.core.errors import InputError

_MOST_THREADS = 256
with_gradients = torch.inference_mode(mode=False)
"""For a function that is called under `torch.no_grad` or `torch.inference_mode`: this ends both for its length."""


@contextmanager
def computing(device: str | torch.device, precision: str, *, kernels: Literal["fast", "torch"] = "fast") -> Iterator[Compute]:
    """A device and precision for the length of a block; what they set in the process is after it as before.

    Raises InputError for a device that is not here and for an unknown precision.
    """
    threads = min(torch.get_num_threads(), _MOST_THREADS)
    try:
        config = RuntimeConfig.model_validate(
            {"device": str(device), "precision": precision, "threads": threads, "kernels": kernels}
        )
    except ValidationError as error:
        item = error.errors()[0]
        raise InputError(f"{item['loc'][0]} is {item['input']!r}: {item['msg']}") from None
    with process_settings_kept(device_of(config)):
        yield make_compute(config)
