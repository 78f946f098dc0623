"""How much memory a process has, as Linux counts it."""

from pathlib import Path
from typing import NamedTuple


class Resident(NamedTuple):
    """In bytes, now."""

    proportional: int
    """Pages that it shares count as a part of one."""
    whole: int


def resident(pid: int) -> Resident:
    """What there is of it in memory; exactly, where /proc/PID/statm is off by some pages for each core."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    return Resident(*(int(lines[name].split()[0]) * 1024 for name in ("Pss", "Rss")))


def forget_peak(pid: int) -> None:
    """From now on, `peak` is that of what follows."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak(pid: int) -> int:
    """The most bytes that were in memory at once."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise OSError("no VmHWM")
