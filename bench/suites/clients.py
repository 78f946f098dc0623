"""Clients over loopback."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from bench.contenders.clients import CLIENTS
from bench.contenders.echo import NODE, PURE, no_c
from bench.harness.process import ROOT, Process
from bench.harness.suite import Contender, Effort, Sample, Scenario, Suite

SIZES = {"16 B": 16, "1 KiB": 1024, "64 KiB": 64 * 1024}
IN_FLIGHT = 64


@dataclass(frozen=True, kw_only=True)
class Errand(Scenario):
    """Messages that go there and back."""

    size: int
    window: int


def client(name: str, loop: str = "asyncio", pure: bool = False) -> Contender:
    """One of those in `bench.contenders.clients`."""
    ending = " uvloop" * (loop == "uvloop")
    kind = "floor" if name.startswith("tcp") else "rawws" if name.startswith("rawws") else "peer"
    floor = "tcp blocking" if CLIENTS[name].blocking else f"tcp{ending}"
    return Contender(
        name=name + " pure" * pure + ending,
        command=("-m", "bench.contenders.clients", name, loop),
        needs=(*CLIENTS[name].needs, *["uvloop"] * (loop == "uvloop")),
        unable=no_c if kind == "rawws" and not pure else lambda: None,
        environment=PURE if pure else {},
        floors=() if kind == "floor" else (floor,),
        kind=kind,
    )


class Clients(Suite):
    title = "Clients"
    unit = "client CPU µs a message"
    rounds = 3
    about = """
Each client keeps so many messages under way, sends another one for each answer, and compares every answer with what it
sent. The other end is the same for all, and no WebSocket library: it counts frames and answers from a store made in
advance, so that it is not the bottleneck (`other end busy %`). The floors send and compare the same bytes with no
WebSocket: `tcp` in the event loop, with a `BufferedProtocol`, and `tcp blocking` with a socket that blocks. What counts
is the client's CPU time, user and kernel, all its threads.
"""

    def scenarios(self) -> Sequence[Errand]:
        shapes = {"request and response {}": 1, f"{{}}, {IN_FLIGHT} in flight": IN_FLIGHT}
        return [
            Errand(name=shape.format(name), size=size, window=window)
            for shape, window in shapes.items()
            for name, size in SIZES.items()
        ]

    def contenders(self) -> Sequence[Contender]:
        return [
            client("tcp"),
            client("tcp", "uvloop"),
            client("tcp blocking"),
            client("rawws"),
            client("rawws", "uvloop"),
            client("rawws", pure=True),
            client("rawws callbacks"),
            client("rawws callbacks", pure=True),
            client("rawws blocking"),
            client("rawws blocking", pure=True),
            client("picows"),
            client("picows", "uvloop"),
            client("picows await"),
            client("aiohttp"),
            client("websockets"),
            client("websockets", "uvloop"),
            client("tornado"),
            client("websockets sync"),
            client("websocket-client"),
            client("wsproto"),
            Contender(
                name=NODE.name,
                command=("node", str(ROOT / "bench" / "contenders" / "node_client.js")),
                needs=NODE.needs,
                install=NODE.install,
                unable=NODE.unable,
                environment=NODE.environment,
                floors=("tcp",),
            ),
        ]

    @contextmanager
    def opened(self, effort: Effort) -> Iterator[None]:
        with Process("the other end", ("-m", "bench.contenders.partner"), core=effort.load_core) as self._other_end:
            yield

    def measure(self, process: Process, scenario: Errand, effort: Effort) -> Sample:
        port, seconds = self._other_end.port, effort.seconds
        before = self._other_end.cpu()
        found = process.ask(port=port, size=scenario.size, window=scenario.window, seconds=seconds)
        extras = {
            "wall µs": found["wall"],
            "client busy %": found["cpu"] / found["wall"] * 100,
            "other end busy %": (self._other_end.cpu() - before) / found["seconds"] * 100,
        }
        return Sample(found["cpu"], extras)


SUITE = Clients()
