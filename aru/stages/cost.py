"""What a stage cost: seconds, images a second, peak memory, and on what."""

import resource
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from aru.compute.device import Compute
from aru.core.cost_record import Cost
from aru.core.stopwatch import Stopwatch


def cost(
    stage: str,
    clock: Stopwatch,
    images: int | None,
    *,
    compute: Compute,
    processes: int = 1,
    before: Sequence[Cost] = (),
) -> Cost:
    """What a stage cost; `images` counts every pass over an image, and is None where they are not counted.

    The CPU time is that of all `processes`, the peak memory that of the first. `before`: the costs of the stages that belong
    to the same work.
    """
    seconds = clock.seconds
    found: Cost = {
        "stage": stage,
        "seconds": round(seconds, 3),
        "cpu_seconds": round(clock.cpu_seconds, 3),
        "processes": processes,
        "images": images,
        "images_per_second": None if images is None else round(images / seconds, 1),
        "peak_memory_mib": _peak_memory_mib(compute),
        "device": str(compute.device),
        "precision": compute.precision,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    return found | {"before": list(before)} if before else found


def clear_peak_memory() -> None:
    """Begin counting the process's peak memory anew, where the system can (Linux)."""
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5")
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def _peak_memory_mib(compute: Compute) -> int:
    """Peak memory in MiB since the stage began: of the GPU where one computes, else of this process."""
    if compute.device.type == "cuda":
        return torch.cuda.max_memory_allocated(compute.device) >> 20
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) >> 10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak >> (20 if sys.platform == "darwin" else 10)
