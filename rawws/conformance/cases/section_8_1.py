"""RFC 6455 section 8.1, and 5.6: text is UTF-8."""

from collections.abc import Callable

from rawws.conformance import utf8
from rawws.conformance.case import MUST, SERVER, SHOULD, Opening, family
from rawws.conformance.heard import Close, End, Pong, Text
from rawws.conformance.http import Head
from rawws.conformance.peer import Peer
from rawws.conformance.utf8 import TOP, WORD, Sequence, spelled
from rawws.conformance.verdict import Wrong
from rawws.conformance.wire import BINARY, TEXT, cut
from rawws.core import rules

NOTE = WORD[3].encode()
"""A character of four bytes."""
BEYOND = spelled(TOP + 1, 4)
"""What would be the character behind the last: its second byte makes it wrong."""

A_WHILE = 0.25
"""Seconds of silence in the midst of a frame, where no ping can be sent."""


def _entries(sequences: list[Sequence]) -> dict[str, bytes]:
    return {sequence.title: sequence.data for sequence in sequences}


def _autobahn(sequences: list[Sequence]) -> dict[str, list[str]]:
    return {sequence.title: [sequence.autobahn] for sequence in sequences}


@family("6455/8.1/1", MUST, None, _entries(utf8.valid()), autobahn=_autobahn(utf8.valid()))
async def valid_text(peer: Peer, data: bytes) -> None:
    """Text is any valid UTF-8, and nothing about it changes."""
    await peer.send(peer.text(data))
    await peer.echoes(data.decode())


@family("6455/8.1/2", MUST, rules.TEXT_NOT_UTF8, _entries(utf8.invalid()), autobahn=_autobahn(utf8.invalid()))
async def invalid_text(peer: Peer, data: bytes) -> None:
    """Text that is not UTF-8 fails the connection."""
    await peer.send(peer.text(data))
    await peer.fails(1007, text=True)


@family(
    "6455/8.1/3",
    MUST,
    None,
    {
        "in one frame": (),
        "in two frames, cut between two characters": (6,),
        "in two frames, cut within a character": (8,),
        "in frames of one byte": tuple(range(1, len(WORD.encode()))),
    },
    autobahn={
        "in one frame": ["6.2.1"],
        "in two frames, cut between two characters": ["6.2.2"],
        "in frames of one byte": ["6.2.3", "6.2.4"],
    },
)
async def fragmented_text(peer: Peer, *places: int) -> None:
    """The message as a whole is UTF-8, wherever its fragments begin and end."""
    await peer.send(*_fragments(peer, WORD.encode(), *places))
    await peer.echoes(WORD)


def _fragments(peer: Peer, data: bytes, *places: int) -> list[bytes]:
    """A text message in frames, cut at these places."""
    ends = [*places, len(data)]
    parts = [data[begin:end] for begin, end in zip([0, *places], ends)]
    return [peer.frame(0 if place else 1, part, fin=place == len(places)) for place, part in enumerate(parts)]


@family(
    "6455/8.1/4",
    MUST,
    rules.TEXT_NOT_UTF8,
    {"in one frame": False, "in frames of one byte": True},
    autobahn={"in one frame": ["6.3.1"], "in frames of one byte": ["6.3.2"]},
)
async def invalid_within_text(peer: Peer, in_bytes: bool) -> None:
    """What is not UTF-8 fails the connection also when there is good text around it, and however it is cut."""
    data = f"{WORD} ".encode() + spelled(utf8.HIGH, 3) + b" and more"
    await peer.send(*_fragments(peer, data, *(range(1, len(data)) if in_bytes else ())))
    await peer.fails(1007, text=True)


_GOOD, _BAD, _REST = WORD.encode(), BEYOND, b"and more"
_JUST_BAD = (_GOOD + BEYOND[:1], BEYOND[1:2], BEYOND[2:] + _REST)
"""The second part is the one byte that cannot be right any more."""


# How fast is up to the target, and told; that it fails at all is not.
@family(
    "6455/8.1/5",
    MUST,
    rules.TEXT_NOT_UTF8,
    {
        "the second of three frames is wrong": (True, (_GOOD, _BAD, _REST)),
        "the byte that is wrong is the second of three frames": (True, _JUST_BAD),
        "the second of three parts of a frame is wrong": (False, (_GOOD, _BAD, _REST)),
        "the byte that is wrong is the second of three parts of a frame": (False, _JUST_BAD),
    },
    alone=True,
    autobahn={
        "the second of three frames is wrong": ["6.4.1"],
        "the byte that is wrong is the second of three frames": ["6.4.2"],
        "the second of three parts of a frame is wrong": ["6.4.3"],
        "the byte that is wrong is the second of three parts of a frame": ["6.4.4"],
    },
)
async def how_fast_it_fails(peer: Peer, in_frames: bool, parts: tuple[bytes, bytes, bytes]) -> None:
    """Text that is not UTF-8 fails the connection as soon as that is certain, or when its frame or message ends."""
    first, wrong, rest = parts
    peer.transcript.violated = "1007"
    if in_frames:
        await peer.send(peer.text(first, fin=False), peer.more(wrong, fin=False), peer.ping("and then"))
        heard = await peer.hear()
        left = peer.more(rest)
    else:
        frame = peer.text(first + wrong + rest)
        end = len(frame) - len(rest)
        await peer.write(frame[: end - len(wrong)])
        await peer.write(frame[end - len(wrong) : end])
        heard = await peer.hear(A_WHILE)
        left = frame[end:]
    if isinstance(heard, (Close, End)):
        peer.note("at once" if not in_frames else "at once, or at the end of the frame")
        if isinstance(heard, Close):
            await peer.part()
        return
    await peer.write(left)
    await peer.fails(1007, text=True)
    peer.note("at the end of the message" if in_frames else "at the end of the frame, or of the message")


