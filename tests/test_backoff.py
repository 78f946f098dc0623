"""When to connect again, and after which failures not to: without I/O, with chance and times that are handed in."""

import socket
import ssl
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawws import Backoff, HandshakeRejected, LocalProtocolError, ProxyError, Rejected, RemoteProtocolError
from rawws.backoff import Attempts, asked_to_wait, may_pass
from rawws.core import rules
from rawws.core.http1 import Headers

MIDNIGHT = 946684800.0
"""The first second of the year 2000."""

times = st.floats(0, 1e6)
chances = st.floats(0, 1, exclude_max=True)


@st.composite
def backoffs(draw: Callable[..., Any]) -> Backoff:
    """Any legal one."""
    first = draw(times)
    return Backoff(first, draw(st.floats(1, 1e3)), first + draw(times), draw(times), draw(times))


def rejected(status: int, *fields: tuple[str, str]) -> HandshakeRejected:
    """A refusal with these header fields."""
    headers: Headers = tuple((name.encode(), value.encode()) for name, value in fields)
    return HandshakeRejected(Rejected(status, "", headers, b""))


class TestDelays:
    """`Backoff`."""

    @given(backoffs(), st.integers(0, 10**6), chances, times)
    def test_are_bounded(self, backoff: Backoff, tries: int, chance: float, asked: float) -> None:
        """A delay is never negative; by itself it is `most` at the most, and by a server's wish `heed` more."""
        assert 0 <= backoff.delay(tries, chance) <= backoff.most
        assert min(asked, backoff.heed) <= backoff.delay(tries, chance, asked) <= backoff.heed + backoff.most

    @given(backoffs())
    def test_grow(self, backoff: Backoff) -> None:
        """The bound begins with `first`, never shrinks, and where it grows by a hundredth it comes to `most`."""
        bounds = [backoff.bound(tries) for tries in range(50)]

        assert backoff.first == bounds[0]
        assert all(one <= other for one, other in pairwise(bounds))
        if backoff.first > 0 and backoff.factor >= 1.01:
            assert backoff.most == backoff.bound(10**9)

    @given(backoffs(), st.integers(0, 100), chances)
    def test_are_anything_below_the_bound(self, backoff: Backoff, tries: int, chance: float) -> None:
        """Full jitter: chance 0 waits for nothing, and half of it for half of the bound."""
        assert backoff.delay(tries, 0) == 0
        assert backoff.delay(tries, chance) == backoff.bound(tries) * chance

    def test_double_from_a_second_to_a_minute(self) -> None:
        """What it does by default."""
        assert [1, 2, 4, 8, 16, 32, 60, 60] == [Backoff().bound(tries) for tries in range(8)]

    @pytest.mark.parametrize(
        "wrong",
        [
            {"first": -1},
            {"first": 2, "most": 1},
            {"factor": 0.5},
            {"most": float("inf")},
            {"first": float("nan")},
            {"factor": float("nan")},
            {"steady": -1},
            {"heed": float("inf")},
            {"heed": -1},
        ],
        ids=str,
    )
    def test_are_of_sense(self, wrong: dict[str, float]) -> None:
        """Bounds that shrink, and times that are none, are a ValueError."""
        with pytest.raises(ValueError, match="not as in Backoff"):
            Backoff(**wrong)


def chance_of(*chances: float) -> Callable[[int], bytes]:
    """A source of these chances, and then of a half."""

    def draw() -> Iterator[float]:
        yield from chances
        while True:
            yield 0.5

    drawn = draw()
    return lambda size: int(next(drawn) * 256**size).to_bytes(size)


class TestAttempts:
    """One after another."""

    def test_begin_at_once(self) -> None:
        """The first attempt waits for nothing."""
        assert 0 == Attempts(Backoff(), None, chance_of()).next_delay(0)

    def test_wait_longer_after_each_failure(self) -> None:
        """Half of 1, 2, 4 … seconds, where chance is a half."""
        attempts = Attempts(Backoff(), None, chance_of())
        attempts.next_delay(0)
        delays = []
        for now in range(5):
            assert attempts.failed(OSError(), 0)
            delays.append(attempts.next_delay(now))

        assert [0.5, 1, 2, 4, 8] == delays

    def test_take_their_chance_from_the_source(self) -> None:
        """Nothing to nearly all of the bound."""
        attempts = Attempts(Backoff(8, 1, 8), None, chance_of(0, 0.25, 0.75, 1 - 2**-40))
        attempts.next_delay(0)

        assert [0, 2, 6, pytest.approx(8)] == [attempts.next_delay(0) for _ in range(4)]

    @pytest.mark.parametrize("lived, delay", [(29.9, 4), (30, 0.5)])
    def test_begin_anew_after_a_good_connection(self, lived: float, delay: float) -> None:
        """A connection that lived for `steady` seconds makes the next delay a first one; a shorter one is a failure."""
        attempts = Attempts(Backoff(), None, chance_of())
        for _ in range(4):
            attempts.next_delay(0)
        attempts.opened(100)

        assert delay == attempts.next_delay(100 + lived)

    def test_do_not_count_the_same_connection_twice(self) -> None:
        """What was open long ago does not help those that failed since."""
        attempts = Attempts(Backoff(), None, chance_of())
        attempts.next_delay(0)
        attempts.opened(0)
        delays = [attempts.next_delay(100)]
        attempts.failed(OSError(), 0)

        assert [0.5, 1] == [*delays, attempts.next_delay(200)]

    def test_wait_as_long_as_they_are_asked_to(self) -> None:
        """Retry-After is waited for, and chance comes on top; up to `heed`; and it counts once."""
        attempts = Attempts(Backoff(heed=60), None, chance_of())
        attempts.next_delay(0)
        attempts.failed(rejected(503, ("retry-after", "10")), 0)
        delays = [attempts.next_delay(0)]
        attempts.failed(rejected(429, ("retry-after", "3600")), 0)
        delays.append(attempts.next_delay(0))
        attempts.failed(OSError(), 0)

        assert [10.5, 61, 2] == [*delays, attempts.next_delay(0)]

    @pytest.mark.parametrize("wish", [True, False])
    def test_may_be_wished_for(self, wish: bool) -> None:
        """What the caller's function says goes; None leaves it to `may_pass`."""
        seen: list[Exception] = []
        failures = [rejected(404), OSError()]
        attempts = Attempts(Backoff(), lambda error: seen.append(error) or wish, chance_of())
        leaving = Attempts(Backoff(), lambda error: None, chance_of())

        assert [wish, wish] == [attempts.failed(failure, 0) for failure in failures]
        assert [False, True] == [leaving.failed(failure, 0) for failure in failures]
        assert failures == seen


