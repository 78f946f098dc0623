"""Animals that cannot close: sections 5.5.1 and 7."""

from typing import Any

from rawws.conformance.case import CLIENT, SERVER, Declared
from rawws.core import rules
from rawws.core.connection import Wants
from rawws.core.errors import ProtocolError
from rawws.core.events import Closed
from rawws.core.frames import decode_close
from tests.conformance.zoo.echo import Echo
from tests.wire import CLOSE, PING, PONG, TEXT, close_body

# --- What a Close is answered with --------------------------------------------------------------------------------


ANSWERED = "6455/5.5.1/1 6455/5.5.1/2.1-2 6455/5.5.1/4 6455/5.5.1/6.1-3 6455/5.5.1/7.5-8 6455/7.4/1.1-13 6455/7.4/2.1-3"
"""The cases in which a Close has to be accepted, whoever is under test."""


class NeverAnswersClose(Echo):
    """It takes a Close, and says nothing."""

    caught_by = f"{ANSWERED} 6455/5.5.1/8 6455/5.5.1/9"
    idle = "6455/5.5.1/3 6455/7.4/5.*"

    def on_closed(self, closed: Closed) -> None:
        if closed.by == "peer":
            self.answer()


class SaysThatThereWasNoCode(Echo):
    """It answers a Close that has no code with 1005."""

    caught_by = "6455/5.5.1/4 6455/7.4/6"

    def on_closed(self, closed: Closed) -> None:
        if closed.code == 1005:
            self.answer(self.frame(CLOSE, close_body(1005)))


class ClosesTwice(Echo):
    """It answers a Close, and then once more."""

    caught_by = "6455/5.5.1/2.1-2 6455/5.5.1/10"

    def on_closed(self, closed: Closed) -> None:
        if closed.by == "peer":
            self.answer(*[self.frame(CLOSE, close_body(1000))] * 2)


class TalksBehindItsClose(Echo):
    """It has one more thing to say when it has answered a Close."""

    caught_by = "6455/5.5.1/2.1-2 6455/5.5.1/10"

    def on_closed(self, closed: Closed) -> None:
        if closed.by == "peer":
            self.answer(self.frame(CLOSE, close_body(1000)), self.frame(TEXT, b"and another thing"))


class ClosesTwiceAtACrossing(Echo):
    """It answers a Close even if it has sent its own."""

    caught_by = "6455/5.5.1/10 6455/5.5.1/11.2"
    declared = Declared(commands=True)

    def on_closed(self, closed: Closed) -> None:
        if closed.by == "local":
            self.write(self.connection.data_to_send() + self.frame(CLOSE, close_body(1000)))


class BlamesWhatComesBehind(Echo):
    """It reads on behind a Close, and what it finds there is a violation to it."""

    caught_by = "6455/5.5.1/2.1-2"

    def on_closed(self, closed: Closed) -> None:
        if closed.by == "peer" and self.behind:
            self.answer(self.frame(CLOSE, close_body(1002)))

    def data_received(self, data: bytes) -> None:
        self.behind = CLOSE in [header.opcode for header in self.frames_in(data)][:-1]
        super().data_received(data)


# --- What it makes of the payload of a Close ----------------------------------------------------------------------


class _ReadsClose(Echo):
    """It reads the payload of a Close as `judge` says, and sends it back."""

    class Wrong:
        def _read_close(self: Any, payload: bytes, offset: int) -> None:
            self.animal.judge(payload)
            self.animal.payload = payload
            self._end(Closed(1000, "", "peer"))

    def judge(self, payload: bytes) -> None:
        """Raise if something is wrong with it."""
        decode_close(payload)

    def on_closed(self, closed: Closed) -> None:
        if closed.by == "peer":
            self.answer(self.frame(CLOSE, self.payload if len(self.payload) > 1 else close_body(1000)))


class TakesHalfACode(_ReadsClose):
    """A Close with a payload of one byte is as good as one with none."""

    caught_by = "6455/5.5.1/5"

    def judge(self, payload: bytes) -> None:
        if len(payload) != 1:
            super().judge(payload)


class TakesAnyCode(_ReadsClose):
    """Any number is a code."""

    caught_by = "6455/7.4/3.1-9 6455/7.4/4.1-6 6455/7.4/6"

    def judge(self, payload: bytes) -> None:
        super().judge(close_body(1000) + payload[2:] if len(payload) > 1 else payload)


class TakesAnyReason(_ReadsClose):
    """Any bytes are a reason."""

    caught_by = "6455/5.5.1/7.1-4"

    def judge(self, payload: bytes) -> None:
        super().judge(payload[:2])


class ReadsReasonsInAsciiOnly(_ReadsClose):
    """It does not know UTF-8."""

    caught_by = "6455/5.5.1/7.5-8"

    def judge(self, payload: bytes) -> None:
        super().judge(payload)
        if not payload[2:].isascii():
            raise ProtocolError(rules.CLOSE_REASON_NOT_UTF8)


class KnowsTheCodesOfTheRfcOnly(_ReadsClose):
    """It has not heard of the registry."""

    caught_by = "6455/7.4/2.1-3"

    def judge(self, payload: bytes) -> None:
        super().judge(payload)
        if payload[:2] in map(close_body, (1012, 1013, 1014)):
            raise ProtocolError(rules.CLOSE_CODE)


