"""Sending to many."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.contenders.hubs import NO_COMPRESSION, hubs
from bench.harness.meter import Meter
from bench.harness.process import Process
from bench.harness.suite import Contender, Effort, NotTaken, Sample, Scenario, Suite
from bench.traffic.records import messages
from bench.traffic.rooms import Room


@dataclass(frozen=True, kw_only=True)
class Saying(Scenario):
    """How something is said."""

    at_once: int = 1
    """Messages that are said before any is awaited."""
    compressed: bool = False


class Broadcast(Suite):
    title = "Sending to a thousand"
    unit = "server CPU µs a recipient"
    rounds = 3
    about = """
Servers that send what comes on one connection to all of a thousand, and a client that says JSON of 1 KiB, alone or
eight messages at once, and goes on when everybody has got them. What counts is the server's CPU time for each message
and recipient. `rawws` and `websockets` are their `broadcast`, `send` is a loop of it, `rawws blocking` is `broadcast`
with threads; `tcp` is the floor: a frame that is made once, and written to the transports of asyncio. `bytes` are
those of a payload.
"""

    def scenarios(self) -> Sequence[Saying]:
        return (
            Saying(name="1 KiB"),
            Saying(name="1 KiB, 8 at once", at_once=8),
            Saying(name="1 KiB, compressed", compressed=True),
            Saying(name="1 KiB, compressed, 8 at once", at_once=8, compressed=True),
        )

    def contenders(self) -> Sequence[Contender]:
        return hubs()

    def measure(self, process: Process, scenario: Saying, effort: Effort) -> Sample:
        if scenario.compressed and process.name in NO_COMPRESSION:
            raise NotTaken
        connections, times = effort.few(1000, 10), effort.few(16 // scenario.at_once + 4, 2)
        room = Room(process.port, connections, scenario.compressed)
        texts = messages(1024, (times + 2) * scenario.at_once)
        batches = [texts[at : at + scenario.at_once] for at in range(0, len(texts), scenario.at_once)]
        for batch in batches[:2]:
            room.say(batch)
        meter = Meter(process)
        for batch in batches[2:]:
            room.say(batch)
        sample = meter.sample(times * scenario.at_once * connections)
        return Sample(sample.value, {**sample.extras, "bytes": room.leave()})


SUITE = Broadcast()
