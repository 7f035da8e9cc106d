"""Time that a piece of work takes, over all processes that worked at it."""

import time
from typing import TypedDict


class Spent(TypedDict):
    """Time, rounded to milliseconds."""

    seconds: float
    cpu_seconds: float


class Stopwatch:
    """Runs from when it is made: seconds on the wall, and of this process on the CPU.

    `others_cpu_seconds`: what processes that work at the same have spent on the CPU, which they say.
    """

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        self._earlier = (0.0, 0.0)
        self.others_cpu_seconds = 0.0

    @property
    def seconds(self) -> float:
        """Seconds on the wall so far, those of earlier processes included."""
        return self._earlier[0] + time.perf_counter() - self._wall

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds so far, those of earlier and of other processes included."""
        return self._earlier[1] + self.own_cpu_seconds + self.others_cpu_seconds

    @property
    def own_cpu_seconds(self) -> float:
        """CPU seconds of this process so far."""
        return time.process_time() - self._cpu

    def spent(self) -> Spent:
        """Both, as they are recorded."""
        return {"seconds": round(self.seconds, 3), "cpu_seconds": round(self.cpu_seconds, 3)}

    def add(self, spent: Spent) -> None:
        """Count what an earlier process had spent up to the point from which this one goes on."""
        self._earlier = (self._earlier[0] + spent["seconds"], self._earlier[1] + spent["cpu_seconds"])
