"""Ways to change frames, for the animals of this zoo."""

from collections.abc import Callable

from rawws.conformance.wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, frame
from rawws.core.settings import Role
from tests.conformance.zoo.between import Frame, Line, Way, each

Is = Callable[[Frame], bool]
DATA = (TEXT, BINARY, CONTINUATION)
CONTROL = (CLOSE, PING, PONG)
ALL = (*DATA, *CONTROL)
NOTHING = b""


def when(condition: Is, **changes: object) -> Way:
    """Frames of which this is so are changed."""
    return each(lambda one, line: one.again(**changes) if condition(one) else one.raw)


def loses(condition: Is) -> Way:
    """Frames of which this is so are not there."""
    return each(lambda one, line: NOTHING if condition(one) else one.raw)


def is_(*opcodes: int) -> Is:
    """A legal frame of these kinds."""
    return lambda one: one.is_legal and one.header.opcode in opcodes


def wrong(line: Line) -> bytes:
    """Something that fails the connection."""
    return frame(3, key=bytes(4) if line.role is Role.SERVER else None)


def in_message(change: Callable[[Frame, Line], bytes], inside: bool = True) -> Way:
    """Change what comes while a message is open, or while none is."""

    def one_by_one(one: Frame, line: Line) -> bytes:
        was_open = line.memory.get("open", False)
        if one.header.opcode in DATA and one.is_legal:
            line.memory["open"] = not one.header.fin
        return change(one, line) if was_open is inside else one.raw

    return each(one_by_one)
