"""What it takes to import a library."""

from collections.abc import Sequence

from bench.harness.process import Process
from bench.harness.suite import Contender, Effort, Sample, Scenario, Suite

SOCKETS, LOOP, HTTP = "socket, ssl", "asyncio", "h11"
MODULES = {
    SOCKETS: ("socket", "ssl"),
    LOOP: ("asyncio",),
    HTTP: ("h11",),
    "rawws": ("rawws",),
    "wsproto": ("wsproto",),
    "rawws.aio": ("rawws.aio",),
    "websockets.asyncio": ("websockets.asyncio.client", "websockets.asyncio.server"),
    "aiohttp": ("aiohttp", "aiohttp.web"),
    "picows": ("picows",),
    "tornado": ("tornado.websocket",),
    "uvicorn": ("uvicorn",),
    "rawws.blocking": ("rawws.blocking",),
    "websockets.sync": ("websockets.sync.client", "websockets.sync.server"),
    "websocket-client": ("websocket",),
}
FLOORS = {
    HTTP: ("rawws", "wsproto"),
    LOOP: ("rawws.aio", "websockets.asyncio", "aiohttp", "picows", "tornado", "uvicorn"),
    SOCKETS: ("rawws.blocking", "websockets.sync", "websocket-client"),
}
"""What nobody of these can do without."""


class Imports(Suite):
    title = "Imports"
    unit = "CPU ms to import"
    seconds = 1.0
    rounds = 3
    about = """
Fresh processes import a library, compiled to bytecode before, and others import nothing, by turns; the difference of
the medians is what counts, in CPU time, user and kernel. The floors are what each needs of the standard library, and
for cores, h11 (wsproto and rawws read HTTP with it). `modules` is how many there were afterwards and not before. All
but websocket-client hold a client and a server.
"""

    def scenarios(self) -> Sequence[Scenario]:
        return (Scenario(name="import"),)

    def contenders(self) -> Sequence[Contender]:
        return [
            Contender(
                name=name,
                command=("-m", "bench.contenders.importing", *modules),
                needs=[modules[0].partition(".")[0]],
                floors=[floor for floor, above in FLOORS.items() if name in above],
                kind="floor" if name in FLOORS else "rawws" if name.startswith("rawws") else "peer",
            )
            for name, modules in MODULES.items()
        ]

    def measure(self, process: Process, scenario: Scenario, effort: Effort) -> Sample:
        found = process.ask(seconds=effort.seconds)
        return Sample(found["cpu"], {"wall ms": found["wall"], "modules": found["modules"]})


SUITE = Imports()
