"""Which frame may follow which.  The whole state machine is the table below.

A connection is two senders facing each other, and both obey the same table: nothing here knows which of them is us.  A
cell holds the state that follows, or the rule that is broken.  What the RFC calls OPEN, CLOSING and CLOSED is derived
from where the two senders stand.
"""

from enum import Enum

from rawws.core.errors import ProtocolError
from rawws.core.frames import Opcode, is_control
from rawws.core.rules import FRAME_AFTER_CLOSE, FRAME_AFTER_EOF, MESSAGE_UNFINISHED, NOTHING_TO_CONTINUE, Rule


class Sender(Enum):
    """Where one of the two senders stands."""

    READY = "ready"
    """Between messages."""
    IN_MESSAGE = "in a fragmented message"
    CLOSE_SENT = "close sent"
    ENDED = "ended"
    """Its half of the TCP connection is over."""


class Sent(Enum):
    """What a sender can send."""

    WHOLE = "whole message"
    FIRST = "first fragment"
    MIDDLE = "middle fragment"
    LAST = "last fragment"
    CONTROL = "ping or pong"
    CLOSE = "close"
    EOF = "end of stream"


class State(Enum):
    """Where the connection as a whole stands, in the words of section 4.1 and 7.1."""

    CONNECTING = "connecting"
    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"


READY, IN_MESSAGE, CLOSE_SENT, ENDED = Sender

TRANSITIONS: dict[Sender, dict[Sent, Sender | Rule]] = {
    READY: {
        Sent.WHOLE: READY,
        Sent.FIRST: IN_MESSAGE,
        Sent.MIDDLE: NOTHING_TO_CONTINUE,
        Sent.LAST: NOTHING_TO_CONTINUE,
        Sent.CONTROL: READY,
        Sent.CLOSE: CLOSE_SENT,
        Sent.EOF: ENDED,
    },
    IN_MESSAGE: {
        Sent.WHOLE: MESSAGE_UNFINISHED,
        Sent.FIRST: MESSAGE_UNFINISHED,
        Sent.MIDDLE: IN_MESSAGE,
        Sent.LAST: READY,
        # 5.4: "Control frames MAY be injected in the middle of a fragmented message"; a Close is one of them.
        Sent.CONTROL: IN_MESSAGE,
        Sent.CLOSE: CLOSE_SENT,
        Sent.EOF: ENDED,
    },
    CLOSE_SENT: {
        Sent.WHOLE: FRAME_AFTER_CLOSE,
        Sent.FIRST: FRAME_AFTER_CLOSE,
        Sent.MIDDLE: FRAME_AFTER_CLOSE,
        Sent.LAST: FRAME_AFTER_CLOSE,
        Sent.CONTROL: FRAME_AFTER_CLOSE,
        Sent.CLOSE: FRAME_AFTER_CLOSE,
        Sent.EOF: ENDED,
    },
    ENDED: {
        Sent.WHOLE: FRAME_AFTER_EOF,
        Sent.FIRST: FRAME_AFTER_EOF,
        Sent.MIDDLE: FRAME_AFTER_EOF,
        Sent.LAST: FRAME_AFTER_EOF,
        Sent.CONTROL: FRAME_AFTER_EOF,
        Sent.CLOSE: FRAME_AFTER_EOF,
        Sent.EOF: ENDED,
    },
}


def advance(state: Sender, sent: Sent) -> Sender:
    """Where a sender stands after it sent this; raises `ProtocolError` with the rule in the cell if it may not."""
    cell = TRANSITIONS[state][sent]
    if isinstance(cell, Rule):
        raise ProtocolError(cell)
    return cell


def what_is_sent(opcode: int, fin: bool) -> Sent:
    """The column of the table for a frame."""
    if is_control(opcode):
        return Sent.CLOSE if opcode == Opcode.CLOSE else Sent.CONTROL
    if opcode == Opcode.CONTINUATION:
        return Sent.LAST if fin else Sent.MIDDLE
    return Sent.WHOLE if fin else Sent.FIRST
