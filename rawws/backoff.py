"""When to connect again, and after which failures not to.  Chance and time are handed in.

7.2.3: a client that reconnects after an abnormal end "SHOULD use some form of backoff", with a random delay first, for
when a server goes down all of its clients come back at once.  Here each delay is random from nothing to a bound that
grows with every try (full jitter), and counting begins anew when a connection has lived for a while: a server that
accepts and then drops us is not well.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from rawws.core.headers import values
from rawws.endpoint import HandshakeRejected
from rawws.proxies import ProxyError, is_passing

Retry: TypeAlias = Callable[[Exception], bool | None]
"""Says of a failure whether to try again; None leaves it to `may_pass`."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before connecting again, in seconds.

    Attributes:
        first: the bound of the first delay.
        factor: how much the bound grows with each try.
        most: where it stops growing.
        steady: a connection that lived for so long was well, and the next delay is a first one.
        heed: how long a server may have us wait at the most (Retry-After).
    """

    first: float = 1.0
    factor: float = 2.0
    most: float = 60.0
    steady: float = 30.0
    heed: float = 300.0

    def __post_init__(self) -> None:
        if not (0 <= self.first <= self.most < float("inf") and 1 <= self.factor < float("inf")):
            raise ValueError(f"a bound grows from `first` to `most` by a `factor` from 1 up, not as in {self}")
        if not (self.steady >= 0 <= self.heed < float("inf")):
            raise ValueError(f"`steady` and `heed` are times, not as in {self}")

    def bound(self, tries: int) -> float:
        """What the delay before a try is less than, when there were so many tries since the last good connection."""
        try:
            return min(self.most, self.first * self.factor**tries)
        except OverflowError:
            return self.most

    def delay(self, tries: int, chance: float, asked: float = 0.0) -> float:
        """How long to wait before a try.

        Args:
            tries: since the last good connection.
            chance: any number from 0 up to 1.
            asked: how long the server wants us to wait; it is obeyed up to `heed`, and chance comes on top.
        """
        return min(asked, self.heed) + self.bound(tries) * chance


class Attempts:
    """The attempts of one client to be connected, one after another.

    Args:
        backoff: how long to wait between them.
        retry: says which failures are worth another one.
        random: gives that many bytes nobody can predict.
    """

    def __init__(self, backoff: Backoff, retry: Retry | None, random: Callable[[int], bytes]) -> None:
        self._backoff = backoff
        self._retry = retry
        self._random = random
        self._tries: int | None = None  # since the last good connection; None before the very first
        self._asked = 0.0
        self._opened_at: float | None = None

    def next_delay(self, now: float) -> float:
        """How long to wait before the next attempt; whatever was connected before has ended now."""
        if self._tries is None:
            self._tries = 0
            return 0.0
        if self._opened_at is not None and now - self._opened_at >= self._backoff.steady:
            self._tries = 0
        delay = self._backoff.delay(self._tries, int.from_bytes(self._random(6)) / 2**48, self._asked)
        self._tries += 1
        self._asked, self._opened_at = 0.0, None
        return delay

    def opened(self, now: float) -> None:
        """The attempt succeeded."""
        self._opened_at = now

    def failed(self, error: Exception, clock: float) -> bool:
        """The attempt failed; whether there is to be another.

        Args:
            clock: the time of day, in seconds since 1970, for servers that name one.
        """
        wish = None if self._retry is None else self._retry(error)
        self._asked = asked_to_wait(error, clock)
        return may_pass(error) if wish is None else wish


def may_pass(error: Exception) -> bool:
    """Whether a failure of `connect` may be over by itself.

    So are the network, time, a server or proxy with too much to do.  Not so are a certificate that is wrong, TLS with
    nobody who speaks it, an answer that breaks a rule, credentials, a path that is not there.
    """
    match error:
        case HandshakeRejected():
            return is_passing(error.status)
        case ProxyError():
            return not error.hopeless
        case ValueError():  # A certificate that is not right is an OSError too.
            return False
        case OSError():
            why = getattr(error, "reason", None)  # as OpenSSL calls it
            return why is None or "EOF" in str(why)
    return False


def asked_to_wait(error: Exception, clock: float) -> float:
    """The seconds that a refusal asks us to wait (RFC 9110 10.2.3), from `clock` on; 0 if it does not."""
    if not isinstance(error, HandshakeRejected | ProxyError):
        return 0.0
    for value in values(error.headers, b"retry-after"):
        text = value.decode("latin-1").strip()
        if text.isascii() and text.isdigit():
            return float(text[:18])
        try:
            return max(0.0, _time_of(text) - clock)
        except (ValueError, OverflowError):
            return 0.0
    return 0.0


def _time_of(date: str) -> float:
    # Few servers write one, and these take a while to import.
    from datetime import UTC
    from email.utils import parsedate_to_datetime

    time = parsedate_to_datetime(date)
    return (time.replace(tzinfo=UTC) if time.tzinfo is None else time).timestamp()
