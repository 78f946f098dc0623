"""RFC 6455 section 4.1: how a client reads the answer, in whatever form and at whatever pace it comes.  Of a client."""

from collections.abc import Awaitable, Callable

from rawws.conformance.answering import (
    PROTOCOL,
    Change,
    answers,
    changed,
    either,
    gives_up,
    lines,
    needs_subprotocols,
    refuses,
    takes,
)
from rawws.conformance.asking import works
from rawws.conformance.case import LIM, MAY, MUST, SHOULD
from rawws.conformance.heard import Close, End, Pong, Text
from rawws.conformance.http import Answer
from rawws.conformance.peer import Peer
from rawws.conformance.verdict import Wrong
from rawws.conformance.wire import TEXT, close_body
from rawws.core import rules

ACCEPT = "Sec-WebSocket-Accept"

# --- Answers that are right -----------------------------------------------------------------------------------------


@answers(
    "6455/4.1/28",
    MUST,
    None,
    {
        "names in lower case": lambda answer: _lower(answer),
        "WebSocket, and UPGRADE": lambda answer: answer.put("Upgrade", "WebSocket").put("Connection", "UPGRADE"),
        "keep-alive, Upgrade": lambda answer: answer.put("Connection", "keep-alive, Upgrade"),
        "Connection in two fields": lambda answer: answer.put("Connection", "keep-alive", "Upgrade"),
        "no reason phrase": lambda answer: setattr(answer, "line", b"HTTP/1.1 101 "),
        "blanks around Sec-WebSocket-Accept": lambda answer: _padded(answer),
        "fields that nobody knows": lambda answer: answer.fields.extend(
            [(b"X-Nobody", b"knows, this"), (b"Set-Cookie", b"a=b; Path=/"), (b"Set-Cookie", b"c=d"), (b"X-Empty", b"")]
        ),
    },
)
async def right_in_another_form(peer: Peer, change: Change) -> None:
    """What HTTP lets a server write in several ways is the same in all of them."""
    await takes(peer, await changed(peer, change))


def _lower(answer: Answer) -> None:
    answer.fields = [(name.lower(), value) for name, value in answer.fields]


def _padded(answer: Answer) -> None:
    answer.fields = [
        (name, b" \t" + value + b" \t ") if name == ACCEPT.encode() else (name, value) for name, value in answer.fields
    ]


@answers("6455/4.1/29", MAY)
async def no_subprotocol(peer: Peer) -> None:
    """A server that chooses no subprotocol opens the connection all the same; WHATWG lets browsers give up on it."""
    await needs_subprotocols(peer)
    await either(peer, Answer.properly(await peer.asked()).without(PROTOCOL))


@answers("6455/4.1/30", MUST, None, {"one octet a write": True, "one line a write": False})
async def in_pieces(peer: Peer, octets: bool) -> None:
    """An answer is the same in however many pieces it comes."""
    answer = Answer.properly(await peer.asked())
    await takes(peer, answer, *([bytes([octet]) for octet in bytes(answer)] if octets else lines(answer)))


@answers("6455/4.1/31", MUST, None, {"a message": 0, "a Close": 1, "half a message": 2})
async def glued(peer: Peer, what: int) -> None:
    """What comes with the answer, in the same segment, is not lost."""
    answer = Answer.properly(await peer.asked())
    peer.established()
    if what == 1:
        answer.after = peer.frame(8, close_body(1000))
        peer.close_sent = True
        await peer.write(bytes(answer))
        await peer.closes(1000, None)
        return
    message = peer.frame(TEXT, "early")
    half = len(message) // 2 if what else len(message)
    # The pong says that all of the first segment was read.
    answer.after = peer.ping("first") + message[:half]
    await peer.write(bytes(answer))
    await peer.expect(Pong(b"first"))
    await peer.write(message[half:])
    await peer.echoes("early")
    await works(peer)


# --- Answers that may be taken or not -------------------------------------------------------------------------------


@answers(
    "6455/4.1/32",
    MAY,
    None,
    {
        "100 before it": b"HTTP/1.1 100 Continue\r\n\r\n",
        "103 before it": b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n",
        "101 with Content-Length: 0": b"",
    },
)
async def in_front(peer: Peer, head: bytes) -> None:
    """Another 1xx before the 101 is passed over in HTTP, and a 101 has no Content-Length; both may be refused."""
    answer = Answer.properly(await peer.asked())
    if head:
        await peer.write(head)
    else:
        answer.put("Content-Length", "0")
    await either(peer, answer)


