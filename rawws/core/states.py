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

    # Members are looked up in the table for every frame, and `Enum` hashes their names in Python.
    __hash__ = object.__hash__


class Sent(Enum):
    """What a sender can send."""

    WHOLE = "whole message"
    FIRST = "first fragment"
    MIDDLE = "middle fragment"
    LAST = "last fragment"
    CONTROL = "ping or pong"
    CLOSE = "close"
    EOF = "end of stream"

    __hash__ = object.__hash__


class State(Enum):
    """Where the connection as a whole stands, in the words of section 4.1 and 7.1."""

    CONNECTING = "connecting"
    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"


READY, IN_MESSAGE, CLOSE_SENT, ENDED = Sender
WHOLE, FIRST, MIDDLE, LAST, CONTROL, CLOSE, EOF = Sent

TRANSITIONS: dict[Sender, dict[Sent, Sender | Rule]] = {
    READY: {
        WHOLE: READY,
        FIRST: IN_MESSAGE,
        MIDDLE: NOTHING_TO_CONTINUE,
        LAST: NOTHING_TO_CONTINUE,
        CONTROL: READY,
        CLOSE: CLOSE_SENT,
        EOF: ENDED,
    },
    IN_MESSAGE: {
        WHOLE: MESSAGE_UNFINISHED,
        FIRST: MESSAGE_UNFINISHED,
        MIDDLE: IN_MESSAGE,
        LAST: READY,
        # 5.4: "Control frames MAY be injected in the middle of a fragmented message"; a Close is one of them.
        CONTROL: IN_MESSAGE,
        CLOSE: CLOSE_SENT,
        EOF: ENDED,
    },
    CLOSE_SENT: {
        WHOLE: FRAME_AFTER_CLOSE,
        FIRST: FRAME_AFTER_CLOSE,
        MIDDLE: FRAME_AFTER_CLOSE,
        LAST: FRAME_AFTER_CLOSE,
        CONTROL: FRAME_AFTER_CLOSE,
        CLOSE: FRAME_AFTER_CLOSE,
        EOF: ENDED,
    },
    ENDED: {
        WHOLE: FRAME_AFTER_EOF,
        FIRST: FRAME_AFTER_EOF,
        MIDDLE: FRAME_AFTER_EOF,
        LAST: FRAME_AFTER_EOF,
        CONTROL: FRAME_AFTER_EOF,
        CLOSE: FRAME_AFTER_EOF,
        EOF: ENDED,
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
        return CLOSE if opcode == Opcode.CLOSE else CONTROL
    if opcode == Opcode.CONTINUATION:
        return LAST if fin else MIDDLE
    return WHOLE if fin else FIRST
