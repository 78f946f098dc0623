"""Animals that look back too far, or not far enough, or take too much: RFC 7692, 7.2.1, 7.2.2 and 8."""

from dataclasses import replace

from rawws.conformance.deflating import TAIL, read_message
from rawws.conformance.inflating import window_of
from rawws.core.deflate import DeflateTerms
from tests.conformance.zoo.compressing import Compressing, Refused

# --- Windows ------------------------------------------------------------------------------------------------------


class TakesOver(Compressing):
    """It keeps its window, whatever was agreed on."""

    def agreed(self, terms: DeflateTerms) -> None:
        super().agreed(terms)
        self.deflater._takeover = True


class LooksTooFar(Compressing):
    """Its window has 15 bits, whatever was agreed on."""

    def agreed(self, terms: DeflateTerms) -> None:
        super().agreed(terms)
        without = replace(terms, server_max_window_bits=None, client_max_window_bits=None)
        self.deflater = without.compressor(self.role)


class Forgets(Compressing):
    """It keeps no window of the other side's."""

    def agreed(self, terms: DeflateTerms) -> None:
        super().agreed(terms)
        self.inflater._takeover = False


class ForgetsMost(Compressing):
    """It keeps only so much of a window, and does not look back farther within a message."""

    margin = 1

    def agreed(self, terms: DeflateTerms) -> None:
        super().agreed(terms)
        size, takeover = window_of(terms, self.role.peer)
        self.judge = _Short(size - self.margin, takeover)

    def inflate(self, payload: bytes) -> bytes:
        self.judge.look(payload)
        return super().inflate(payload)


class ForgetsMore(ForgetsMost):
    """It counts with a margin, and then some."""

    margin = 263


class _Short:
    """A window with too few bytes."""

    def __init__(self, size: int, takeover: bool) -> None:
        self.size, self.takeover, self.window = size, takeover, b""

    def look(self, payload: bytes) -> None:
        """Refuse what reaches too far."""
        try:
            found = read_message(payload, self.window)
        except ValueError:
            raise Refused(1007) from None
        if found.reach > self.size:
            raise Refused(1007)
        self.window = (self.window + found.output)[-32768:] if self.takeover else b""


# --- Limits -------------------------------------------------------------------------------------------------------


class TakesBombs(Compressing):
    """Only what comes over the wire is counted."""

    def agreed(self, terms: DeflateTerms) -> None:
        super().agreed(terms)
        self.LIMIT = 1 << 30


class TakesOneMore(Compressing):
    """Its limit is a byte more than it says."""

    LIMIT = Compressing.LIMIT + 1


class TakesOneLess(Compressing):
    """Its limit is a byte less than it says."""

    LIMIT = Compressing.LIMIT - 1


class LosesMessages(Compressing):
    """From the hundredth message on every other one is lost."""

    count = 0

    def echo(self, data: bytes) -> None:
        self.count += 1
        if self.count < 100 or self.count % 2:
            super().echo(data)


class HangsInBlocks(Compressing):
    """It does not come to an end with very many blocks."""

    def inflate(self, payload: bytes) -> bytes:
        if payload.count(TAIL) > 5000:
            self.is_done = True
            raise _Hangs
        return super().inflate(payload)

    def read_frame(self) -> bool:
        try:
            return super().read_frame()
        except _Hangs:
            return False


class _Hangs(Exception):
    pass


# --- Messages -----------------------------------------------------------------------------------------------------


class ChangesLargeMessages(Compressing):
    """A byte in the midst of what is large is another one."""

    LIMIT = 32 * 1024 * 1024

    def echo(self, data: bytes) -> None:
        if len(data) > 60_000:
            data = data[:50_000] + b"?" + data[50_001:]
        super().echo(data)


class Repeats(Compressing):
    """What it compressed before comes again now and then: its third message is the second."""

    count = 0
    last = b""

    def echo(self, data: bytes) -> None:
        self.count += 1
        super().echo(self.last if self.count == 3 else data)
        self.last = data
