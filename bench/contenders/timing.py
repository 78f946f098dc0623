"""Timing a batch of work within a contender that is a worker."""

from collections.abc import Callable
from time import process_time
from typing import NamedTuple


class Batch(NamedTuple):
    """Work that can be done again and again."""

    run: Callable[[], object]
    messages: int
    """That it is worth each time."""

    def cost(self, seconds: float) -> dict[str, float]:
        """CPU microseconds a message, of all threads, in user mode and in the kernel, once it is warm."""
        repeat, taken = 1, self._take(1)
        while taken < seconds / 4:
            repeat *= 2
            taken = self._take(repeat)
        repeat = max(1, round(repeat * seconds / taken))
        return {"µs": self._take(repeat) / (repeat * self.messages) * 1e6}

    def _take(self, repeat: int) -> float:
        start = process_time()
        for _ in range(repeat):
            self.run()
        return max(process_time() - start, 1e-9)