# --- Answers without end --------------------------------------------------------------------------------------------

LONG = 1024 * 1024
"""Bytes of one line."""
FIELDS = 10_000
FLOOD = 4 * 1024 * 1024
"""Bytes of 1xx before we have enough ourselves."""
DRIPS = 30

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


async def _no_answer(peer: Peer) -> None:
    await gives_up(peer, peer.patience.reply)


async def _half_an_answer(peer: Peer) -> None:
    answer = bytes(Answer.properly(await peer.asked()))
    await peer.write(answer[: len(answer) // 2])
    peer.finish()
    await gives_up(peer, peer.patience.reply)


async def _long_line(peer: Peer) -> None:
    await either(peer, Answer.properly(await peer.asked()).put("X-Filler", b"x" * LONG))


async def _many_fields(peer: Peer) -> None:
    fields = [(b"X-%d" % number, b"x") for number in range(FIELDS)]
    await either(peer, await changed(peer, lambda answer: answer.fields.extend(fields)))


async def _continue_without_end(peer: Peer) -> None:
    some = _CONTINUE * 1000
    sent = 0
    while sent < FLOOD and not peer.has_ended:
        await peer.write(some)
        sent += len(some)
    await gives_up(peer, peer.patience.close)


async def _no_http(peer: Peer) -> None:
    await peer.write(b"220 mail.example ESMTP\r\n" + peer.random.randbytes(64) + b"\r\n\r\n")
    await gives_up(peer, peer.patience.close)


async def _drip(peer: Peer) -> None:
    answer = bytes(Answer.properly(await peer.asked()))
    for octet in answer[:DRIPS]:
        await peer.write(bytes([octet]))
        await peer.pause(0.1)
    if peer.has_ended:
        peer.note("gave up")
        return
    await peer.write(answer[DRIPS:])
    peer.established()
    await works(peer)
    peer.note(f"waited for {DRIPS / 10:g} s")


# RFC 6455 asks for no bound of time: a client that waits is told of, and fails if it stays when TCP has ended.
@answers(
    "6455/4.1/33",
    LIM,
    rules.RESPONSE_TOO_LARGE,
    {
        "no answer": _no_answer,
        "half an answer, and the end of TCP": _half_an_answer,
        "a field of 1 MiB": _long_line,
        "10,000 fields": _many_fields,
        "100 Continue without end": _continue_without_end,
        "no HTTP": _no_http,
        "one octet now and then": _drip,
    },
)
async def too_much(peer: Peer, happens: Callable[[Peer], Awaitable[None]]) -> None:
    """However long an answer is, or takes, the client takes it or gives up, and is gone when TCP is."""
    await peer.asked()
    await happens(peer)


# --- Answers that are not quite HTTP --------------------------------------------------------------------------------

# RFC 9112 (2.2) lets a client take bare LFs for ends of lines, and (5.2) has it read a folded line as one; RFC 9110
# (5.5) lets it read a NUL as a blank.  So the answers are such that whoever reads them like this has no valid one
# either.  With bare LFs there is none of that kind: taken or refused, both are right.


@answers(
    "6455/4.1/34",
    SHOULD,
    rules.RESPONSE_MALFORMED,
    {
        "bare LFs": (),
        "Upgrade in a folded line": lambda answer: answer.without("Upgrade").put("X-Note", "a\r\n Upgrade: websocket"),
        "a blank before the colon": lambda answer: answer.without("Upgrade").put("Upgrade ", "websocket"),
        "a NUL behind Sec-WebSocket-Accept": lambda answer: _truncated(answer),
    },
)
async def not_quite_http(peer: Peer, change: Change | None = None) -> None:
    """What is no field by the grammar of HTTP does not count as one."""
    if change is not None:
        await refuses(peer, await changed(peer, change))
        return
    answer = bytes(Answer.properly(await peer.asked())).replace(b"\r\n", b"\n")
    await peer.write(answer + peer.text("Hello") + peer.close(1000))
    # One that waits for an empty line as HTTP has it would wait long.
    peer.finish()
    heard = await peer.hear()
    peer.note("taken" if isinstance(heard, (Text, Close)) else "refused")
    while not isinstance(heard, End):
        if not isinstance(heard, (Text, Close)):
            raise Wrong("an echo and a Close, or the end of TCP", str(heard))
        heard = await peer.hear()


def _truncated(answer: Answer) -> None:
    answer.fields = [(name, value + b"\0AAAA" if name == ACCEPT.encode() else value) for name, value in answer.fields]
