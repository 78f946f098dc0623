"""What h11 makes of heads, and of those whose lines it has seen before."""

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawws.core import parsing, rules
from rawws.core.errors import RemoteProtocolError
from rawws.core.parsing import LONGEST_ALIKE, LONGEST_REMEMBERED, MOST_ALIKE, MOST_REMEMBERED, parse_request

NAMES = ["Accept", "ACCEPT", "Upgrade", "User-Agent", "Cookie", "Content-Length", "Transfer-Encoding", "x y", "Host"]
KEYS = ["Sec-WebSocket-Key", "sec-websocket-key"]
VALUES = ["a", "", "5", "5,5", "Chunked", "\x7f", "ü", " a\tb ", "a:b"]
VALID = ["dGhlIHNhbXBsZSBub25jZQ==", "x3JJHMbDL1EzLkh9GBhXDw==", "dGhlIHNhbXBsZSBub25jZQ== "]
LINES = st.tuples(st.sampled_from(NAMES), st.sampled_from(VALUES)).map(": ".join)
LINES |= st.tuples(st.sampled_from(KEYS), st.sampled_from(VALID + VALUES[:3])).map(": ".join)
HEADS = st.lists(st.lists(LINES, max_size=6), min_size=2, max_size=6)


def head_of(*lines):
    """A request with these fields, behind Host."""
    return "\r\n".join(["GET / HTTP/1.1", "Host: a", *lines, "", ""]).encode("latin-1")


def by_h11(head):
    """The fields that h11 reads in all of the head; None if it refuses it."""
    reader = h11.Connection(h11.SERVER)
    reader.receive_data(head)
    try:
        return tuple(reader.next_event().headers)
    except h11.RemoteProtocolError:
        return None


def fields_of(head):
    """The fields that we read; None if we refuse it."""
    try:
        return parse_request(head)[3]
    except RemoteProtocolError:
        return None


@given(heads=HEADS)
def test_what_came_before_changes_nothing(heads):
    """Lines are remembered, and whichever of them are, a head says what h11 reads in all of it."""
    for lines in heads:
        assert by_h11(head_of(*lines)) == fields_of(head_of(*lines))


@pytest.mark.parametrize("name", ["Upgrade", "User-Agent", "Sec-WebSocket-Version"])
def test_what_many_send_alike_is_one_object(name):
    """Connections whose clients say the same share it: many of them are open at once."""
    line = f"{name}: the same for all"

    first, second = (fields_of(head_of(line))[1] for _ in range(2))

    assert first is second


def test_requests_may_differ_in_their_key_and_in_their_target():
    """Each is given with its own, where it stood; and of them all the fields are remembered once."""
    for key in VALID[:2]:
        line = f"Sec-WebSocket-Key: {key}"
        for lines in ([line, "Accept: a"], ["Accept: a", line], ["Accept: a", f"sec-websocket-key:{key}"]):
            parsing._alike.clear()
            for target in (b"/", b"/a?b=c", b"/%C3%A4"):
                head = head_of(*lines).replace(b" / ", b" %s " % target)

                assert (target, by_h11(head)) == (parse_request(head).target, fields_of(head))
                assert 1 == len(parsing._alike)


@pytest.mark.parametrize("line", ["GET /\x7f HTTP/1.1", "GET /ü HTTP/1.1", "GET  / HTTP/1.1", "GET / HTTP/1.1 "])
def test_a_first_line_is_judged_each_time(line):
    """That all behind it is known makes no difference."""
    head = head_of(f"Sec-WebSocket-Key: {VALID[0]}")
    parse_request(head)

    assert fields_of(head.replace(b"GET / HTTP/1.1", line.encode("latin-1"))) is None


@pytest.mark.parametrize("name", ["Cookie", "Authorization", "Sec-WebSocket-Key", "Sec-WebSocket-Protocol", "X-Token"])
def test_what_may_be_secret_is_not_remembered(name):
    """Nothing of it is left when its connection has gone."""
    line = f"{name}: the secret of one client"

    assert (name.lower().encode(), b"the secret of one client") == fields_of(head_of(line))[1]
    assert line.encode() not in parsing._remembered


@pytest.mark.parametrize(
    "secret", ["Cookie: a=b", "Sec-WebSocket-Protocol: token", "X-Token: a", "?token=a", "token/a"]
)
def test_a_request_that_may_be_secret_is_not_remembered(secret):
    """Nor is the key of one that is remembered."""
    key = f"Sec-WebSocket-Key: {VALID[0]}"
    asked = head_of(key, secret) if ":" in secret else head_of(key).replace(b"GET /", b"GET /" + secret.encode())

    assert fields_of(asked) is not None
    assert fields_of(head_of(key, "Accept: remembered")) is not None

    remembered = repr(parsing._alike)
    assert "Accept: remembered" in remembered
    assert secret not in remembered
    assert VALID[0] not in remembered


def test_a_line_that_is_refused_is_not_remembered():
    """It is refused each time."""
    for _ in range(2):
        with pytest.raises(RemoteProtocolError) as caught:
            parse_request(head_of("Accept: a", "Upgrade: \x00"))

        assert rules.HTTP_MALFORMED is caught.value.rule


@pytest.mark.parametrize(
    "head, rule",
    [
        (b"GET / HTTP/1.1\r\n\r\n", rules.HOST),
        (b"GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", rules.HOST),
        (b"GET / HTTP/1.0\r\nno colon\r\n\r\n", rules.HTTP_MALFORMED),
        (b"GET / HTTP/1.0\r\nContent-Length: x\r\n\r\n", rules.HTTP_MALFORMED),
        (b"GET / HTTP/1.1\r\nX: \0Missing mandatory Host\r\n\r\n", rules.HTTP_MALFORMED),
    ],
)
def test_host_is_blamed_for_what_is_wrong_with_host(head, rule):
    """And for nothing else: what is told is told beside the right rule."""
    with pytest.raises(RemoteProtocolError) as caught:
        parse_request(head)

    assert rule is caught.value.rule


def test_what_is_told_is_short():
    """Who sends 16 KiB of nonsense finds it in no log in full."""
    with pytest.raises(RemoteProtocolError) as caught:
        parse_request(head_of("q" + "\xff" * 8000 + ": a"))

    assert len(caught.value.detail) <= 120


def test_only_so_much_is_remembered():
    """Whoever sends many different lines, or long ones, takes no memory with it."""
    for count in range(2 * MOST_REMEMBERED):
        parse_request(head_of(f"User-Agent: number {count}"))
    parse_request(head_of(long := "User-Agent: " + "x" * LONGEST_REMEMBERED))
    key = f"Sec-WebSocket-Key: {VALID[0]}"
    for count in range(2 * MOST_ALIKE):
        parse_request(head_of(key, f"Accept: {count}"))
    parse_request(head_of(key, "Accept: " + "y" * LONGEST_ALIKE))

    assert len(parsing._alike) <= MOST_ALIKE
    assert "y" * LONGEST_ALIKE not in repr(parsing._alike)
    assert len(parsing._remembered) <= MOST_REMEMBERED
    assert long.encode() not in parsing._remembered
