"""A tap on any bytes, both ways."""

from collections.abc import Iterable

from fuzz.source import Source, cut
from rawws.core.deflate import DeflateTerms
from rawws.core.settings import Role
from rawws.tap import LONGEST_LINE, Record, Tap

PREVIEWS = (125, None, 0, 3)


def tap(data: bytes) -> None:
    """It tells the same records however the bytes were cut, in printable characters, and keeps little."""
    source = Source(data)
    flags, size = source.byte(), source.byte()
    preview = PREVIEWS[flags & 3]
    wire = source.rest()
    if flags & 16:
        wire = b"".join(Source(wire).frames(Role.SERVER if flags & 4 else Role.CLIENT))
    whole, pieces = (_listen(flags, preview, cut(wire, by)) for by in (0, size))
    assert whole == pieces, f"{whole} whole, {pieces} in pieces"
    for record in whole:
        assert all(line.isprintable() or "\u200c" in line or "\u200d" in line for line in str(record).split("\n"))


def _listen(flags: int, preview: int | None, pieces: Iterable[bytes]) -> list[Record]:
    records: list[Record] = []
    terms = DeflateTerms(server_max_window_bits=9) if flags & 32 else None
    listener = Tap(Role.CLIENT, records.append, preview=preview, handshake=not flags & 8, compression=terms)
    hear = listener.sent if flags & 4 else listener.received
    for piece in pieces:
        hear(piece)
        assert preview is None or listener.held < LONGEST_LINE + 14 + 2 * preview
    assert [record.offset for record in records] == sorted(record.offset for record in records)
    return records
