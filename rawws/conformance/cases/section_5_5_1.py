"""RFC 6455 section 5.5.1: the Close frame, and what ends behind it.

Section 7.4 has the codes, 7.1 how TCP ends.
"""

from collections.abc import Iterator
from time import monotonic

from rawws.conformance.case import CLIENT, MAY, MUST, SERVER, SHOULD, family
from rawws.conformance.closing import accepted, closes_in, refused, until_end, wrong_behind_close
from rawws.conformance.heard import Close, End, Heard, Nothing, Pong, Text
from rawws.conformance.passive import passive
from rawws.conformance.peer import Peer
from rawws.conformance.transcript import Transcript
from rawws.conformance.utf8 import HIGH, TOP, WORD, spelled
from rawws.conformance.verdict import Wrong
from rawws.conformance.wire import close_body
from rawws.core import rules
from rawws.core.settings import Role

LONGEST_REASON = 123
"""A control frame holds 125 bytes, and the code takes two."""

IMMEDIATELY = 1.0
"""Seconds in which a server that is not overloaded has ended TCP."""
A_MOMENT = 0.5
"""Seconds that a client at least gives the server for that."""
REASONABLE = 12.0
"""Seconds that a Close may go unanswered; many wait for 10."""


@family("6455/5.5.1/1", MUST, autobahn=["7.1.1"])
async def text_then_close(peer: Peer) -> None:
    """A Close is answered by a Close."""
    # The echo is waited for: an endpoint may answer a Close before its application has seen what came in front of it.
    await peer.send(peer.text("Hello"))
    await peer.echoes("Hello")
    await peer.send(peer.close(1000))
    await accepted(peer)


@family(
    "6455/5.5.1/2",
    MUST,
    None,
    {"a second Close": "close", "a text message": "text"},
    autobahn={"a second Close": ["7.1.2"], "a text message": ["7.1.4"]},
)
async def behind_our_close(peer: Peer, what: str) -> None:
    """What comes behind a Close is ignored, and the Close is answered as if it were not there."""
    # 1.4: "after receiving a control frame indicating the connection should be closed, a peer discards any further data
    # received."
    late = peer.close(1001) if what == "close" else peer.text("too late")
    await peer.send(peer.close(1000), late)
    await accepted(peer)
    for wrong in wrong_behind_close(peer.transcript):
        raise Wrong("nothing behind its Close", wrong)


@family("6455/5.5.1/3", MAY, autobahn=["7.1.6"])
async def echoes_and_close(peer: Peer) -> None:
    """Messages that came just before a Close may be echoed before it is answered, or no more."""
    size = 256 * 1024
    await peer.send(peer.text("x" * size), peer.text("Hello"), peer.close(1000), peer.ping("late"))
    order = [await peer.hear()]
    while not isinstance(order[-1], (Close, End, Nothing)):
        order.append(await peer.hear())
    if isinstance(order[-1], Close):
        await peer.part()
    peer.note(", ".join(_named(heard, size) for heard in order))


def _named(heard: Heard, size: int) -> str:
    if isinstance(heard, Text):
        return "echo of the long text" if len(heard.data) == size else "echo of the short text"
    return "pong" if isinstance(heard, Pong) else str(heard)


@family("6455/5.5.1/4", MUST, autobahn=["7.3.1"])
async def no_code(peer: Peer) -> None:
    """A Close with no code is answered with none or with 1000, never with one that is not for the wire."""
    await peer.send(peer.close(None))
    await accepted(peer, None)


@family("6455/5.5.1/5", MUST, rules.CLOSE_TOO_SHORT, autobahn=["7.3.2"])
async def half_a_code(peer: Peer) -> None:
    """The payload of a Close is empty, or has at least the two bytes of a code."""
    await refused(peer, b"\x03", 1002)


@family(
    "6455/5.5.1/6",
    MUST,
    None,
    {
        "a code": "",
        "a code and a reason": "that was all",
        f"a code and a reason of {LONGEST_REASON} bytes": "r" * LONGEST_REASON,
    },
    autobahn={
        "a code": ["7.3.3"],
        "a code and a reason": ["7.3.4"],
        f"a code and a reason of {LONGEST_REASON} bytes": ["7.3.5"],
    },
)
async def with_reason(peer: Peer, reason: str) -> None:
    """A Close may have a code, and a reason behind it, up to the 125 bytes of a control frame."""
    await peer.send(peer.close(1000, reason))
    await accepted(peer)


# One family in two halves: what is refused, and what is not.
_WRONG_REASONS = {
    "a surrogate": spelled(HIGH, 3),
    "a character cut off": WORD[3].encode()[:-1],
    "an overlong form": spelled(ord("."), 2),
    "a value beyond 10ffff": spelled(TOP + 1, 4),
}
_RIGHT_REASONS = {
    "text of 2-byte characters": "tschüß",
    "text of 3-byte characters": "字字",
    "text of 4-byte characters": "𝄞𝄞",
    "a byte order mark": "\N{ZERO WIDTH NO-BREAK SPACE}",
}