class KnowsNoCodesOfOthers(_ReadsClose):
    """It has not heard of libraries either."""

    caught_by = "6455/7.4/1.10-13"

    def judge(self, payload: bytes) -> None:
        super().judge(payload)
        if payload[:2] >= close_body(3000):
            raise ProtocolError(rules.CLOSE_CODE)


# --- How it ends TCP ----------------------------------------------------------------------------------------------


class KeepsTcp(Echo):
    """A server that leaves it to the client to end TCP."""

    caught_by = "6455/5.5.1/8"
    idle = "6455/*"
    roles = SERVER

    def hang_up(self) -> None:
        if self.connection.closed.by != "peer":
            super().hang_up()


class HangsUpAtOnce(Echo):
    """A client that does not wait until the server ends TCP."""

    caught_by = "6455/5.5.1/9"
    roles = CLIENT

    def on_closed(self, closed: Closed) -> None:
        if closed.by == "peer":
            self.write(self.connection.data_to_send())
            self.transport.close()


class OverlooksTheEnd(Echo):
    """It does not notice that the other half of TCP has ended."""

    caught_by = "6455/7.1.1/1.1-4"

    def eof_received(self) -> bool:
        return True if self.connection.closed is None else super().eof_received()


class NeverGivesUp(Echo):
    """It waits for ever for the answer to its Close."""

    caught_by = "6455/5.5.1/12"
    declared = Declared(commands=True)
    slow = True


class DiesOfAReset(Echo):
    """A server that a reset kills."""

    caught_by = "6455/7.1.1/2.1-2"
    roles = SERVER

    dead = False

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if type(self).dead:
            transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        type(self).dead |= isinstance(error, ConnectionResetError)
        super().connection_lost(error)


# --- How it fails the connection ----------------------------------------------------------------------------------


class FailsInSilence(Echo):
    """It ends TCP at a violation, with no Close."""

    caught_by = "6455/7.1.7/1"

    def on_closed(self, closed: Closed) -> None:
        if closed.by == "error":
            self.answer()


class FailsForReasonsOfItsOwn(Echo):
    """Whatever the violation is, the code is 1011."""

    caught_by = "6455/7.1.7/1"

    def on_closed(self, closed: Closed) -> None:
        if closed.by == "error":
            self.answer(self.frame(CLOSE, close_body(1011)))


class FailsWithWhatIsNotForTheWire(Echo):
    """It says that there was no Close, in a Close."""

    caught_by = "6455/7.1.7/1 6455/7.4/3.5 6455/7.4/6"

    def on_closed(self, closed: Closed) -> None:
        if closed.by == "error":
            self.answer(self.frame(CLOSE, close_body(1006)))


class FailsAndStays(Echo):
    """It sends the Close for a violation, and goes on holding TCP."""

    caught_by = "6455/5.5.1/11.1 6455/7.1.7/2"
    idle = "6455/*"
    roles = SERVER

    def hang_up(self) -> None:
        if self.connection.wants is Wants.CLOSE:
            super().hang_up()


class FailsWithAReset(Echo):
    """It closes the socket at a violation without having read the rest."""

    caught_by = "6455/7.1.1/3"
    roles = SERVER

    def hang_up(self) -> None:
        self.transport.close()


class PongsOnceMore(Echo):
    """It has failed the connection, but still answers a Ping that had come by then."""

    caught_by = "6455/7.1.7/2"

    def data_received(self, data: bytes) -> None:
        self.pinged = PING in [header.opcode for header in self.frames_in(data)]
        super().data_received(data)

    def on_closed(self, closed: Closed) -> None:
        if closed.by == "error" and self.pinged:
            self.write(self.connection.data_to_send() + self.frame(PONG, b"one more"))


class FailsTwice(Echo):
    """It sends two Closes for a violation."""

    caught_by = "6455/5.5.1/10 6455/5.5.1/11.1 6455/7.1.7/2"

    def on_closed(self, closed: Closed) -> None:
        if closed.by == "error":
            self.write(self.connection.data_to_send() + self.frame(CLOSE, close_body(1002)))


class HasNoLimit(Echo):
    """It was said to have one."""

    caught_by = "6455/7.4/7"
    declared = Declared(max_size=1000)


ANIMALS = [
    NeverAnswersClose,
    SaysThatThereWasNoCode,
    ClosesTwice,
    TalksBehindItsClose,
    ClosesTwiceAtACrossing,
    BlamesWhatComesBehind,
    TakesHalfACode,
    TakesAnyCode,
    TakesAnyReason,
    ReadsReasonsInAsciiOnly,
    KnowsTheCodesOfTheRfcOnly,
    KnowsNoCodesOfOthers,
    KeepsTcp,
    HangsUpAtOnce,
    OverlooksTheEnd,
    NeverGivesUp,
    DiesOfAReset,
    FailsInSilence,
    FailsForReasonsOfItsOwn,
    FailsWithWhatIsNotForTheWire,
    FailsAndStays,
    FailsWithAReset,
    PongsOnceMore,
    FailsTwice,
    HasNoLimit,
]
