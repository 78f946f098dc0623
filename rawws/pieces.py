"""Messages that come in chunks, and an application that wants them whole, or as they come, or no more of this one.

It may change its mind at any point: what was put together so far is then its first chunk, and of a message that it
began to take in chunks and then left, the rest is thrown away.
"""

from rawws.core.events import Chunk


class Pieces:
    """The message that an application is in the middle of."""

    def __init__(self) -> None:
        self._held = bytearray()  # the beginning of a message that is put together
        self._is_text = False
        self._amid = False  # a message was given out in part
        self._skipping = False  # and nobody wants the rest

    def whole(self, chunk: Chunk) -> str | bytes | None:
        """The message that `chunk` completes; None if it does not."""
        self.abandon()
        if self._skips(chunk):
            return None
        # Put into one buffer as they come: a message in a million pieces takes as much memory as the same in one.
        self._is_text = isinstance(chunk.data, str)
        self._held += chunk.data.encode() if isinstance(chunk.data, str) else chunk.data
        return self._release() if chunk.last else None

    def next(self, chunk: Chunk) -> Chunk | None:
        """`chunk`, to be given out; None if nobody wants it."""
        if self._skips(chunk):
            return None
        self._amid = not chunk.last
        return chunk

    def begun(self) -> Chunk | None:
        """What `whole` has put together so far, to be given out; None if that is nothing."""
        if not self._held:
            return None
        self._amid = True
        return Chunk(self._release(), first=True, last=False)

    def abandon(self) -> None:
        """The rest of the message that was given out in part is not wanted."""
        if self._amid:
            self._amid, self._skipping = False, True

    def _skips(self, chunk: Chunk) -> bool:
        skips = self._skipping
        self._skipping = skips and not chunk.last
        return skips

    def _release(self) -> str | bytes:
        whole = self._held.decode() if self._is_text else bytes(self._held)
        self._held.clear()
        return whole
