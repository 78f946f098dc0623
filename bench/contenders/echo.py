"""The echo servers that take part: `python -m bench.contenders.echo NAME LOOP` prints its port, and serves.

`… NAME LOOP "15/8 level 6" isal` is one of rawws with other settings for compression than it has, and another codec.
"""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from bench.contenders import floors, ours, peers
from bench.contenders.serving import run
from bench.harness import machine
from bench.harness.suite import Contender

LOOPS = ("asyncio", "uvloop")
PURE = {"RAWWS_PURE": "1"}


class Server(NamedTuple):
    """How to run one."""

    run: Callable[..., Any]
    needs: Sequence[str] = ()
    loops: Sequence[str] = LOOPS
    """Those that it can run in; none, if it uses threads."""


FLOORS = {
    "tcp": Server(floors.tcp),
    "tcp buffered": Server(floors.tcp_buffered),
    "tcp threads": Server(floors.tcp_threads, loops=()),
}
OURS = {
    "rawws": Server(ours.rawws_aio),
    "rawws callbacks": Server(ours.rawws_callbacks),
    "rawws blocking": Server(ours.rawws_blocking, loops=()),
}
PEERS = {
    "picows": Server(peers.picows, ["picows"]),
    "picows await": Server(peers.picows_await, ["picows.websockets"]),
    "aiohttp": Server(peers.aiohttp, ["aiohttp"]),
    "websockets": Server(peers.websockets, ["websockets"]),
    "websockets sync": Server(peers.websockets_sync, ["websockets"], ()),
    "wsproto": Server(peers.wsproto, ["wsproto"], ["asyncio"]),
    "tornado": Server(peers.tornado, ["tornado"], ["asyncio"]),
    "uvicorn websockets": Server(peers.uvicorn_websockets, ["uvicorn", "websockets"]),
    "uvicorn wsproto": Server(peers.uvicorn_wsproto, ["uvicorn", "wsproto"]),
}
SERVERS = FLOORS | OURS | PEERS
NODE = Contender(
    name="Node ws",
    command=("node", str(Path(__file__).with_name("node_ws.js"))),
    needs=("/node",),
    install="see https://nodejs.org",
    unable=lambda: None if (machine.NODE_PACKAGES / "ws").is_dir() else "no ws (npm ci --prefix tests/interop/node)",
    environment={"NODE_PATH": str(machine.NODE_PACKAGES)},
    warm_up=0.5,
    floors=("tcp", "tcp buffered"),
)


SETTINGS = ("12/5 level 6", "15/8 level 1", "15/8 level 6")
"""Ways to compress, beside the one that rawws has if nothing else is said; see `ours.setting`."""
CODECS = (("12/5 level 2", "zlib-ng"), ("15/8 level 1", "zlib-ng"), ("12/5 level 1", "isal"))
"""Ways to compress with another codec."""


def no_c() -> str | None:
    """Why `rawws` cannot take part, other than pure."""
    return None if machine.has_c() else "rawws has no C extension here (pip install . with a C compiler builds it)"


def echo_servers() -> list[Contender]:
    """All of them."""
    found = [contender for name in SERVERS for contender in variants(name)]
    return [*found, NODE]


def compressing_servers() -> list[Contender]:
    """Those that compress, without uvloop; and rawws with other settings and codecs."""
    found = [contender for contender in echo_servers() if "uvloop" not in contender.name and contender.name != "picows"]
    asked = [_variant("rawws", "asyncio", False, [setting]) for setting in SETTINGS]
    modules = {codec: [ours.CODECS[codec].partition(".")[0]] for _, codec in CODECS}
    asked += [_variant("rawws", "asyncio", False, [setting, codec], modules[codec]) for setting, codec in CODECS]
    return [*found, *asked]


def variants(name: str) -> list[Contender]:
    """One of them in each of its loops; and ours with C and without."""
    loops = SERVERS[name].loops
    purities = (False, True) if name in OURS else (None,)
    return [_variant(name, loop, pure) for pure in purities for loop in loops or ("threads",)]


def _variant(
    name: str, loop: str, pure: bool | None, arguments: Sequence[str] = (), needs: Sequence[str] = ()
) -> Contender:
    return Contender(
        name=" ".join([name, *arguments, *["pure"] * (pure is True), *["uvloop"] * (loop == "uvloop")]),
        command=("-m", "bench.contenders.echo", name, loop, *arguments),
        needs=[*SERVERS[name].needs, *needs, *["uvloop"] * (loop == "uvloop")],
        unable=no_c if pure is False else lambda: None,
        environment=PURE if pure else {},
        floors=() if name in FLOORS else floors_in(loop),
        kind="floor" if name in FLOORS else "rawws" if name in OURS else "peer",
    )


def floors_in(loop: str) -> Sequence[str]:
    """Names of the floors of a loop."""
    if loop == "threads":
        return ("tcp threads",)
    more = " uvloop" if loop == "uvloop" else ""
    return ("tcp" + more, "tcp buffered" + more)


def main(name: str, loop: str, setting: str = "", codec: str = "zlib") -> None:
    """Serve."""
    serve = SERVERS[name].run
    run(partial(serve, ours.setting(setting, codec)) if setting else serve, loop)


if __name__ == "__main__":
    main(*sys.argv[1:])
