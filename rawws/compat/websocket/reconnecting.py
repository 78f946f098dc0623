"""How long to wait before connecting again."""

from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import TypeAlias

Reconnect: TypeAlias = float | Iterable[float] | None
"""Seconds, the same each time, 0 for no reconnecting; or all of them, one after the other."""

_default: list[float] = [0]


def set_reconnect(reconnectInterval: float) -> None:
    """How many seconds `run_forever` waits before it connects again, unless it is told; 0 for no reconnecting."""
    _default[0] = reconnectInterval


def pauses(reconnect: Reconnect) -> Iterator[float]:
    """How long to wait before each try; it ends when no more are to be made."""
    wanted = _default[0] if reconnect is None else reconnect
    if isinstance(wanted, int | float):
        return repeat(wanted) if wanted else iter(())
    return iter(wanted)
