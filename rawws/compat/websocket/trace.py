"""`enableTrace`: what passes on the wire, told line by line, through the logger that is called "websocket".

By default a trace is what rawws's tap says of each frame: who sent it, at which byte, its header in hex, what it is,
and which rule it breaks.  With `compat="1.9"` it has the form of websocket-client, for programs that read it.
"""

import logging

from rawws.core.masking import apply_mask
from rawws.core.settings import Role
from rawws.endpoint import Tap
from rawws.records import Frame, Line, Record
from rawws.tap import Tap as WireTap

logger = logging.getLogger("websocket")
logger.addHandler(logging.NullHandler())

_form: list[str] = []  # of the trace, if there is one
_own: list[logging.Handler] = []  # that was made here, if one was


def enableTrace(
    traceable: bool, handler: logging.Handler | None = None, level: str = "DEBUG", *, compat: str | None = None
) -> None:
    """Tell what passes on the wire, of every connection that is opened from now on; or stop that.

    A trace shows passwords and cookies as they pass.

    Args:
        traceable: whether to.
        handler: where to; None for standard error.
        level: of the logger.
        compat: "1.9" for the form of websocket-client.
    """
    _form.clear()
    if traceable:
        _form.append(compat or "")
        if handler is None:
            _own.extend([] if _own else [logging.StreamHandler()])
            handler = _own[0]
        logger.addHandler(handler)
        logger.setLevel(getattr(logging, level))


def isEnabledForTrace() -> bool:
    """Whether there is a trace."""
    return bool(_form)


def isEnabledForDebug() -> bool:
    """Whether the logger tells of what is there for finding mistakes."""
    return logger.isEnabledFor(logging.DEBUG)


def isEnabledForError() -> bool:
    """Whether the logger tells of errors."""
    return logger.isEnabledFor(logging.ERROR)


def tap() -> Tap | None:
    """Who listens on a new connection; None if nobody does."""
    if not _form:
        return None
    if _form[0] == "1.9":
        return WireTap(Role.CLIENT, _Classic().report, preview=None)
    return WireTap(Role.CLIENT, _tell)


def _tell(record: Record) -> None:
    logger.debug("%s", record)


class _Classic:
    """The form of websocket-client."""

    def __init__(self) -> None:
        self._head: list[str] = []

    def report(self, record: Record) -> None:
        """Tell of a frame, or of a head when it is whole."""
        if isinstance(record, Frame):
            self._tell_frame(record)
        elif record.text:
            self._head.append(record.text.decode("utf-8", "replace"))
        else:
            self._tell_head(record)

    def _tell_head(self, record: Line) -> None:
        name = "request" if record.sender is Role.CLIENT else "response"
        for line in (f"--- {name} header ---", *self._head, "-----------------------"):
            logger.debug("%s", line)
        if name == "response" and self._head[0].split()[1:2] == ["101"]:
            logger.info("Websocket connected")
        self._head.clear()

    def _tell_frame(self, frame: Frame) -> None:
        way = "Sent" if frame.sender is Role.CLIENT else "Rcv"
        header = frame.header
        logger.debug("++%s raw: %r", way, frame.head + _as_sent(frame))
        logger.debug("++%s decoded: fin=%d opcode=%d data=%r", way, header.fin, header.opcode, frame.content)


def _as_sent(frame: Frame) -> bytes:
    return frame.payload if frame.header.key is None else apply_mask(frame.payload, frame.header.key)
