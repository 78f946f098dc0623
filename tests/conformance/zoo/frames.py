"""Endpoints that are wrong in one thing about frames (sections 5.1 to 5.3).

Each names the cases that have to catch it, all of them and no others.
"""

from collections.abc import Callable
from itertools import count
from os import urandom

from rawws.conformance.case import CLIENT, SERVER
from rawws.conformance.wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT
from tests.conformance.zoo.between import Animal, Frame, Line, Way, each
from tests.conformance.zoo.ways import ALL, CONTROL, DATA, NOTHING, Is, in_message, is_, loses, when, wrong

# --- 5.1 and 5.3: masks -------------------------------------------------------------------------------------------


def mask(*opcodes: int, wanted: bool = True) -> Way:
    """Have a mask on frames of these kinds, or none."""

    def change(one: Frame, line: Line) -> bytes:
        missing = (one.header.key is None) is wanted
        return one.again(key=urandom(4) if wanted else None) if missing and one.header.opcode in opcodes else one.raw

    return each(change)


def keys(make: Callable[[int], bytes]) -> Way:
    """Mask with these keys, by the number of the frame."""

    def change(one: Frame, line: Line) -> bytes:
        return one.again(key=make(next(line.memory.setdefault("count", count(1)))))

    return each(change)


def anew_at_each_read(one: Frame, line: Line) -> bytes:
    """Behind a cut the key begins again with its first octet."""
    size, payload = one.header.size, bytearray(one.payload)
    places = [max(cut, size) - size for cut in one.cuts] if one.is_legal else []
    key = one.header.key or bytes(4)
    for begin, end in zip(places, [*places[1:], len(payload)]):
        for place in range(begin, end):
            payload[place] ^= key[place % 4] ^ key[(place - begin) % 4]
    return one.again(payload=bytes(payload)) if places else one.raw


def tail_left_masked(one: Frame, line: Line) -> bytes:
    """What is behind the last block of 8 octets of a large payload stays as it came."""
    size = len(one.payload) // 8 * 8
    if not one.is_legal or size < 512:
        return one.raw
    return one.again(payload=one.payload[:size] + one.raw[one.header.size + size :])


def not_unmasked(key: bytes) -> Way:
    """A payload with this key stays as it came."""

    def change(one: Frame, line: Line) -> bytes:
        left = one.is_legal and one.header.key == key
        return one.again(payload=one.raw[one.header.size :]) if left else one.raw

    return each(change)


MASKS = [
    Animal("takes frames with no mask", "6455/5.1/1.1-7", mask(*ALL), roles=SERVER),
    Animal("takes control frames with no mask", "6455/5.1/1.5-7", mask(*CONTROL), roles=SERVER),
    Animal("takes masked frames", "6455/5.1/2.1-7", mask(*ALL, wanted=False), roles=CLIENT),
    Animal("takes masked control frames", "6455/5.1/2.5-7", mask(*CONTROL, wanted=False), roles=CLIENT),
    Animal("masks as a server", "6455/5.1/3", says=mask(*ALL), roles=SERVER),
    Animal("masks its pongs as a server", "6455/5.1/3", says=mask(PONG), roles=SERVER),
    Animal("masks nothing", "6455/5.1/4 6455/5.3/1", says=mask(*ALL, wanted=False), roles=CLIENT),
    Animal("masks no pongs", "6455/5.1/4", says=mask(PONG, wanted=False), roles=CLIENT),
    Animal("masks no Close", "6455/5.1/4", says=mask(CLOSE, wanted=False), roles=CLIENT),
    Animal("masks with zeros", "6455/5.3/1", says=keys(lambda n: bytes(4)), roles=CLIENT),
    Animal("masks with one key", "6455/5.3/1", says=keys(lambda n: b"\x12\x34\x56\x78"), roles=CLIENT),
    Animal("counts its keys", "6455/5.3/1", says=keys(lambda n: n.to_bytes(4, "big")), roles=CLIENT),
    Animal(
        "counts its keys backwards", "6455/5.3/1", says=keys(lambda n: (n * 77777).to_bytes(4, "little")), roles=CLIENT
    ),
    Animal("repeats an octet as its key", "6455/5.3/1", says=keys(lambda n: urandom(1) * 4), roles=CLIENT),
    Animal("has keys of two octets", "6455/5.3/1", says=keys(lambda n: urandom(2) + b"ab"), roles=CLIENT),
    Animal("has keys of digits", "6455/5.3/1", says=keys(lambda n: urandom(2).hex().encode()), roles=CLIENT),
    Animal(
        "leaves the last octets masked",
        "6455/5.3/2.1,3 6455/5.2/1.6 6455/5.2/2.6",
        each(tail_left_masked),
        roles=SERVER,
    ),
    Animal("takes the key ffffffff for none", "6455/5.3/2.3", not_unmasked(b"\xff" * 4), roles=SERVER),
    Animal(
        "takes the key 00000000 for none",
        "6455/5.3/2.2",
        each(lambda one, line: wrong(line) if one.header.key == bytes(4) and one.is_legal else one.raw),
        roles=SERVER,
    ),
    Animal(
        "begins its key anew at each read",
        "6455/5.3/2.4",
        each(anew_at_each_read),
        roles=SERVER,
        # In how many reads these come is not for us to say.
        perhaps="6455/5.2/1.6-8 6455/5.2/2.6-8 6455/5.2/21.4,7 6455/5.2/30.5,10 6455/5.2/40.1-14 6455/5.2/41.2 "
        "6455/5.2/42 6455/5.4/1.3,6 6455/5.5.2/1.5 6455/5.5.2/2.2 6455/5.5.2/3",
    ),
]

