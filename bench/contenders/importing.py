"""Fresh processes that import modules, and others that import nothing: `python -m bench.contenders.importing M …`."""

import os
import statistics
import subprocess
import sys
import tempfile
import time

from bench.harness import worker

COUNT = "import sys; before = set(sys.modules); import {}; print(len(set(sys.modules) - before))"


class Bytecode:
    """Where the modules are kept compiled, so that it matters to nobody whether they were installed so."""

    def __init__(self, folder: str) -> None:
        self._surroundings = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        self._surroundings["PYTHONPYCACHEPREFIX"] = folder

    def run(self, program: str) -> tuple[float, float]:
        """CPU and wall milliseconds of a fresh process."""
        start = time.perf_counter()
        pid = os.posix_spawn(sys.executable, [sys.executable, "-c", program], self._surroundings)
        _, status, used = os.wait4(pid, 0)
        assert status == 0, f"{program} fails"
        return (used.ru_utime + used.ru_stime) * 1000, (time.perf_counter() - start) * 1000

    def modules(self, imported: str) -> int:
        """How many modules there are afterwards that were not there before."""
        program = [sys.executable, "-c", COUNT.format(imported)]
        return int(subprocess.run(program, env=self._surroundings, stdout=subprocess.PIPE, check=True).stdout)


def main(*modules: str) -> None:
    """The command."""
    imported = ", ".join(modules)
    with tempfile.TemporaryDirectory() as folder:
        bytecode = Bytecode(folder)

        def answer(seconds: float) -> dict[str, float]:
            count = bytecode.modules(imported)
            rounds = []
            end = time.perf_counter() + seconds
            while not rounds or time.perf_counter() < end:
                rounds.append((*bytecode.run(f"import {imported}"), *bytecode.run("")))
            cpu, wall, bare_cpu, bare_wall = (statistics.median(column) for column in zip(*rounds))
            return {"cpu": cpu - bare_cpu, "wall": wall - bare_wall, "modules": count}

        worker.serve(answer)


if __name__ == "__main__":
    main(*sys.argv[1:])
