"""What something cost a contender, while the load looked on."""

import time

from bench.harness.process import Process
from bench.harness.suite import Sample


class Meter:
    """Runs from its making until `sample`."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._kernel = process.in_kernel()
        self._cpu = process.cpu()
        self._load = time.process_time()
        self._wall = time.perf_counter()

    def sample(self, count: int) -> Sample:
        """CPU microseconds for each of so many; how busy both cores were by that."""
        wall = time.perf_counter() - self._wall
        load = time.process_time() - self._load
        cpu = self._process.cpu() - self._cpu
        extras = {
            "wall µs": wall / count * 1e6,
            "contender busy %": cpu / wall * 100,
            "load busy %": load / wall * 100,
        }
        if cpu > 0.05:  # /proc has hundredths of a second.
            extras["in the kernel %"] = min(1.0, (self._process.in_kernel() - self._kernel) / cpu) * 100
        return Sample(cpu / count * 1e6, extras)