def _pings(peer: Peer, number: int) -> list[bytes]:
    return [peer.ping(f"{place} ".ljust(125, ".")) for place in range(number)]


_BETWEEN: dict[str, Callable[[Peer], list[bytes]]] = {
    "a ping": lambda peer: [peer.ping("in between")],
    "a pong": lambda peer: [peer.pong("in between")],
    "an empty fragment": lambda peer: [peer.more(fin=False)],
    "1,000 bytes of pings": lambda peer: _pings(peer, 8),
}


@family("6455/8.1/6", MUST, rules.TEXT_NOT_UTF8, _BETWEEN)
async def within_a_character(peer: Peer, between: Callable[[Peer], list[bytes]]) -> None:
    """Whatever may come between two fragments may come in the midst of a character."""
    for end in (1, 2, 3):
        await peer.send(peer.text(NOTE[:end], fin=False), *between(peer), peer.more(NOTE[end:]))
        # Not each of several pings has to be answered (5.5.3), and whether one is, is another case.
        while isinstance(heard := await peer.hear(), Pong):
            pass
        if heard != Text(NOTE.decode()):
            raise Wrong(str(Text(NOTE.decode())), str(heard))
    await peer.send(peer.text(NOTE[:2], fin=False), *between(peer), peer.more(b"no"))
    await peer.fails(1007, text=True)


@family(
    "6455/8.1/7",
    MUST,
    rules.TEXT_NOT_UTF8,
    {
        "text that ends within a character, and its rest as another": (False, (TEXT, NOTE[:2]), (TEXT, NOTE[2:])),
        "binary data that is not UTF-8, behind text": (True, (TEXT, _GOOD), (BINARY, BEYOND)),
        "text behind binary data that ends within a character": (True, (BINARY, NOTE[:2]), (TEXT, _GOOD)),
    },
)
async def message_by_message(peer: Peer, right: bool, *messages: tuple[int, bytes]) -> None:
    """Each text message is UTF-8 on its own, and binary ones need not be."""
    await peer.send(*(peer.frame(opcode, data) for opcode, data in messages))
    if right:
        await peer.echoes(*(data if opcode == BINARY else data.decode() for opcode, data in messages))
    else:
        await peer.fails(1007, text=True)


BLOCK = 16
"""Bytes that decoders like to look at together."""
LARGE = 1024 * 1024


def _everywhere(peer: Peer) -> list[str]:
    return ["-" * place + WORD[3] + "-" * (2 * BLOCK - place) for place in range(BLOCK)]


def _large(peer: Peer) -> list[str]:
    return [WORD[3] * (min(peer.declared.max_size or LARGE, LARGE) // 4)]


@family(
    "6455/8.1/8",
    MUST,
    None,
    {
        "a byte order mark in front": (lambda peer: ["\N{ZERO WIDTH NO-BREAK SPACE}Hello"], LARGE),
        "a 4-byte character at each place of a block": (_everywhere, LARGE),
        "1 MiB of 4-byte characters, in writes of 1,021 bytes": (_large, 1021),
    },
)
async def wherever_it_stands(peer: Peer, texts: Callable[[Peer], list[str]], size: int) -> None:
    """A character is itself wherever it stands, in its message and in what was read at once."""
    for text in texts(peer):
        for part in cut(peer.text(text), size):
            await peer.write(part)
        await peer.echoes(text)


@family("6455/8.1/9", SHOULD, roles=SERVER, opening=Opening.RAW)
async def header_not_utf8(peer: Peer) -> None:
    """A field of the opening handshake that is not UTF-8 is put up with or refused, and does no harm."""
    ask = peer.proper_ask().put("X-Name", BEYOND)
    await peer.write(bytes(ask))
    answer = await peer.head()
    if not isinstance(answer, Head):
        raise Wrong("an answer: 101, or 400", str(answer))
    if answer.status != 101 and not 400 <= (answer.status or 0) < 500:
        raise Wrong("101, or 400", f"{answer.first.decode('latin-1')}")
    peer.note(f"answered with {answer.status}")
