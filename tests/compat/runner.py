"""Run a program as it stands and tell when it said what: `python runner.py PROGRAM SECONDS`.

A second of its sleeping takes SECONDS.  At the end there is one line of JSON: what it printed, each with the time, and
last, under the name "returned", when it ended.
"""

import json
import runpy
import sys
import time

said: list[tuple[float, str]] = []


class Stamped:
    """Notes what is printed, and when."""

    def write(self, text: str) -> None:
        """Note it."""
        if text.strip():
            said.append((time.monotonic(), text.strip()))

    def flush(self) -> None:
        """There is nothing to do."""


def run(program: str, second: float) -> None:
    """Run the program."""
    sleep, out = time.sleep, sys.stdout
    time.sleep = lambda seconds: sleep(seconds * second)
    sys.stdout = Stamped()  # type: ignore[assignment]
    runpy.run_path(program, run_name="__main__")
    said.append((time.monotonic(), "returned"))
    sys.stdout = out
    print(json.dumps(said))


if __name__ == "__main__":
    run(sys.argv[1], float(sys.argv[2]))
