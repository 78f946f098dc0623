"""Cores alone: parsing and building."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.contenders.cores import cores
from bench.harness.process import Process
from bench.harness.suite import Contender, Effort, Sample, Scenario, Suite

SIZES = {
    "16 B": 16,
    "125 B": 125,
    "1 KiB": 1024,
    "16 KiB": 16 * 1024,
    "256 KiB": 256 * 1024,
    "4 MiB": 4 * 1024 * 1024,
}
SHORT = ("16 B", "1 KiB", "256 KiB")
SIDES = {"masked": ("server", "client"), "unmasked": ("client", "server")}
"""Who reads it, and who builds it."""

MODES = {"64K": "(64 KiB a read)", "one": "(one frame a read)"}


@dataclass(frozen=True, kw_only=True)
class Shape(Scenario):
    """Messages that are alike."""

    verb: str
    role: str
    size: int
    text: bool
    one: bool
    """One whole frame a read; otherwise reads are of 64 KiB."""


class Core(Suite):
    title = "Cores: parsing and building"
    unit = "CPU µs a message"
    rounds = 3
    seconds = 0.04
    plot = "lines"
    axis = "bytes of a message"
    about = """
Bytes in, messages out as `str` or `bytes`; and messages in, bytes out. No socket, no event loop, no task. `64K` are
reads of 64 KiB, full of frames or of a piece of one, as a busy server gets them; `one` is one whole frame a read.
A server reads masked frames and builds unmasked ones. What comes out of parsing is compared with what was sent, before
it is timed. `copy` is the floor: who knows where the messages are, and cuts them out with one call of `struct`, masked
as they are.

picows has no core: its protocol is fed through a transport that does nothing. Of aiohttp it is the reader and the
writer. The core of websockets ends at frames, so its text is decoded as its own transports do it. Building ends where
bytes are ready for a transport; aiohttp and picows hand over a long unmasked message in two pieces, uncopied.
From 128 KiB on, figures depend on when the C library's allocator goes to the kernel for memory.
"""

    def scenarios(self) -> Sequence[Shape]:
        binary = (*_parse(SIZES, text=False), *_build(SIZES, text=False))
        return (*binary, *_parse(SHORT, text=True), *_build(SHORT, text=True))

    def contenders(self) -> Sequence[Contender]:
        return cores()

    def measure(self, process: Process, scenario: Shape, effort: Effort) -> Sample:
        shape = {name: getattr(scenario, name) for name in ("verb", "role", "size", "text", "one")}
        found = process.ask(**shape, seconds=effort.seconds)["µs"]
        return Sample(found, {"messages / s": 1e6 / found, "MB/s": scenario.size / found})


def _parse(sizes: Sequence[str] | dict[str, int], text: bool) -> Iterator[Shape]:
    for side, (reader, _) in SIDES.items():
        for mode in ("64K", "one") if not text else ("64K",):
            for size in sizes:
                yield _shape("parse", reader, side, size, text, mode)


def _build(sizes: Sequence[str] | dict[str, int], text: bool) -> Iterator[Shape]:
    for side, (_, builder) in SIDES.items():
        for size in sizes:
            yield _shape("build", builder, side, size, text, "")


def _shape(verb: str, role: str, side: str, size: str, text: bool, mode: str) -> Shape:
    group = " ".join(filter(None, [verb, side, mode and MODES[mode]]))
    return Shape(
        name=" ".join(filter(None, [verb, side, "text" * text, size, mode])),
        group="" if text else group,
        x=SIZES[size],
        verb=verb,
        role=role,
        size=SIZES[size],
        text=text,
        one=mode == "one",
    )


SUITE = Core()