# --- 5.2: lengths, reserved bits and opcodes ----------------------------------------------------------------------

LENGTHS = {0: "1", 125: "2", 126: "3", 127: "4", 128: "5", 65535: "6", 65536: "7-8"}


def long(length: int) -> Is:
    """A message of this length in one frame."""
    return lambda one: is_(TEXT, BINARY)(one) and one.header.fin and one.header.length == length


def in_form(one: Frame, form: int, least: int = 0) -> bytes:
    """With its length in this form, if it is so long."""
    return one.again(form=form) if len(one.payload) == least else one.raw


def is_longer(*sizes: int, opcodes: tuple[int, ...] = ALL) -> Is:
    """The length is in too long a form, of so many octets."""

    def condition(one: Frame) -> bool:
        form = one.header.size - 2 - 4 * (one.header.key is not None)
        shortest = 0 if one.header.length < 126 else 2 if one.header.length < 1 << 16 else 8
        return form in sizes and form != shortest and one.header.opcode in opcodes

    return condition


def has_top_bit(one: Frame) -> bool:
    """The length as it was written has it."""
    return one.raw[1] & 127 == 127 and one.raw[2] > 127


def without(bits: int, *opcodes: int) -> Way:
    """Reserved bits that are not looked at."""
    return each(
        lambda one, line: (
            one.again(rsv=one.header.rsv & ~bits) if one.header.rsv and one.header.opcode in opcodes else one.raw
        )
    )


def behind_a_message(frames: list[Frame], line: Line) -> bytes:
    """Reserved bits are not looked at any more."""
    octets = b""
    for one in frames:
        octets += one.again(rsv=0) if line.memory.get("messages") else one.raw
        line.memory["messages"] = line.memory.get("messages") or (one.header.fin and one.header.opcode in DATA)
    return octets


def reserved(*opcodes: int) -> Is:
    """A frame with one of these opcodes."""
    return lambda one: one.header.opcode in opcodes


def no_reserved(one: Frame, line: Line) -> bytes:
    """Reserved opcodes are not there."""
    return NOTHING if one.header.opcode in RESERVED else one.raw


def header_in_one_read(one: Frame, line: Line) -> bytes:
    """A header that is cut is no header."""
    return wrong(line) if any(cut < one.header.size for cut in one.cuts) else one.raw


def ends_with_its_header(one: Frame, line: Line) -> bytes:
    """A frame is what came when its header was there."""
    return wrong(line) if one.header.size in one.cuts else one.raw


def payload_begins_in_one_read(one: Frame, line: Line) -> bytes:
    """What is there of the first octets of a payload is all of them."""
    begin = one.header.size
    return wrong(line) if any(begin <= cut < begin + 5 for cut in one.cuts) else one.raw


def most_at_once(most: int) -> Way:
    """Of what comes at once, what is too much is lost."""
    return lambda frames, line: b"".join(one.raw for one in frames[:most])


def half_is_lost(frames: list[Frame], line: Line) -> bytes:
    """Half a frame behind three whole ones is lost."""
    if len(frames) > 2:
        line.came = b""
    return b"".join(one.raw for one in frames)


RESERVED = (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)
KINDS = (TEXT, BINARY, CONTINUATION, PING, PONG, CLOSE)
OCTETS = "6455/5.2/42 6455/5.4/1.3,6 6455/5.5.2/1.5 6455/5.5.2/2.2"
"""Cases that write octet by octet, and should be understood.  TCP may put the octets together again."""

