"""Endpoints that cost, or can be made to cost, too much (section 10.4, and floods of Pings)."""

from collections.abc import Callable

from rawws.conformance.case import SERVER
from rawws.conformance.wire import CONTINUATION, PING
from rawws.core.settings import Limits
from tests.conformance.zoo.between import Animal, Frame, Line, Way, each
from tests.conformance.zoo.ways import NOTHING, Is, is_


def after(number: int, is_counted: Is, then: Callable[[Frame, Line], bytes]) -> Way:
    """When there were so many such frames, something happens with each that follows."""

    def change(one: Frame, line: Line) -> bytes:
        seen = line.memory.get("number", 0)
        line.memory["number"] = seen + is_counted(one)
        if line.deaf:
            return NOTHING
        return then(one, line) if seen >= number and is_counted(one) else one.raw

    return each(change)


def goes_deaf(one: Frame, line: Line) -> bytes:
    """Nothing is answered any more."""
    line.deaf = True
    return NOTHING


def dies(one: Frame, line: Line) -> bytes:
    """Nobody is served any more."""
    line.stop()
    return one.raw


def is_illegal(one: Frame) -> bool:
    """Its header is."""
    return not one.is_legal


def is_middle(one: Frame) -> bool:
    """It is neither the first nor the last of its message."""
    return is_(CONTINUATION)(one) and not one.header.fin


NO_LIMITS = Limits(message=None, fragments=None)
ANIMALS = [
    Animal("has no limits", "6455/10.4/1.1-4 6455/10.4/2.1-2", limits=NO_LIMITS),
    Animal(
        "loses fragments of a long message",
        "6455/10.4/3.1,3",
        after(10_000, is_middle, lambda one, line: NOTHING),
        limits=NO_LIMITS,
        slow=True,
    ),
    Animal(
        "hangs at many fragments",
        "6455/10.4/3.1-4",
        after(10_000, is_middle, goes_deaf),
        limits=NO_LIMITS,
        slow=True,
    ),
    Animal("never waits until it is read", "6455/10.4/4.1", waits=False),
    Animal("forgets what there is no room for", "6455/10.4/4.1-2", waits=False, forgets=True, slow=True),
    Animal("hangs at noise", "6455/10.4/5.1-2", after(0, is_illegal, goes_deaf), slow=True),
    Animal("dies of noise", "6455/10.4/5.1-2", after(0, is_illegal, dies), roles=SERVER),
    Animal("dies of a reset", "6455/10.4/6", roles=SERVER, dies_at_reset=True),
    Animal("hangs at many pings", "6455/5.5.2/5.1-2", after(500, is_(PING), goes_deaf), slow=True),
    Animal(
        "freezes when nobody reads",
        "6455/5.5.2/5.2",
        limits=Limits(pongs=1_000_000),
        freezes=True,
        slow=True,
    ),
]
