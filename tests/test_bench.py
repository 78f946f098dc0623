"""The benchmarks run, and print a table.  How fast anything is, no test says."""

import json
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from bench.codecs import Alone, reach, tempting
from bench.compressed import EMPTY_BLOCK, Answers, CompressedLine, Terms, next_payload, round_of
from bench.deflate import codec_cell, echo_cells
from bench.load import KEY
from bench.records import messages
from rawws.core.frames import RSV1, Opcode, encode_frame
from rawws.core.masking import apply_mask

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="CPU time of another process is read as Linux gives it")


def bench(*arguments: str) -> str:
    """What a command prints that begins with `python -m`; it must succeed."""
    result = subprocess.run([sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert 0 == result.returncode, result.stderr
    return result.stdout


def cells(table: str, row: str) -> list[str]:
    """The cells behind the name in the line of `table` that begins with `row`."""
    line = next(line for line in table.splitlines() if line.startswith(f"| {row}"))
    return [cell.strip() for cell in line.strip("| ").split("|")][1:]


def test_the_cores_are_compared_in_a_table():
    """Every row has a figure for rawws, and the versions of what was compared stand above."""
    printed = bench("bench.core", "--quick", "--only", "parse server")

    assert cells(printed, "parse server binary 16 B 64K")[0][0].isdigit()
    assert cells(printed, "parse server text 1 KiB one")[0][0].isdigit()
    assert "Python 3." in printed.splitlines()[0]


def test_the_figures_of_the_cores_come_as_json():
    """A program can read what was measured."""
    printed = bench("bench.core", "--quick", "--only", "build server binary 16 B", "--json")

    assert json.loads(printed)["rates"]["build server binary 16 B"]["rawws"] > 0


def test_the_echo_servers_are_compared_in_a_table():
    """Each transport answers right under load, and has a figure in every scenario."""
    printed = bench("bench.echo", "--quick", "--servers", "tcp", "rawws aio", "rawws blocking")

    for row in ("latency 16 B", "pipelined 64 KiB", "100 connections", "memory of an idle connection"):
        assert [True] * 3 == [cell[0].isdigit() for cell in cells(printed, row)]


def smoke(suite: str, *contenders: str) -> dict[str, set[str]]:
    """Who has a figure in which scenario after a smoke run of a suite, in which nobody may fail."""
    found = json.loads(bench("bench", suite, "--quick", "--json", "--contenders", ",".join(contenders)))[suite]
    assert {} == found["failures"]
    for cell in (cell for of in found["cells"].values() for cell in of.values()):
        assert 1 == len(cell["values"])
    return {scenario: {name for name in of if name in contenders} for scenario, of in found["cells"].items()}


def test_clients_are_compared():
    """Each kind of client gets its messages back in every scenario, and has a floor of its own."""
    everybody = {"tcp", "tcp blocking", "rawws pure", "rawws blocking pure"}

    assert [everybody] * 6 == list(smoke("clients", *everybody).values())


def test_handshakes_are_compared():
    """Servers take calls and end them as they should; and in process, each library says yes."""
    servers, libraries = {"tcp", "rawws pure", "rawws blocking pure"}, {"h11 alone", "rawws pure"}

    assert [servers] == list(smoke("handshakes", *servers).values())
    assert [libraries] * 2 == list(smoke("upgrades", *libraries).values())


def test_the_memory_of_idle_connections_is_compared():
    """Each server has a figure, with compression and without; a floor cannot compress."""
    ours = {"rawws pure", "rawws blocking pure"}

    assert [{"tcp"} | ours, ours, ours] == list(smoke("memory", "tcp", *ours).values())


def test_compressed_echoes_are_compared_in_a_table():
    """Each server compresses every answer, and has a figure for its time, size and memory."""
    printed = bench("bench.deflate", "--quick", "--parts", "echo", "memory", "--servers", "rawws aio", "rawws blocking")

    echoed, remembered = printed.split("\n\n")[1:]
    for name in ("rawws aio", "rawws blocking"):
        assert 8 == sum(cell[0].isdigit() for cell in cells(echoed, name) + cells(remembered, name))


def test_sending_to_many_is_compared_in_a_table():
    """Everybody hears everything, compressed or not, and each way to send has a figure."""
    ways = ["rawws", "rawws send", "rawws threads", "tcp"]
    printed = bench("bench.broadcast", "--quick", "--servers", *ways)

    for row in ("1 KiB ", "1 KiB, 8 at once"):
        assert [True] * 4 == [cell[0].isdigit() for cell in cells(printed, row)]
    for row in ("1 KiB, compressed ", "1 KiB, compressed, 8 at once", "bytes of a compressed", "KiB of memory"):
        floor, *others = cells(printed, row)
        assert ("-", [True] * 3) == (floor, [cell[0].isdigit() for cell in others])


def test_codecs_are_compared_as_json():
    """What zlib costs alone can be read by a program, and zlib does all that is needed."""
    found = json.loads(bench("bench.deflate", "--quick", "--parts", "codecs", "--json"))

    assert 0 < found["codecs"]["1 KiB"]["zlib 12/5 level 1"]["ratio"] < 1
    assert {"yes"} == set(found["checks"]["zlib"].values())


def test_a_cell_has_the_median_its_spread_and_its_ratios():
    """Twice as long as we take is a ratio of 2; a server that failed has no figures."""
    taken = {
        "rawws aio": [Answers(cpu, 0, 1, size) for cpu, size in ((20, 300), (10, 310), (30, 320))],
        "websockets": [Answers(40, 0, 1, 250)],
        "aiohttp": [Answers(10, 0, 1, 250)],
    }

    assert ["20 [10, 30] (2.00, 0.50)", "310"] == echo_cells(taken, "rawws aio")
    assert ["1234 [1234, 1234]", "9"] == echo_cells({"wsproto": [Answers(1234.4, 0, 1, 9)]}, "wsproto")
    assert "12.3 + 4.57 (0.250)" == codec_cell(Alone(12.34, 1, 4.567, 0.25))
    assert ["fails", "-"] == echo_cells(taken, "wsproto")


@pytest.mark.parametrize("size", [150, 1024])
def test_messages_differ_and_are_of_one_size(size):
    """They are JSON of exactly that many bytes, and the same in every run."""
    made = messages(size, 50)

    assert [size] * 50 == [len(message) for message in made]
    assert 50 == len({json.dumps(json.loads(message)) for message in made})
    assert made == messages.__wrapped__(size, 50)


def test_what_a_client_sends_can_come_round():
    """The last message of a round is forgotten, so that the first may come again; before that, none is."""
    sent = round_of(1024, 12)
    frames = [sent.frames[start:end] for start, end in zip((0, *sent.ends), sent.ends)]
    payloads = [apply_mask(frame[8:] if frame[1] == 0xFE else frame[6:], KEY) for frame in (*frames, frames[0])]
    stream = zlib.decompressobj(-12)
    inflated = [stream.decompress(payload + EMPTY_BLOCK) for payload in payloads]

    assert {0xC1} == {frame[0] for frame in frames}
    assert [*sent.messages, sent.messages[0]] == inflated
    assert sum(map(len, frames)) < len(frames) * 1024 / 2


class Deaf:
    """A socket that takes what it is given, and gives what was put into it, a little at a time."""

    def __init__(self) -> None:
        self.taken = 0
        self.given = bytearray()

    def setblocking(self, _: bool) -> None: ...

    def send(self, data: memoryview) -> int:
        self.taken += len(data)
        return len(data)

    def recv(self, _: int) -> bytes:
        data = bytes(self.given[:100])
        del self.given[:100]
        return data


def answered(*payloads: bytes) -> CompressedLine:
    """A line that asked ten times, and was answered with these payloads."""
    sock = Deaf()
    line = CompressedLine(sock, Terms(15, 15), 150)
    line.ask(10)
    for payload in payloads:
        sock.given += encode_frame(Opcode.TEXT, payload, rsv=RSV1)
    while sock.given:
        line.pull()
    return line


def test_answers_are_counted_and_compared():
    """Frames are told apart wherever a read ends, and the mean size of their payloads is given."""
    stream = zlib.compressobj(0, zlib.DEFLATED, -15)
    payloads = [stream.compress(message) + stream.flush(zlib.Z_SYNC_FLUSH) for message in messages(150, 6990)[:10]]
    line = answered(*(payload.removesuffix(EMPTY_BLOCK) for payload in payloads))

    assert 10 == line.answered
    assert line.sock.taken == round_of(150, 15).ends[9]
    assert sum(map(len, payloads)) / 10 - 4 == line.check()


def test_a_wrong_answer_is_found_out():
    """What inflates to something else than was asked is no measurement."""
    stream = zlib.compressobj(1, zlib.DEFLATED, -15)
    line = answered(stream.compress(b"something else") + stream.flush(zlib.Z_SYNC_FLUSH))

    with pytest.raises(AssertionError, match="something else"):
        line.check()


def test_an_answer_that_is_not_compressed_is_found_out():
    """An answer without RSV1 is no measurement either."""
    with pytest.raises(AssertionError, match="begins with 81"):
        next_payload(encode_frame(Opcode.TEXT, b"Hello"), 0)


@pytest.mark.parametrize("bits, needed", [(9, 8), (12, 12), (15, 15)])
def test_how_far_a_compressor_reaches_back_is_seen(bits, needed):
    """Data of a larger window is not taken for that of a smaller one; so a codec that cheats is found out.

    zlib stays 262 bytes away from the end of its window: 250 bytes are what is left of 512.
    """
    made = tempting(1)
    stream = zlib.compressobj(9, zlib.DEFLATED, -bits)
    payloads = [stream.compress(message) + stream.flush(zlib.Z_SYNC_FLUSH) for message in made]

    assert needed == reach(payloads, made)
