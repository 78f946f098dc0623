"""Measure what one direction of a compressed connection costs in memory and time: `python docs/windows.py` prints the
two tables that stand in `docs/compression.md`.

zlib allocates behind Python's back.  So what is measured is how much a process grows (its resident set, on Linux) when
it carries a feed over each of many connections and keeps them all.  As many came before, which fill the holes that
were left; and every figure is from a process of its own.

The feed is 128 messages of 1 KiB, JSON that repeats itself as such messages do: enough to fill any window.

Time is that of the processor, for a message, the least of some rounds.  One compressor alone has all of the processor's
caches; with many that are used in turn, as a server does, each finds its window gone from there.
"""

import gc
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from time import process_time

from rawws.core.deflate import Deflater, Inflater

CONNECTIONS = {"sent": 200, "received": 1000}
IN_TURN, ROUNDS = 100, 20
CHOICES = ((15, 8, 1), (15, 5, 1), (13, 6, 1), (12, 5, 1), (12, 1, 1), (10, 4, 1), (9, 1, 1), (8, 1, 1), (12, 5, 0))
"""Window bits, memory level, and whether there is context takeover: zlib's own choice first, then ever less."""
BITS, LEVELS = range(9, 16), range(1, 10)
"""All that there are."""


def feed() -> list[bytes]:
    """The messages, the same in each run."""
    rng = random.Random(7692)
    symbols = ["".join(rng.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ", k=4)) for _ in range(200)]

    def trade(number: int) -> dict[str, object]:
        price = round(rng.uniform(1, 999), 2)
        return {"symbol": rng.choice(symbols), "price": price, "volume": rng.randrange(10_000), "id": number}

    trades = [[trade(16 * at + row) for row in range(16)] for at in range(128)]
    return [json.dumps({"type": "trades", "trades": some}).encode() for some in trades]


def send(messages: list[bytes], bits: int, memory_level: int, takeover: bool) -> tuple[Deflater, list[bytes]]:
    """One end of a connection that has sent these, and what they became."""
    ours = Deflater(bits, takeover, 0, 1, memory_level)
    return ours, [ours.compress(message, True) for message in messages]


def receive(compressed: list[bytes], bits: int, takeover: bool) -> Inflater:
    """The other end, that has received them."""
    ours = Inflater(bits, takeover)
    for message in compressed:
        ours.decompress(message, 2**20)
        ours.finish()
    return ours


def resident() -> int:
    """How many bytes of this process are in memory."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def time_to_send(messages: list[bytes], bits: int, memory_level: int, takeover: bool, count: int) -> float:
    """Microseconds for a message, sent by so many connections in turn; what they say at a time is not the same."""
    ours = [Deflater(bits, takeover, 0, 1, memory_level) for _ in range(count)]
    taken = []
    for _ in range(max(2, ROUNDS // count)):
        start = process_time()
        for at in range(len(messages)):
            for number, one in enumerate(ours):
                one.compress(messages[(at + 37 * number) % len(messages)], True)
        taken.append(process_time() - start)
    return min(taken) / len(messages) / count * 1e6


def measure(what: str, bits: int, memory_level: int, takeover: bool) -> str:
    """One cell of the table."""
    messages = feed()
    compressed = send(messages, bits, memory_level, takeover)[1]
    if what == "size":
        return f"{sum(map(len, compressed)) / sum(map(len, messages)):.0%}"
    if what in ("alone", "turn"):
        return f"{time_to_send(messages, bits, memory_level, takeover, 1 if what == 'alone' else IN_TURN):.1f}"
    kept: list[object] = []
    grown: list[int] = []
    more = range(CONNECTIONS[what])
    for _ in range(2):
        if what == "sent":
            kept += [send(messages, bits, memory_level, takeover)[0] for _ in more]
        else:
            kept += [receive(compressed, bits, takeover) for _ in more]
        grown.append(resident())
    size = (grown[1] - grown[0]) / len(more) / 1024
    return f"{size:.0f}" if size >= 10 else f"{size:.1f}"


def cell(what: str, bits: int, memory_level: int, takeover: bool = True) -> str:
    """One of them, from a process of its own."""
    run = [sys.executable, __file__, what, str(bits), str(memory_level), str(int(takeover))]
    return subprocess.run(run, check=True, capture_output=True, text=True).stdout.strip()


def row(bits: int, memory_level: int, takeover: bool) -> str:
    """One line of the first table."""
    cells = [cell(what, bits, memory_level, takeover) for what in ("sent", "received", "size", "alone", "turn")]
    name = f"{bits}" if takeover else f"{bits}, no takeover"
    return "| " + " | ".join([name, str(memory_level), *cells]) + " |"


def main() -> None:
    """Print the tables."""
    print(
        "| window bits | memory level | KiB to compress | KiB to decompress | feed comes to | µs alone | µs in turn |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|")
    for bits, memory_level, takeover in CHOICES:
        print(row(bits, memory_level, bool(takeover)), flush=True)
    print("\n| µs, KiB, size | " + " | ".join(map(str, LEVELS)) + " |\n|---|" + "---:|" * len(LEVELS))
    for bits in BITS:
        cells = [", ".join(cell(what, bits, level) for what in ("alone", "sent", "size")) for level in LEVELS]
        print(f"| **{bits}** | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    if len(sys.argv) == 1:
        main()
    else:
        print(measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "1"))