@family(
    "6455/5.5.1/7",
    MUST,
    rules.CLOSE_REASON_NOT_UTF8,
    _WRONG_REASONS | dict.fromkeys(_RIGHT_REASONS),
    autobahn={"a surrogate": ["7.5.1"]},
)
async def reason_not_utf8(peer: Peer, reason: bytes) -> None:
    """The reason in a Close is UTF-8."""
    await refused(peer, close_body(1000, b"so long: " + reason), 1007, 1002)


@family("6455/5.5.1/7", MUST, rules.CLOSE_REASON_NOT_UTF8, dict.fromkeys(_WRONG_REASONS) | _RIGHT_REASONS)
async def reason_in_utf8(peer: Peer, reason: str) -> None:
    """A reason may have any characters."""
    await peer.send(peer.close(1000, reason))
    await accepted(peer)


# Autobahn looks at this in all its cases: FAILED BY CLIENT says that the server did not.
@family("6455/5.5.1/8", MUST, roles=SERVER, alone=True)
async def server_hangs_up(peer: Peer) -> None:
    """When both Close frames have passed, the server ends TCP immediately."""
    await peer.send(peer.close(1000))
    heard = await peer.hear()
    if not isinstance(heard, Close):
        raise Wrong("a Close in answer to ours", str(heard))
    # Whatever else it may say.
    if isinstance((await until_end(peer, IMMEDIATELY))[-1], Nothing):
        raise Wrong(f"the end of TCP within {IMMEDIATELY:g} s", "TCP is still there")


@family("6455/5.5.1/9", SHOULD, roles=CLIENT, alone=True)
async def client_waits(peer: Peer) -> None:
    """When both Close frames have passed, the client gives the server time to end TCP, and then ends it itself."""
    await peer.send(peer.close(1000))
    heard = await peer.hear()
    if not isinstance(heard, Close):
        raise Wrong("a Close in answer to ours", str(heard))
    began = monotonic()
    if isinstance(await peer.hear(A_MOMENT), End):
        raise Wrong(f"the server left to end TCP for {A_MOMENT:g} s", "the client ended it first")
    # How long it waits is its own affair.
    ended = isinstance(await peer.hear(peer.patience.close), End)
    peer.note(f"it {'hung up' if ended else 'was still waiting'} after {monotonic() - began:.1f} s")


@passive("6455/5.5.1/10", MUST, rules.FRAME_AFTER_CLOSE)
def one_close_and_it_is_last(transcript: Transcript, target: Role) -> Iterator[str]:
    """An endpoint sends one Close at most, and no data behind it."""
    yield from wrong_behind_close(transcript)


_CROSSED = {"a violation and a Close at once": (), "a Close that crosses ours": ()}


def _half_of(entries: dict[str, tuple[()]], title: str) -> dict[str, tuple[()] | None]:
    """The entries with all but one left empty: its number stays, and its case can ask for something of its own."""
    return {name: entry if name == title else None for name, entry in entries.items()}


@family("6455/5.5.1/11", MUST, rules.FRAME_AFTER_CLOSE, _half_of(_CROSSED, "a violation and a Close at once"))
async def fails_while_we_close(peer: Peer) -> None:
    """An endpoint that fails the connection while the other side closes it sends one Close, and ends TCP."""
    await peer.send(peer.frame(3, "reserved"), peer.close(1000))
    await _one_close_and_the_end(peer)


@family(
    "6455/5.5.1/11",
    MUST,
    rules.FRAME_AFTER_CLOSE,
    _half_of(_CROSSED, "a Close that crosses ours"),
    needs=("commands",),
)
async def close_crosses_ours(peer: Peer) -> None:
    """When both sides close at the same time, each sends one Close, and TCP ends."""
    await peer.send(peer.text("/close 1001"), peer.close(1000))
    await _one_close_and_the_end(peer)


async def _one_close_and_the_end(peer: Peer) -> None:
    heard = await peer.hear()
    while not isinstance(heard, (Close, End, Nothing)):
        heard = await peer.hear()
    if isinstance(heard, Nothing):
        raise Wrong("a Close, or the end of TCP", str(heard))
    if isinstance(heard, Close):
        await peer.part()
    if peer.transcript.ended not in ("FIN", "RST"):
        raise Wrong("the end of TCP behind both Close frames", f"TCP {peer.transcript.ended}")
    if len(closes_in(peer.transcript)) > 1:
        raise Wrong("one Close", "a second Close")


@family("6455/5.5.1/12", SHOULD, rules.CLOSING_TIMEOUT, needs=("commands",), waits=True)
async def never_answered(peer: Peer) -> None:
    """An endpoint whose Close is never answered gives up, and ends TCP."""
    # The RFC has no number for how long; `REASONABLE` is ours, and what was seen is told.
    await peer.send(peer.text("/close 1000"))
    heard = await peer.hear()
    if not isinstance(heard, Close):
        raise Wrong("a Close, as it was told to", str(heard))
    began = monotonic()
    await peer.ends(REASONABLE)
    peer.note(f"it gave up after {monotonic() - began:.1f} s")
