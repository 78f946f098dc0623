"""An open connection: bytes in and events out, calls in and bytes out.  It knows no HTTP, no socket and no clock.

    connection.receive_data(data)             # what came; never raises
    for event in connection.all_events():     # or lazily, with `events()`: what is not asked for stays undecoded
        ...                                   # any method may be called in here
    transport.write(connection.data_to_send())
    if connection.wants is not Wants.DATA:
        ...                                   # hang up

Everything that goes out, automatic answers included, stands in one buffer in the order of the calls.  What the peer
does wrong arrives as the last event, `Closed`, with the answer queued; what the caller does wrong is raised, and
nothing has changed.  Not thread-safe: hold one lock over a call and the writing of what it queued.
"""

import os
from collections.abc import Callable
from enum import Enum

from rawws.core.agreement import Agreement, Terms
from rawws.core.events import Closed
from rawws.core.frames import CloseCode
from rawws.core.incoming import Incoming
from rawws.core.settings import Limits, Role
from rawws.core.states import CLOSE_SENT, ENDED, EOF, IN_MESSAGE, READY, State, advance


class Wants(Enum):
    """What to do with the transport once everything queued is written."""

    DATA = "data"
    """Read on.  (After both Close frames a client reads on too: the server hangs up first, section 7.1.1.)"""
    LINGER = "linger"
    """End our half, throw away what still comes, and close at its end: so the peer can read why it was failed."""
    CLOSE = "close"
    """Close the TCP connection."""


class Connection(Incoming):
    """One side of an open connection (sections 5 to 8).

    Args:
        role: which side this is.
        agreement: what the opening handshake settled.
        limits: how much the peer may ask of us.
        stream: give messages as `Chunk`s, as they come, also inside one frame.  It may be set at any time and counts
            from the next piece on that is read; switched off, it counts from the next message on.  (Whole messages
            that lie behind one another may have been read together already.)
        auto_pong: answer each Ping.
        auto_close: answer the peer's Close, and its violations, as soon as `Closed` is given out.  Without it the
            answer waits for `answer_close`, and until then this side may go on sending.
        initial_data: bytes that came behind the opening handshake.
        random: gives that many bytes nobody can predict, for masking keys (section 10.3).
    """

    __slots__ = ("auto_close",)  # See `Incoming`.

    def __init__(
        self,
        role: Role,
        agreement: Agreement = Agreement(),
        *,
        limits: Limits = Limits(),
        stream: bool = False,
        auto_pong: bool = True,
        auto_close: bool = True,
        initial_data: bytes = b"",
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        super().__init__(role, limits, random, stream, auto_pong)
        self.auto_close = auto_close
        self._failed = False
        self._settle(agreement)
        self.receive_data(initial_data)

    # --- Ending ---------------------------------------------------------------------------------------------------

    def _end(self, closed: Closed) -> None:
        super()._end(closed)
        if closed.by == "error":
            self._failed = True
        if self.auto_close:
            self.answer_close()

    def fail(self, code: int, reason: str = "") -> None:
        """Give up now (section 7.1.7): queue a Close unless one was sent, and ignore what the peer still sends.

        What came but was not taken is dropped; `Closed` by "local" is the next event.  With 1006 there is no Close
        frame either: the TCP connection is to be dropped.
        """
        if code == CloseCode.ABNORMAL:
            self.ours, self.theirs = advance(self.ours, EOF), advance(self.theirs, EOF)
        elif self.ours in (READY, IN_MESSAGE):
            self.close(code, reason)
        self._failed = True
        if self.closed is None:
            self._ready.clear()
            self._end(Closed(code, reason, "local"))

    def answer_close(self) -> None:
        """Without `auto_close`: do what `closed` calls for, echo the peer's code or say which rule it broke."""
        if self.closed is None or self.ours not in (READY, IN_MESSAGE):
            return
        if self.closed.by == "lost":
            self.ours = advance(self.ours, EOF)
        elif self.closed.by == "error":
            self.close(self.closed.code, self.closed.reason)
        else:
            # 5.5.1: "the endpoint typically echos the status code it received"; two of them are not for us to send.
            code = {CloseCode.NO_CODE: None, CloseCode.EXTENSION_NEEDED: CloseCode.NORMAL}
            self.close(code.get(self.closed.code, self.closed.code))  # type: ignore[call-overload]

    # --- Where it stands ------------------------------------------------------------------------------------------

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that was agreed on; None if there is none."""
        return self.agreement.subprotocol

    @property
    def compression(self) -> Terms | None:
        """On what terms messages may be compressed; None if they may not (RFC 7692)."""
        return self.agreement.compression

    @property
    def state(self) -> State:
        """Where the connection stands, in the RFC's words, derived from where the two senders stand."""
        if self._opening:
            return State.CONNECTING
        open_here = self.ours in (READY, IN_MESSAGE)
        if self.closed is None:
            return State.OPEN if open_here else State.CLOSING
        return State.CLOSING if open_here else State.CLOSED

    @property
    def wants(self) -> Wants:
        """What to do with the transport once everything queued is written."""
        if self.ours in (READY, IN_MESSAGE):
            return Wants.DATA
        if self.theirs is ENDED:
            return Wants.CLOSE
        if self._failed:
            return Wants.LINGER
        # 7.1.1: "the underlying TCP connection, in most normal cases, SHOULD be closed first by the server"
        return Wants.CLOSE if self.theirs is CLOSE_SENT and self.role is Role.SERVER else Wants.DATA
