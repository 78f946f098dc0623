"""permessage-deflate: compressed echoes."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from bench.contenders.echo import compressing_servers
from bench.harness.meter import Meter
from bench.harness.process import Process
from bench.harness.suite import Contender, Effort, Sample, Scenario, Suite
from bench.traffic.compressed import CompressedLine, connect, round_of
from bench.traffic.lines import connected, drive, hang_up


@dataclass(frozen=True, kw_only=True)
class Traffic(Scenario):
    """Compressed messages that go there and back."""

    size: int
    """Of each message, in bytes, before it is compressed."""
    window: int
    connections: int = 1


class Deflate(Suite):
    title = "permessage-deflate"
    unit = "server CPU µs a message"
    rounds = 3
    about = """
Echo servers again, and a client that offers `permessage-deflate; client_max_window_bits`, as Chromium does. Messages
are JSON, made up, of a market feed and of a chat, all different from each other; they are compressed in advance, each
reaching back into the ones before. Every answer has to be a compressed text; answers are inflated and compared with
what was asked when the clock has stopped. Settings are named window bits / memory level, and level: rawws has 12/5
level 1 if nothing else is said, as websockets has 12/5 level 6, wsproto, tornado, picows and Node 15/8 level 6,
aiohttp 15/8 level 1. `bytes` are those of an answer's payload. With another codec, that stands in the place of zlib;
of isal it is only the compressor. `tcp` is the floor: messages of the compressed size sent back as they come.
"""

    def scenarios(self) -> Sequence[Traffic]:
        return (
            Traffic(name="1 KiB, 64 under way", size=1024, window=64),
            Traffic(name="64 KiB, 8 under way", size=64 * 1024, window=8),
            Traffic(name="1 KiB, 100 connections", size=1024, window=1, connections=100),
        )

    def contenders(self) -> Sequence[Contender]:
        return compressing_servers()

    def warm_up(self, process: Process, seconds: float, effort: Effort) -> None:
        line = CompressedLine(*connect(process.port, 1)[0], 1024)
        drive([line], 16, seconds)
        hang_up([line.sock])

    def measure(self, process: Process, scenario: Traffic, effort: Effort) -> Sample:
        count = min(scenario.connections, effort.few(100, 10))
        if process.plain:
            return _floor(process, scenario, count, effort)
        with ExitStack() as stack:
            lines = [CompressedLine(*opened, scenario.size) for opened in connect(process.port, count)]
            for line in lines:
                stack.callback(line.sock.close)
            drive(lines, scenario.window, effort.seconds / 4)
            for line in lines:
                line.check()
            meter = Meter(process)
            answered = drive(lines, scenario.window, effort.seconds)
            sample = meter.sample(answered)
            size = sum(line.check() for line in lines) / len(lines)
            hang_up([line.sock for line in lines])
        return Sample(sample.value, {**sample.extras, "bytes": size})


def _floor(process: Process, scenario: Traffic, count: int, effort: Effort) -> Sample:
    """As many bytes, sent back as they come."""
    sent = round_of(scenario.size, 12)
    size = len(sent.frames) // len(sent.messages)
    with connected(process.port, count, size, scenario.window, plain=True) as lines:
        drive(lines, scenario.window, effort.seconds / 4)
        meter = Meter(process)
        return meter.sample(drive(lines, scenario.window, effort.seconds))


SUITE = Deflate()
