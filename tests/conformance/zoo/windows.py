"""Animals that look back too far, or not far enough, or take too much: RFC 7692, 7.2.1, 7.2.2 and 8."""

from dataclasses import replace

from rawws.conformance.deflating import TAIL, read_message
from rawws.conformance.inflating import window_of
from rawws.core.deflate import DeflateTerms
from rawws.core.settings import Role
from tests.conformance.zoo.compressing import Compressing, Refused

# --- Windows ------------------------------------------------------------------------------------------------------


class TakesOver(Compressing):
    """It keeps its window, whatever was agreed on."""

    caught_by = {Role.SERVER: "7692/7.2.1/1.1", Role.CLIENT: "7692/7.2.1/1.2"}

    def agreed(self, terms: DeflateTerms) -> None:
        super().agreed(terms)
        self.deflater._takeover = True


class LooksTooFar(Compressing):
    """Its window has 15 bits, whatever was agreed on."""

    caught_by = "7692/7.2.1/2.1-7"

    def agreed(self, terms: DeflateTerms) -> None:
        super().agreed(terms)
        without = replace(terms, server_max_window_bits=None, client_max_window_bits=None)
        self.deflater = without.compressor(self.role)


class KeepsNoInflater(Compressing):
    """If the other side takes nothing over, it has done with inflating when it has read one message."""

    caught_by = {Role.SERVER: "7692/7.2.1/1.2 7692/7.2.3/2.2", Role.CLIENT: "7692/7.2.1/1.1 7692/7.2.3/2.2"}
    has_read = False

    def inflate(self, payload: bytes) -> bytes:
        _, takeover = window_of(self.terms or DeflateTerms(), self.role.peer)
        if self.has_read and not takeover:
            raise Refused(1011)
        self.has_read = True
        return super().inflate(payload)


class Forgets(Compressing):
    """It keeps no window of the other side's."""

    caught_by = "7692/6/2.1,3 7692/7.2.2/1.3 7692/7.2.3/1.3-4 7692/7.2.3/2.1"

    def agreed(self, terms: DeflateTerms) -> None:
        super().agreed(terms)
        self.inflater._takeover = False


class ForgetsMost(Compressing):
    """It keeps only so much of a window, and does not look back farther within a message."""

    caught_by = "7692/7.2.2/1.2-3"
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

    caught_by = "7692/7.2.2/1.1-3"
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

    caught_by = "7692/8/1.1-2,5"

    def agreed(self, terms: DeflateTerms) -> None:
        super().agreed(terms)
        self.LIMIT = 1 << 30


class TakesOneMore(Compressing):
    """Its limit is a byte more than it says."""

    caught_by = "7692/8/1.5"
    LIMIT = Compressing.LIMIT + 1


class TakesOneLess(Compressing):
    """Its limit is a byte less than it says."""

    caught_by = "7692/8/1.4"
    LIMIT = Compressing.LIMIT - 1


class LosesMessages(Compressing):
    """From the hundredth message on every other one is lost."""

    caught_by = "7692/8/1.3"
    count = 0

    def echo(self, data: bytes) -> None:
        self.count += 1
        if self.count < 100 or self.count % 2:
            super().echo(data)


class HangsInBlocks(Compressing):
    """It does not come to an end with very many blocks."""

    caught_by = "7692/8/2"

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

    caught_by = "6455/size/1.1,8 6455/size/2.5,13 6455/size/3.6,11 6455/size/5 7692/soak/1.27"
    passes = "6455/size/4.12 7692/soak/1.26"
    LIMIT = 32 * 1024 * 1024

    def echo(self, data: bytes) -> None:
        if len(data) > 60_000:
            data = data[:50_000] + b"?" + data[50_001:]
        super().echo(data)


class Repeats(Compressing):
    """What it compressed before comes again now and then: its third message is the second."""

    caught_by = "6455/size/4.2,12 7692/soak/1.1,90"
    passes = "6455/size/4.1"
    count = 0
    last = b""

    def echo(self, data: bytes) -> None:
        self.count += 1
        super().echo(self.last if self.count == 3 else data)
        self.last = data


class TakesOverForLong(TakesOver):
    """It keeps its window, message after message."""

    caught_by = "7692/soak/2.23,77,95,113"
    passes = "7692/soak/2.5,41,59"


class LooksTooFarForLong(LooksTooFar):
    """It looks too far, message after message."""

    caught_by = "7692/soak/2.41,77,113"
    passes = "7692/soak/2.5,23,59,95"


ANIMALS = [TakesOver, LooksTooFar, KeepsNoInflater, Forgets, ForgetsMost, ForgetsMore]
LARGE = [TakesBombs, TakesOneMore, TakesOneLess, LosesMessages, HangsInBlocks]
"""Those that are about what floods and bursts."""
LONG = [ChangesLargeMessages, Repeats, TakesOverForLong, LooksTooFarForLong]
"""Those of the size and soak tiers: of all these cases they meet the ones that they name, and what they pass."""
