"""What was agreed on with a target about compression, and whether what it sends keeps to it.

zlib looks at a distance only when it is longer than what zlib happens to remember.  So a target that forgets less than
it promised, or looks back farther, is found out by reading its messages bit by bit.
"""

from collections.abc import Sequence

from rawws.conformance.deflating import FARTHEST, read_message
from rawws.core import rules
from rawws.core.agreement import Extension
from rawws.core.deflate import LARGEST_WINDOW, NAME, DeflateTerms
from rawws.core.errors import ProtocolError
from rawws.core.settings import Role

JUDGED, JUDGED_OF_LARGEST = 32 * 1024, 4 * 1024
"""So many bytes of what a connection brings are read bit by bit, which takes a second for a megabyte.  With a window of
32 KiB no distance can be too long; and that it was emptied zlib sees well enough."""


def window_of(terms: DeflateTerms, sender: Role) -> tuple[int, bool]:
    """How many bytes the window of `sender` has, and whether it is taken over to the next message."""
    bits = getattr(terms, f"{sender.value}_max_window_bits") or LARGEST_WINDOW
    return 1 << bits, not getattr(terms, f"{sender.value}_no_context_takeover")


class Judge:
    """A `Decompressor` that also sees that the sender keeps to its terms.

    Args:
        terms: what was agreed on.
        sender: whose messages they are.
    """

    def __init__(self, terms: DeflateTerms, sender: Role) -> None:
        self._inflater = terms.decompressor(sender)
        self._size, self._takeover = window_of(terms, sender)
        self._window = b""
        self._payload = bytearray()
        self._output = bytearray()
        self._left = JUDGED if self._size < FARTHEST else JUDGED_OF_LARGEST

    def decompress_whole(self, data: bytes, most: int) -> bytes | None:
        """See `Decompressor`; there is no shortcut for what is read bit by bit."""
        return None

    def decompress(self, data: bytes, most: int) -> tuple[bytes, int]:
        """See `Decompressor`."""
        try:
            part, used = self._inflater.decompress(data, most)
        except ProtocolError as error:
            raise self._told(error.detail) from None
        if self._left > 0:
            self._payload += data[:used]
            self._output += part
        return part, used

    def finish(self) -> bytes:
        """See `Decompressor`."""
        try:
            rest = self._inflater.finish()
        except ProtocolError as error:
            raise self._told(error.detail) from None
        if self._left > 0:
            self._output += rest
            self._judge()
        return rest

    def _judge(self) -> None:
        try:
            read_message(bytes(self._payload), self._window, self._size, self._left)
        except ValueError as error:
            raise self._told(str(error)) from None
        self._left -= len(self._output)
        self._window = (self._window + self._output)[-self._size :] if self._takeover else b""
        self._payload.clear()
        self._output.clear()

    def _told(self, what: str) -> ProtocolError:
        kept = "is kept" if self._takeover else "is empty at the beginning of each message"
        return ProtocolError(rules.COMPRESSED_DATA, f"{what} (its window of {self._size:,} bytes {kept})")


def settled(wanted: Extension, offers: Sequence[Extension]) -> Extension | None:
    """What a server answers that would like `wanted`, with what the offer needs besides; None: no offer allows it."""
    found = [answer for offer in offers if offer.name == NAME and (answer := _settled(wanted, offer)) is not None]
    return min(found, key=lambda answer: len(answer.parameters), default=None)


def grants(answer: Extension, offers: Sequence[Extension]) -> bool:
    """Whether an answer grants all that is asked for in one of these offers, and brings nothing that it may not.

    A window of 15 bits is what there is anyhow, so it does not have to be granted here (7.1.2/1 is about that).
    """
    found = [_settled(answer, offer) for offer in offers]
    return any(_limits(answer) == _limits(one) for one in found if one is not None)


def _limits(answer: Extension) -> dict[str, str | None]:
    """The parameters that make a difference."""
    return {key: value for key, value in answer.parameters if value != str(LARGEST_WINDOW)}


def _settled(wanted: Extension, offer: Extension) -> Extension | None:
    answer, asked = dict(wanted.parameters), dict(offer.parameters)
    # 7.1.1.1 and 7.1.2.1: what is asked of a server is granted, or the offer declined.
    if "server_no_context_takeover" in asked:
        answer["server_no_context_takeover"] = None
    if (bits := asked.get("server_max_window_bits")) is not None:
        answer.setdefault("server_max_window_bits", bits)
        if not _is_within(answer["server_max_window_bits"], bits):
            return None
    # 7.1.2.2: a client that does not say that it can limit its window cannot.
    if "client_max_window_bits" in answer:
        bits = asked.get("client_max_window_bits")
        if "client_max_window_bits" not in asked or not _is_within(answer["client_max_window_bits"], bits):
            return None
    return Extension(wanted.name, tuple(answer.items()))


def _is_within(value: str | None, most: str | None) -> bool:
    return most is None or not most.isdigit() or (value is not None and int(value) <= int(most))
