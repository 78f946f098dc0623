"""The suites of the benchmark run, and what the load is made of.  How fast anything is, no test says."""

import json
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest

from bench.contenders.codecs import reach, tempting
from bench.traffic.compressed import EMPTY_BLOCK, CompressedLine, Terms, next_payload, round_of
from bench.traffic.lines import KEY, PlainLine, payload_of
from bench.traffic.records import messages
from rawws.core.frames import RSV1, Opcode, encode_frame
from rawws.core.masking import apply_mask

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="CPU time of another process is read as Linux gives it")


def bench(*arguments: str) -> str:
    """What a command prints that begins with `python -m`; it must succeed."""
    result = subprocess.run([sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert 0 == result.returncode, result.stderr
    return result.stdout


def measured(suite: str, *contenders: str, only: str = "") -> Any:
    """What a smoke run of a suite finds."""
    printed = bench("bench", suite, "--quick", "--json", "--contenders", ",".join(contenders), "--only", only)
    return json.loads(printed)[suite]


def smoke(suite: str, *contenders: str, only: str = "") -> dict[str, set[str]]:
    """Who has a figure in which scenario after a smoke run of a suite, in which nobody may fail."""
    found = measured(suite, *contenders, only=only)
    assert {} == found["failures"]
    for cell in (cell for of in found["cells"].values() for cell in of.values()):
        assert 1 == len(cell["values"])
    return {scenario: {name for name in of if name in contenders} for scenario, of in found["cells"].items()}


def test_clients_are_compared():
    """Each kind of client gets its messages back in every scenario, and has a floor of its own."""
    everybody = {"tcp", "tcp blocking", "rawws pure", "rawws callbacks pure", "rawws blocking pure"}

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


def test_stalls_under_a_flood_are_compared():
    """Whatever floods it, each server answers right to all, and it is known how long another one waited."""
    ours = {"rawws pure", "rawws blocking pure"}

    assert [ours] * 6 == list(smoke("stall", *ours).values())


def test_growth_is_compared():
    """Time and memory have a figure for few connections and many, and for short messages and long ones."""
    assert [{"tcp", "rawws pure"}] * 11 == list(smoke("scale", "tcp", "rawws pure").values())
    assert [{"tcp", "rawws pure"}] * 8 == list(smoke("footprint", "tcp", "rawws pure").values())


def test_imports_are_compared():
    """Each transport has a figure, beside what it cannot do without."""
    modules = {"asyncio", "rawws.aio", "rawws.blocking"}

    assert [modules] == list(smoke("imports", *modules).values())


def test_cores_are_compared():
    """Every shape of traffic comes out as it went in, with C and without; and a copy is the floor."""
    found = smoke("core", "copy", "rawws pure", only="16 B")

    assert [{"copy", "rawws pure"}] * 10 == list(found.values())


def test_masking_is_compared():
    """Each size has a figure, and a copy beside it."""
    assert [{"memcpy", "rawws pure"}] * 6 == list(smoke("masking", "memcpy", "rawws pure").values())


def test_echo_servers_are_compared():
    """Each transport answers right under load, in every scenario."""
    ours = {"tcp", "tcp threads", "rawws pure", "rawws callbacks pure", "rawws blocking pure"}

    assert [ours] * 7 == list(smoke("echo", *ours).values())


def test_compressed_echoes_are_compared():
    """Each server compresses every answer; the floor sends back as many bytes."""
    ours = {"tcp", "rawws pure", "rawws blocking pure"}

    assert [ours] * 3 == list(smoke("deflate", *ours).values())


def test_sending_to_many_is_compared():
    """Everybody hears everything, compressed or not, and each way to send has a figure."""
    ways = {"rawws pure", "rawws send pure", "rawws blocking pure"}

    assert [ways | {"tcp"}] * 2 + [ways] * 2 == list(smoke("broadcast", "tcp", *ways).values())


def test_codecs_are_compared():
    """zlib has figures at every size, and does all that is needed."""
    found = measured("codecs", "zlib 12/5 level 1")

    assert 3 == len(found["cells"])
    assert {"yes"} == {line.split("|")[2].strip() for line in found["notes"].splitlines()[2:]}


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


PING = bytes.fromhex("890474657374")


@pytest.mark.parametrize("cut", range(1, 45))
def test_a_ping_between_answers_is_no_wrong_answer(cut):
    """A server may ask whether a quiet connection is still there; wherever a read ends, the answers count."""
    sock = Deaf()
    line = PlainLine(sock, 16, 4)
    line.ask(4)
    answer = encode_frame(Opcode.BINARY, payload_of(16))
    stream = PING + answer + PING + PING + answer + answer[:5]
    for part in (stream[:cut], stream[cut:], answer[5:]):
        sock.given += part
        line.pull()

    assert 3 == line.answered


def test_other_bytes_than_were_sent_are_found_out():
    """What comes back is compared to the last byte, beside pings too."""
    sock = Deaf()
    line = PlainLine(sock, 16, 1)
    line.ask(1)
    sock.given += PING + encode_frame(Opcode.BINARY, payload_of(15) + b"!")

    with pytest.raises(AssertionError, match="something else"):
        line.pull()
