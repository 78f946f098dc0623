"""The machine: which core does what, what is installed, and who else was at work while it was measured."""

import contextlib
import datetime
import os
import platform
import resource
import shutil
import subprocess
import sys
import zlib
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import rawws

PACKAGES = (
    *("websockets", "wsproto", "websocket-client", "picows", "aiofastnet", "aiohttp", "tornado", "uvicorn"),
    *("httptools", "uvloop", "h11", "zlib-ng", "isal"),
)
NODE_PACKAGES = Path(__file__).parent.parent.parent / "tests" / "interop" / "node" / "node_modules"


def versions() -> dict[str, str]:
    """The version of everything that takes part."""
    found = {"Python": platform.python_version(), "rawws": f"{rawws.__version__} ({rawws_is()})"}
    for name in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found | {"zlib": zlib.ZLIB_RUNTIME_VERSION} | _node()


def rawws_is() -> str:
    """Whether rawws has its C extension."""
    return "with C" if has_c() else "pure Python: the C extension is not built"


def has_c() -> bool:
    """Whether rawws has its C extension here."""
    return find_spec("rawws.core._speedups") is not None


def _node() -> dict[str, str]:
    program = shutil.which("node")
    if program is None:
        return {}
    found = {"Node": subprocess.run([program, "--version"], capture_output=True, text=True).stdout.strip()}
    with contextlib.suppress(OSError, ValueError, IndexError):
        found["ws"] = (NODE_PACKAGES / "ws" / "package.json").read_text().split('"version": "')[1].split('"')[0]
    return found


def setting() -> dict[str, str]:
    """When and on what this is measured."""
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{_processor()}, {os.cpu_count()} cores, {_memory()} GiB",
        "system": f"{platform.system()} {platform.release().split('-')[0]} {platform.machine()}, {libc()}",
        "load before": f"{os.getloadavg()[0]:.2f}",
    }


def libc() -> str:
    """The C library, on whose allocator large messages depend."""
    return " ".join(platform.libc_ver()) or "unknown C library"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)


def unfit() -> str | None:
    """Why nothing can be measured here, if that is so."""
    if sys.platform != "linux":
        return "the CPU time of other processes is read as Linux gives it; this is not Linux"
    return None


def two_cores() -> tuple[int, int]:
    """A core for the load and one for what is measured; the same, if this process may use one only."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[0], cores[-1]


def allow_files(count: int) -> None:
    """Let this process and its children open that many files, if they may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count and (hard == resource.RLIM_INFINITY or hard > soft):
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(count, hard) if hard >= 0 else count, hard))


class Busy(NamedTuple):
    """What the cores have done since the machine was started, in seconds of a core."""

    total: float
    idle: float
    stolen: float
    """Taken by the host, on a virtual machine."""
    ours: float
    """By this process and those that it started, and has seen end."""


def busy() -> Busy:
    """What it is now."""
    ticks = [int(number) for number in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    user, nice, system, idle, waiting, hardware, software, stolen = (tick / os.sysconf("SC_CLK_TCK") for tick in ticks)
    total = user + nice + system + idle + waiting + hardware + software + stolen
    times = os.times()
    return Busy(total, idle + waiting, stolen, times.user + times.system + times.children_user + times.children_system)


def others(before: Busy, after: Busy) -> tuple[float, float]:
    """The share of all cores that others took in between, and that the host took."""
    total = max(after.total - before.total, 1e-9)
    spent = total - (after.idle - before.idle)
    stolen = after.stolen - before.stolen
    return max(0.0, (spent - stolen - (after.ours - before.ours)) / total), stolen / total