BASE = [
    *(
        Animal(
            f"loses messages of {length} bytes",
            f"6455/5.2/1.{ids} 6455/5.2/2.{ids}" + " 6455/5.3/2.1-3" * (length == 0),
            loses(long(length)),
        )
        for length, ids in LENGTHS.items()
    ),
    Animal("writes 125 in the 16-bit form", "6455/5.2/3", says=each(lambda one, line: in_form(one, 2, 125))),
    Animal("writes 65535 in the 64-bit form", "6455/5.2/3", says=each(lambda one, line: in_form(one, 8, 65535))),
    Animal("takes longer forms", "6455/5.2/10.1-9", when(is_longer(2, 8))),
    Animal("takes the longest form", "6455/5.2/10.4-8", when(is_longer(8))),
    Animal("takes longer forms in pings", "6455/5.2/10.9", when(is_longer(2, 8, opcodes=(PING,)))),
    Animal("loses the top bit of a length", "6455/5.2/11.1", when(has_top_bit), length=lambda n: n % (1 << 63)),
    Animal("reads a negative length as none", "6455/5.2/11.1-2", when(has_top_bit), length=lambda n: n * (n < 1 << 63)),
    Animal("looks at no reserved bits", "6455/5.2/20.1-18 6455/5.2/21.1-7", without(7, *ALL)),
    Animal("takes RSV1", "6455/5.2/20.1-6 6455/5.2/21.4", without(4, *ALL)),
    Animal("takes RSV2", "6455/5.2/20.7-12 6455/5.2/21.2", without(2, *ALL)),
    Animal("takes RSV3", "6455/5.2/20.13-18 6455/5.2/21.1", without(1, *ALL)),
    Animal("takes reserved bits behind a message", "6455/5.2/21.1-7", behind_a_message),
    *(
        Animal(
            f"takes reserved bits with opcode {opcode}",
            f"6455/5.2/20.{n},{n + 6},{n + 12}" + " 6455/5.2/21.1-7" * (opcode == TEXT),
            without(7, opcode),
        )
        for n, opcode in enumerate(KINDS, 1)
    ),
    Animal(
        "ignores reserved opcodes",
        "6455/5.2/30.1-10 6455/5.2/31.1-10 6455/5.2/32.1-2",
        loses(reserved(*RESERVED)),
    ),
    Animal("ignores opcode 3", "6455/5.2/30.1 6455/5.2/31.1 6455/5.2/32.1", loses(reserved(3))),
    Animal("ignores opcode 11", "6455/5.2/30.6 6455/5.2/31.6 6455/5.2/32.2", loses(reserved(11))),
    Animal("ignores reserved opcodes in messages", "6455/5.2/31.1-10", in_message(no_reserved)),
    Animal(
        "ignores reserved opcodes between messages",
        "6455/5.2/30.1-10 6455/5.2/32.1-2",
        in_message(no_reserved, inside=False),
    ),
    Animal(
        "ignores reserved opcodes without FIN",
        "6455/5.2/32.1-2",
        loses(lambda one: one.header.opcode in RESERVED and not one.header.fin),
    ),
    Animal(
        "takes opcodes 3 to 7 for text", "6455/5.2/30.1-5 6455/5.2/32.1", when(reserved(*RESERVED[:5]), opcode=TEXT)
    ),
    Animal("wants a header in one read", "6455/5.2/40.1-13", each(header_in_one_read), roles=SERVER, perhaps=OCTETS),
    Animal("wants a header in one read", "6455/5.2/40.1-9", each(header_in_one_read), roles=CLIENT, perhaps=OCTETS),
    Animal(
        "takes a header alone for a frame",
        "6455/5.2/40.14 6455/5.3/2.4",
        each(ends_with_its_header),
        roles=SERVER,
        perhaps=OCTETS,
    ),
    Animal(
        "takes a header alone for a frame",
        "6455/5.2/40.10",
        each(ends_with_its_header),
        roles=CLIENT,
        perhaps=OCTETS,
    ),
    Animal(
        "wants a payload to begin in one read",
        "6455/5.2/40.10-14",
        each(payload_begins_in_one_read),
        roles=CLIENT,
        perhaps=OCTETS,
    ),
    Animal("reads 300 frames at once", "6455/5.2/41.1", most_at_once(300)),
    Animal("loses half a frame", "6455/5.2/41.2", half_is_lost),
    Animal("wants its head in one read", "6455/5.2/42", head_at_once=True),
]

ANIMALS = [*MASKS, *BASE]