PROXY = "http://p:1"


class TestFailures:
    """Which of them may be over by themselves."""

    @pytest.mark.parametrize(
        "failure",
        [
            ConnectionRefusedError(111, "refused"),
            ConnectionResetError(),
            ConnectionError("the server ended the connection in the opening handshake"),
            TimeoutError(),
            OSError(101, "Network is unreachable"),
            FileNotFoundError(2, "no such Unix socket yet"),
            socket.gaierror(socket.EAI_AGAIN, "again"),
            socket.gaierror(socket.EAI_NONAME, "no network, no names"),
            ssl.SSLEOFError(8, "EOF occurred in violation of protocol"),
            *(rejected(status) for status in (408, 425, 429, 500, 502, 503, 504, 520)),
            ProxyError(PROXY, "cannot be reached"),
            ProxyError(PROXY, "answered 502", 502),
        ],
        ids=repr,
    )
    def test_pass(self, failure: Exception) -> None:
        """The network, time, names, and servers that have too much to do, or are being restarted."""
        assert may_pass(failure)

    @pytest.mark.parametrize(
        "failure",
        [
            ssl.SSLCertVerificationError(1, "self-signed certificate"),
            RemoteProtocolError(rules.ACCEPT_WRONG),
            LocalProtocolError(rules.HEADER_INVALID),
            *(rejected(status) for status in (200, 301, 400, 401, 403, 404, 410, 426, 501, 505)),
            ProxyError(PROXY, "answered 407", 407, hopeless=True),
            ImportError("python-socks"),
            ValueError("not a URI"),
            TypeError("a bug"),
            KeyError("another"),
        ],
        ids=repr,
    )
    def test_last(self, failure: Exception) -> None:
        """Certificates, credentials, paths, protocols, and mistakes of the caller's."""
        assert not may_pass(failure)

    def test_last_where_nobody_speaks_tls(self) -> None:
        """TLS that cannot even begin is a mistake in the URI; TLS that broke off is the network."""
        ours, theirs = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = ssl.create_default_context().wrap_bio(theirs, ours, server_hostname="a.example")
        with pytest.raises(ssl.SSLWantReadError):
            client.do_handshake()
        theirs.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        with pytest.raises(ssl.SSLError) as plain:
            client.do_handshake()
        broken_off = ssl.create_default_context().wrap_bio(eof := ssl.MemoryBIO(), ours, server_hostname="a.example")
        eof.write_eof()
        with pytest.raises(ssl.SSLError) as ended:
            broken_off.do_handshake()

        assert [False, True] == [may_pass(plain.value), may_pass(ended.value)]


class TestWishesOfServers:
    """Retry-After (RFC 9110 10.2.3)."""

    @pytest.mark.parametrize(
        "value, seconds",
        [
            ("0", 0),
            ("120", 120),
            (" 7 ", 7),
            ("Sat, 01 Jan 2000 00:02:00 GMT", 120),
            ("Saturday, 01-Jan-00 00:02:00 GMT", 120),
            ("Sat Jan  1 00:02:00 2000", 120),
            ("Fri, 31 Dec 1999 23:59:00 GMT", 0),
            ("9" * 5000, float("9" * 18)),
        ],
        ids=lambda given: str(given)[:40],
    )
    def test_are_seconds_or_a_date(self, value: str, seconds: float) -> None:
        """In any form of HTTP's; a date that is over is now."""
        for error in (
            rejected(503, ("retry-after", value)),
            ProxyError(PROXY, "", 503, ((b"retry-after", value.encode()),)),
        ):
            assert seconds == asked_to_wait(error, MIDNIGHT)

    @given(st.binary(max_size=60).map(lambda value: value.replace(b"\r", b"").replace(b"\n", b"")))
    def test_may_be_anything(self, value: bytes) -> None:
        """What is no time is no wish, and no harm."""
        error = ProxyError(PROXY, "", 503, ((b"retry-after", value),))

        assert asked_to_wait(error, MIDNIGHT) >= 0

    @pytest.mark.parametrize(
        "value", ["", "soon", "-5", "1.5", "٣", "Mon, 99 Jan 2000 00:00:00 GMT", "Sat, 01 Jan 99999"]
    )
    def test_may_be_nonsense(self, value: str) -> None:
        """Then there is none."""
        assert 0 == asked_to_wait(rejected(503, ("retry-after", value)), MIDNIGHT)

    def test_may_be_missing(self) -> None:
        """Other failures have no wish."""
        assert [0, 0] == [asked_to_wait(rejected(503), 0), asked_to_wait(OSError(), 0)]
